#include "enforce/tree_killer.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/clock.h"
#include "proc/process.h"

namespace cryptnono::enforce {

namespace {

constexpr std::size_t kMaxDepth = 64;  // TREE_DEPTH of bpf/lib/flow_count.bpf.h
// A stop takes effect when the thread next leaves the kernel; a thread that waits there for a child
// made by vfork does not, but forks nothing either.
constexpr std::uint64_t kSettle = 50 * kMillisecond;

std::optional<Ancestor> read_ancestor(const proc::ProcReader& reader, pid_t pid) {
  const auto stat = reader.read_stat(pid);
  const std::vector<pid_t> pids = reader.read_namespace_pids(pid);
  std::string cgroup = reader.read_cgroup(pid);
  if (!stat || pids.empty() || cgroup.empty()) return std::nullopt;
  return Ancestor{.id = {.pid = pid, .start_ticks = stat->start_ticks},
                  .cgroup = std::move(cgroup),
                  .level = static_cast<std::uint32_t>(pids.size()),
                  .innermost_pid = pids.back()};
}

bool is_at_rest(char state) { return state == 'T' || state == 't' || state == 'Z' || state == 'X'; }

// No thread of it will fork any more.
bool has_stopped(pid_t pid) {
  const proc::ProcReader threads(fmt::format("/proc/{}/task", pid));
  const std::vector<pid_t> ids = threads.pids();
  return std::all_of(ids.begin(), ids.end(), [&](pid_t thread) {
    const auto stat = threads.read_stat(thread);
    return !stat || is_at_rest(stat->state);
  });
}

// One run of kill_tree. No descriptor is kept for a member, for there may be thousands: who has
// stopped stays, and is opened again, by its identity, for each thing that is done to it.
class TreeKill {
 public:
  TreeKill(const Protection& protection, const TreeLimits& limits)
      : protection_(protection),
        limits_(limits),
        deadline_(monotonic_ns() + static_cast<std::uint64_t>(limits.time_ms) * kMillisecond) {}

  KillResult run(std::span<const ProcessId> roots);

 private:
  [[nodiscard]] bool late() const { return monotonic_ns() >= deadline_; }
  std::optional<proc::ProcessHandle> open_alive(const ProcessId& process);
  bool stop(const ProcessId& process, const ProcessId* parent);
  bool stop_children();
  void wait_until_stopped();
  void kill_members();
  void wait_until_ended();

  const Protection& protection_;
  const TreeLimits& limits_;
  const std::uint64_t deadline_;
  const proc::ProcReader reader_;
  std::unordered_map<pid_t, ProcessId> members_;
  std::unordered_set<pid_t> refused_;
  std::uint32_t killed_ = 0;
  bool failed_to_open_ = false;
};

// Nothing if it has ended; a zombie has.
std::optional<proc::ProcessHandle> TreeKill::open_alive(const ProcessId& process) {
  auto handle = proc::ProcessHandle::open(process.pid, process.start_ticks);
  if (handle && !handle->wait_end(0)) return *std::move(handle);
  failed_to_open_ = failed_to_open_ || (!handle && handle.error() == proc::OpenError::kFailed);
  return std::nullopt;
}

// Takes a process into the tree. `parent`: whose child it must still be; null for a root. False: it
// is gone, refused, or somebody else's.
bool TreeKill::stop(const ProcessId& process, const ProcessId* parent) {
  const auto handle = open_alive(process);
  if (!handle) return false;
  // It is held now; whose child it is and whether it may be touched are asked of this very process.
  // A parent that is alive after its number was read was the parent.
  const auto stat = reader_.read_stat(process.pid);
  if (!stat) return false;
  if (parent != nullptr && (stat->ppid != parent->pid || !open_alive(*parent))) return false;
  if (!protection_(process).empty()) {
    // What has ended in the meantime seems out of scope.
    if (!handle->wait_end(0)) refused_.insert(process.pid);
    return false;
  }
  if (!handle->signal(SIGSTOP)) return false;
  members_.emplace(process.pid, process);
  return true;
}

// One look at all processes. True: it found new ones.
bool TreeKill::stop_children() {
  struct Child {
    ProcessId id;
    pid_t parent;
  };
  std::vector<Child> others;
  for (const pid_t pid : reader_.pids()) {
    if (members_.contains(pid) || refused_.contains(pid)) continue;
    if (const auto stat = reader_.read_stat(pid))
      others.push_back(
          {.id = {.pid = pid, .start_ticks = stat->start_ticks}, .parent = stat->ppid});
  }
  // A child may stand before its parent, so again until there is no more.
  bool any = false;
  for (bool found = true; found && !late();) {
    found = false;
    std::erase_if(others, [&](const Child& child) {
      const auto parent = members_.find(child.parent);
      if (parent == members_.end()) return false;
      const ProcessId parent_id = parent->second;  // the map may move
      found = stop(child.id, &parent_id) || found;
      return true;
    });
    any = any || found;
  }
  return any;
}

void TreeKill::wait_until_stopped() {
  const std::uint64_t until = std::min(deadline_, monotonic_ns() + kSettle);
  for (const auto& [pid, id] : members_) {
    while (!has_stopped(pid) && monotonic_ns() < until) {
      const auto handle = open_alive(id);
      if (!handle || handle->wait_end(1)) break;
    }
  }
}

void TreeKill::kill_members() {
  for (const auto& [pid, id] : members_) {
    const auto handle = open_alive(id);
    if (handle && handle->signal(SIGKILL)) ++killed_;
  }
}

// Who has ended is no member any more: its pid is free for others.
void TreeKill::wait_until_ended() {
  std::erase_if(members_, [&](const auto& entry) {
    const auto handle = open_alive(entry.second);
    const std::uint64_t now = monotonic_ns();
    const int left = now < deadline_ ? static_cast<int>((deadline_ - now) / kMillisecond) + 1 : 0;
    return !handle || handle->wait_end(left);
  });
}

KillResult TreeKill::run(std::span<const ProcessId> roots) {
  bool clean = false;  // a look found nothing alive
  while (!clean && !late()) {
    for (const ProcessId& root : roots) {
      if (!members_.contains(root.pid) && !refused_.contains(root.pid)) stop(root, nullptr);
    }
    // The last look must come after the last fork: when all have stopped.
    do {
      wait_until_stopped();
    } while (stop_children() && !late());
    clean = members_.empty();
    kill_members();
    wait_until_ended();
  }
  KillResult out{.killed = killed_, .complete = clean && !failed_to_open_, .failed_why = {}};
  if (failed_to_open_)
    out.failed_why = "a process could not be opened";
  else if (!clean)
    out.failed_why = fmt::format("not all had ended after {} ms", limits_.time_ms);
  return out;
}

}  // namespace

std::size_t top_of_tree(std::span<const Ancestor> line) {
  std::size_t top = 0;
  while (top + 1 < line.size() && top < kMaxDepth) {
    const Ancestor& parent = line[top + 1];
    if (parent.cgroup != line[0].cgroup || parent.level != line[0].level ||
        parent.innermost_pid == 1)
      break;
    ++top;
  }
  return top;
}

std::vector<ProcessId> tree_line(const proc::ProcReader& reader, const ProcessId& process) {
  std::vector<Ancestor> line;
  pid_t pid = process.pid;
  while (pid > 0 && line.size() <= kMaxDepth) {
    auto next = read_ancestor(reader, pid);
    if (!next) break;
    line.push_back(*std::move(next));
    const auto stat = reader.read_stat(pid);
    pid = stat ? stat->ppid : 0;
  }
  if (line.empty() || !(line.front().id == process)) return {process};
  std::vector<ProcessId> out;
  const std::size_t top = top_of_tree(line);
  for (std::size_t i = 0; i <= top; ++i) out.push_back(line[i].id);
  return out;
}

KillResult kill_tree(std::span<const ProcessId> roots, const Protection& protection,
                     const TreeLimits& limits) {
  return TreeKill(protection, limits).run(roots);
}

}  // namespace cryptnono::enforce
