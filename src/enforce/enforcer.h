// Enforcer: a verdict goes in, an action comes out. The only place in user space that sends a
// signal, with tree_killer.h and container_killer.h, which go on where it ended.
//
// The kernel side (bpf/lib/enforce.bpf.h) obeys the same mode, protection and limit for what it
// kills itself.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "container/protection.h"
#include "container/scope.h"
#include "enforce/protection.h"

namespace cryptnono::enforce {

// A process that a detector wants stopped: pid and start time are its identity.
struct Target {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat
  std::uint64_t unit = 0;         // of the blast-radius limit
  std::uint64_t groups = 0;       // mask of the rule groups that hit
  // The daemon's own canary: dies whatever scope, protection, mode and limit say.
  bool canary = false;
};

// How far a limit is used up: targets that count now, and how many may.
struct LimitState {
  std::uint32_t targets = 0;
  std::uint32_t max_targets = 0;

  // No further target is acted on.
  [[nodiscard]] bool reached() const { return max_targets != 0 && targets >= max_targets; }
};

// A rule group that has acted on too many distinct units within a while may not act on new ones.
class BlastLimit {
 public:
  virtual ~BlastLimit() = default;
  // May `group` act on `unit` now? Takes a slot if so. Any thread.
  virtual bool admit(std::uint32_t group, std::uint64_t unit) = 0;
  // Of the group that has used up the most. Any thread.
  [[nodiscard]] virtual LimitState state() const = 0;
};

using container::Permission;

// What may be done at all. Immutable.
struct Policy {
  std::uint64_t kill_groups = 0;  // mask; 0: report only (dry run)
  container::Scope scope;
  // Asked of each process that is in scope, with its /proc/PID/cgroup; empty: everything. Any
  // thread.
  std::function<Permission(pid_t pid, const std::string& proc_cgroup)> may_touch = nullptr;
};

enum class Outcome : std::uint8_t {
  kKilled,
  kReported,  // the mode says so
  kLimited,   // reported, because the blast-radius limit of every group is used up
  kGone,      // ended, or another process now
  kRefused,   // the daemon or a kernel thread, out of scope, or no reason any more
  kSpared,    // protected: Action::spared
  kFailed     // the kernel refused
};

struct Action {
  Outcome outcome = Outcome::kRefused;
  std::uint64_t time_ns = 0;     // CLOCK_MONOTONIC, when the signal was sent or the decision fell
  std::string_view refused_why;  // kRefused
  container::Spared spared = container::Spared::kNot;  // kSpared
};

// Thread-safe.
class Enforcer {
 public:
  // Protects pid 1, this process and its ancestors. `limit` must outlive the object.
  explicit Enforcer(BlastLimit& limit);

  void set_policy(std::shared_ptr<const Policy> policy);

  // Kills, or says why not. Opens the process first and then asks everything again of what it has
  // open: identity, protection, scope, and `still_holds` (if given: is the reason still there?), so
  // nothing that changed in the meantime is lost.
  Action act(const Target& target, const std::function<bool()>& still_holds = nullptr);

  // Why no process here may be signalled by whoever has it open: the part of act() that knows no
  // mode and no limit, for those that go on. "" if it may be. See Protection.
  [[nodiscard]] std::string_view refusal(const ProcessId& process) const;

  // The protected processes besides kernel threads: pid -> start time in ticks.
  [[nodiscard]] const std::unordered_map<pid_t, std::uint64_t>& protected_pids() const {
    return protected_;
  }

 private:
  [[nodiscard]] std::shared_ptr<const Policy> policy() const;
  [[nodiscard]] bool is_protected(pid_t pid, std::uint64_t start_ticks) const;
  [[nodiscard]] bool admitted(std::uint64_t groups, std::uint64_t unit);

  BlastLimit& limit_;
  std::unordered_map<pid_t, std::uint64_t> protected_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Policy> policy_;  // guarded by mutex_
};

}  // namespace cryptnono::enforce
