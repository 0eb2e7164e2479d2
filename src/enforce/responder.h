// Responder: the actions that follow a kill, on a thread of their own, so that no kill waits for
// them.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "config/types.h"
#include "enforce/protection.h"

namespace cryptnono::enforce {

// What was done.
struct Response {
  config::Action action = config::Action::kKillTree;  // kKillContainer asked for may be kKillTree
  std::uint32_t killed = 0;  // processes, at least; with several incidents: for all of them
  bool complete = false;     // nothing is left alive
  std::string failed_why;    // if not complete, or if a container was not killed as was asked
};

// A process has been killed, and more is to follow.
struct Incident {
  config::Action action = config::Action::kKillTree;  // kKillTree or kKillContainer
  std::vector<ProcessId> tree_roots;  // what is left of the tree: ancestors up to its top, children
  std::string container_cgroup;       // absolute directory; empty: in no container
  // Called once, from the Responder's thread; or from that of respond(), if it was dropped. May be
  // empty. Must not call the Responder.
  std::function<void(const Response& response)> done;
};

class Responder {
 public:
  static constexpr std::size_t kCapacity = 256;

  struct Killers {
    std::function<KillResult(const std::vector<ProcessId>& roots)> tree;
    std::function<KillResult(const std::string& cgroup)> container;
  };
  struct Counters {
    std::array<std::uint64_t, 4> responses{};  // by config::Action: what was done, incidents
    std::uint64_t killed = 0;                  // processes
    std::uint64_t failures = 0;                // incidents that were not completed
    std::uint64_t dropped = 0;                 // because too many waited, or at the end
  };

  // Kills with kill_tree and kill_container.
  explicit Responder(const Protection& protection);
  // Other killers, and less room, in tests.
  explicit Responder(Killers killers, std::size_t capacity = kCapacity);
  // Finishes what it is at, and drops what waits.
  ~Responder();
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  // Never waits for a kill. If kCapacity incidents wait already, this one is dropped. All that wait
  // for the same container are answered by one kill of it. Without a container, or if that is
  // refused, it is the tree. An action below kKillTree is done already. Any thread.
  void respond(Incident incident);

  [[nodiscard]] Counters counters() const;

 private:
  void run(const std::stop_token& stop);
  std::vector<Incident> take_next();
  void answer(const std::vector<Incident>& incidents);
  Response kill(const std::vector<Incident>& incidents);
  void drop(const Incident& incident, const char* why);

  const Killers killers_;
  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Incident> waiting_;  // guarded by mutex_
  std::array<std::atomic<std::uint64_t>, 4> responses_{};
  std::atomic<std::uint64_t> killed_ = 0, failures_ = 0, dropped_ = 0;
  std::jthread thread_;  // last: uses all of the above
};

}  // namespace cryptnono::enforce
