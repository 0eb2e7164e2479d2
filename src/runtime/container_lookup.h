// ContainerLookup: what container is this? Asks the runtimes on a thread of its own, remembers, and
// never makes anybody wait.
#pragma once

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
#include <vector>

#include "runtime/container_details.h"
#include "runtime/cri_client.h"

namespace cryptnono::runtime {

struct LookupSettings {
  std::vector<std::string> endpoints;    // sockets; empty: those of kKnownEndpoints that there are
  std::vector<std::string> environment;  // names of the variables to keep

  bool operator==(const LookupSettings&) const = default;
};

// Where containerd, k3s, CRI-O, cri-dockerd and Bottlerocket listen.
extern const std::vector<std::string> kKnownEndpoints;

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
  void find(const std::string& id, Done done);
  // Asks ahead, so that find() will know.
  void prefetch(const std::string& id);

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

 private:
  struct Endpoint {
    explicit Endpoint(const std::string& path) : client(path) {}
    CriClient client;
    std::uint64_t down_until_ns = 0;
  };
  struct Request {
    std::string id;
    Done done;
  };
  using Cached = std::pair<std::string, std::shared_ptr<const ContainerDetails>>;

  void run();
  std::shared_ptr<const ContainerDetails> ask(const std::string& id);
  [[nodiscard]] std::shared_ptr<const ContainerDetails> cached(const std::string& id);
  void keep(const std::string& id, std::shared_ptr<const ContainerDetails> details);
  std::vector<std::string> endpoints_now() const;

  const LookupSettings settings_;
  std::unordered_map<std::string, Endpoint> endpoints_;  // the thread's

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // All below guarded by mutex_.
  std::deque<Request> waiting_;
  std::list<Cached> cache_;  // the one used last in front
  std::unordered_map<std::string, std::list<Cached>::iterator> index_;
  std::uint64_t down_until_ns_ = 0;  // no runtime answers until then
  Counters counters_;
  bool stopping_ = false;
  std::thread thread_;  // last: starts when the rest is there
};

}  // namespace cryptnono::runtime
