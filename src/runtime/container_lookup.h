// ContainerLookup: what container is this? Asks the runtimes on a thread of its own, remembers, and
// never makes anybody wait.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "runtime/container_details.h"
#include "runtime/cri_client.h"
#include "runtime/docker_client.h"

namespace cryptnono::runtime {

struct LookupSettings {
  // Sockets, of which those that there are when it comes to it are asked; see sockets.h.
  std::vector<std::string> endpoints;         // of the CRI
  std::vector<std::string> docker_endpoints;  // of Docker
  std::vector<std::string> environment;       // names of the variables to keep

  bool operator==(const LookupSettings&) const = default;
};

// What the path of a container's cgroup says of its runtime. kDocker is a guess: who is unknown to
// Docker is asked for at the CRI too.
enum class RuntimeKind : std::uint8_t { kCri, kDocker };

// Any thread.
class ContainerLookup {
 public:
  // Null: not known, or no runtime that answers. The details are valid during the call.
  using Done = std::function<void(const ContainerDetails*)>;

  explicit ContainerLookup(LookupSettings settings);
  // What is still asked for is told that nothing is known.
  ~ContainerLookup();
  ContainerLookup(const ContainerLookup&) = delete;
  ContainerLookup& operator=(const ContainerLookup&) = delete;

  // Calls `done` once: at once if the answer is known, or cannot be had now; else later, from
  // another thread.
  void find(const std::string& id, RuntimeKind kind, Done done);
  // Asks ahead, so that find() will know.
  void prefetch(const std::string& id, RuntimeKind kind);

  struct Counters {
    std::uint64_t found = 0, unknown = 0, failed = 0;  // calls to runtimes, by result
    std::uint64_t dropped = 0;                         // not asked: too many were waiting
    std::size_t cached = 0;
  };
  [[nodiscard]] Counters counters() const;

  // Of each call to a runtime. containerd answers in 0.5 to 0.8 ms (measured).
  static constexpr int kTimeoutMs = 500;
  // A runtime that did not answer is not asked again for so long.
  static constexpr std::uint64_t kBackOffNs = 5'000'000'000;
  static constexpr std::size_t kMaxCached = 4096;
  static constexpr std::size_t kMaxWaiting = 1024;
  static constexpr std::size_t kMaxAhead = 4096;  // as many as are remembered
  // What no runtime knew is not asked ahead again for so long.
  static constexpr std::uint64_t kUnknownNs = 60'000'000'000;

 private:
  template <typename Client>
  struct Endpoint {
    explicit Endpoint(const std::string& path) : client(path) {}
    Client client;
    std::uint64_t down_until_ns = 0;
  };
  template <typename Client>
  using Endpoints = std::unordered_map<std::string, Endpoint<Client>>;
  struct Request {
    std::string id;
    RuntimeKind kind;
    Done done;
  };
  using Cached = std::pair<std::string, std::shared_ptr<const ContainerDetails>>;

  void run();
  Request take_next();
  std::shared_ptr<const ContainerDetails> ask(const Request& request);
  // Asks these sockets until one knows it. `answered` is set if any answers at all.
  template <typename Client>
  std::shared_ptr<const ContainerDetails> ask(Endpoints<Client>& endpoints,
                                              const std::vector<std::string>& paths,
                                              const Request& request, bool& answered);
  void remember_unknown(const std::string& id);
  [[nodiscard]] bool is_unknown(const std::string& id) const;
  [[nodiscard]] std::shared_ptr<const ContainerDetails> cached(const std::string& id);
  void keep(const std::string& id, std::shared_ptr<const ContainerDetails> details);
  [[nodiscard]] std::uint64_t& down_until_ns(RuntimeKind kind) {
    return down_until_ns_.at(static_cast<std::size_t>(kind));
  }

  const LookupSettings settings_;
  Endpoints<CriClient> endpoints_;            // the thread's
  Endpoints<DockerClient> docker_endpoints_;  // the thread's

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // All below guarded by mutex_.
  std::deque<Request> waiting_;
  std::deque<Request> ahead_;  // nobody waits for these; their ids are in queued_ahead_
  std::unordered_set<std::string> queued_ahead_;
  std::unordered_map<std::string, std::uint64_t> unknown_;  // id -> until when
  std::list<Cached> cache_;                                 // the one used last in front
  std::unordered_map<std::string, std::list<Cached>::iterator> index_;
  std::array<std::uint64_t, 2> down_until_ns_{};  // by kind: no runtime answers until then
  Counters counters_;
  bool stopping_ = false;
  std::thread thread_;  // last: starts when the rest is there
};

}  // namespace cryptnono::runtime
