#include "enforce/enforcer.h"

#include <unistd.h>

#include <csignal>

#include "base/clock.h"
#include "proc/proc_reader.h"
#include "proc/process.h"

namespace cryptnono::enforce {

namespace {
constexpr std::uint32_t kKernelThread = 0x00200000;  // PF_KTHREAD, include/linux/sched.h
constexpr std::uint32_t kExiting = 0x00000004;       // PF_EXITING, include/linux/sched.h
constexpr int kMaxGroups = 64;
}  // namespace

Enforcer::Enforcer(BlastLimit& limit) : limit_(limit), policy_(std::make_shared<Policy>()) {
  const proc::ProcReader reader;
  for (const pid_t pid : reader.with_ancestors(getpid())) {
    if (const auto stat = reader.read_stat(pid)) protected_.emplace(pid, stat->start_ticks);
  }
}

void Enforcer::set_policy(std::shared_ptr<const Policy> policy) {
  const std::lock_guard lock(mutex_);
  policy_ = std::move(policy);
}

bool Enforcer::is_protected(pid_t pid, std::uint64_t start_ticks) const {
  if (pid <= 1 || pid == getpid()) return true;
  const auto found = protected_.find(pid);
  return found != protected_.end() && found->second == start_ticks;
}

std::shared_ptr<const Policy> Enforcer::policy() const {
  const std::lock_guard lock(mutex_);
  return policy_;
}

std::string_view Enforcer::refusal(const ProcessId& process) const {
  if (is_protected(process.pid, process.start_ticks)) return "protected";
  const proc::ProcReader reader;
  const auto stat = reader.read_stat(process.pid);
  if (stat && (stat->flags & kKernelThread) != 0) return "kernel thread";
  const std::shared_ptr<const Policy> policy = this->policy();
  const std::string cgroup = reader.read_cgroup(process.pid);
  if (!policy->scope.contains(cgroup)) return "out of scope";
  const bool spared =
      policy->may_touch && policy->may_touch(process.pid, cgroup).spared != container::Spared::kNot;
  return spared ? "protected" : "";
}

bool Enforcer::admitted(std::uint64_t groups, std::uint64_t unit) {
  for (int group = 0; group < kMaxGroups; ++group) {
    if ((groups >> group & 1) != 0 && limit_.admit(static_cast<std::uint32_t>(group), unit))
      return true;
  }
  return false;
}

Action Enforcer::act(const Target& target, const std::function<bool()>& still_holds) {
  const std::shared_ptr<const Policy> policy = this->policy();
  const auto done = [](Outcome outcome, std::string_view why = {}) {
    return Action{.outcome = outcome, .time_ns = monotonic_ns(), .refused_why = why};
  };
  if (is_protected(target.pid, target.start_ticks)) return done(Outcome::kRefused, "protected");
  const auto process = proc::ProcessHandle::open(target.pid, target.start_ticks);
  if (!process)
    return done(process.error() == proc::OpenError::kFailed ? Outcome::kFailed : Outcome::kGone);
  const proc::ProcReader reader;
  const auto stat = reader.read_stat(target.pid);
  // Not by its state: a process whose main thread has ended reads Z and runs on in the others.
  if (!stat || process->wait_end(0)) return done(Outcome::kGone);
  if ((stat->flags & kKernelThread) != 0) return done(Outcome::kRefused, "kernel thread");
  const auto kill = [&] {
    if (process->signal(SIGKILL)) return done(Outcome::kKilled);
    return done(process->wait_end(0) ? Outcome::kGone : Outcome::kFailed);
  };
  if (target.canary) return kill();
  const std::string cgroup = reader.read_cgroup(target.pid);
  // What is just ending has given up its memory and its cgroup, but cannot be waited for yet.
  const auto refuse = [&](std::string_view why) {
    const auto now = reader.read_stat(target.pid);
    const bool ending = !now || (now->flags & kExiting) != 0 || process->wait_end(0);
    return ending ? done(Outcome::kGone) : done(Outcome::kRefused, why);
  };
  if (!policy->scope.contains(cgroup)) return refuse("out of scope");
  const Permission permission =
      policy->may_touch ? policy->may_touch(target.pid, cgroup) : Permission{};
  if (still_holds && !still_holds()) return refuse("no reason any more");
  if (permission.spared != container::Spared::kNot) {
    Action spared = done(Outcome::kSpared);
    spared.spared = permission.spared;
    return spared;
  }
  std::uint64_t killing = permission.kill ? target.groups : target.groups & policy->kill_groups;
  if (permission.report) killing = 0;
  if (killing == 0) return done(Outcome::kReported);
  if (!admitted(killing, target.unit)) return done(Outcome::kLimited);
  return kill();
}

}  // namespace cryptnono::enforce
