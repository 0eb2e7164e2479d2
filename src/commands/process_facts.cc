#include "commands/process_facts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "app/runtimes.h"
#include "base/shell_quote.h"
#include "container/cgroup_id.h"
#include "proc/proc_reader.h"
#include "proc/process.h"

namespace cryptnono::commands {

namespace {

using container::CgroupOwner;
using container::StandingBook;

constexpr std::uint32_t kKernelThread = 0x00200000;  // PF_KTHREAD, include/linux/sched.h

tl::unexpected<Error> gone(pid_t pid) { return fail(fmt::format("no process {}", pid)); }

// Whether /proc/PID may be read as far as it must be.
Result<void> may_read(pid_t pid, bool executable) {
  const std::string path = fmt::format("/proc/{}/{}", pid, executable ? "exe" : "stat");
  if (executable) {
    std::array<char, PATH_MAX> target{};
    if (readlink(path.c_str(), target.data(), target.size()) >= 0) return {};
  } else {
    if (const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC)); file) return {};
  }
  if (errno == EACCES || errno == EPERM) return fail_errno(path, errno);
  return executable ? Result<void>() : gone(pid);
}

// A running daemon protects itself and its ancestors. It is known by its file, and must be root's.
bool is_daemon_or_ancestor(const proc::ProcReader& reader, pid_t pid) {
  const auto own = container::file_id_of("/proc/self/exe");
  for (const pid_t each : reader.pids()) {
    if (each == getpid() || reader.read_uid(each) != uid_t{0} ||
        container::file_id_of(fmt::format("/proc/{}/exe", each)) != own)
      continue;
    std::string area;
    if (!reader.read_cmdline(each, area)) continue;
    const auto arguments = split_cmdline(area);
    if (arguments.size() < 2 || arguments[1] != "run") continue;
    const auto family = reader.with_ancestors(each);
    if (std::find(family.begin(), family.end(), pid) != family.end()) return true;
  }
  return false;
}

// All of one path's cgroups, from the hierarchy's root down.
void add_cgroups(StandingBook& book, const std::string& mount_point, const std::string& path,
                 std::uint64_t mark) {
  for (std::size_t end = 0; end != std::string::npos && !path.empty();) {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    // A cgroup that this mount does not show is not known to the daemon either.
    if (const std::uint64_t id = container::cgroup_id_of(mount_point, part); id != 0)
      book.table().add(id | mark, part);
  }
}

void ask_runtimes(ProcessFacts& facts) {
  StandingBook& book = facts.book;
  const CgroupOwner* owner = book.owner_of(facts.cgroup);
  const bool placed = owner != nullptr && owner->kind != CgroupOwner::Kind::kUser;
  if (owner != nullptr) book.read_logs_if_unknown(book.pod_uid_of(*owner));
  book.read_logs_if_unknown(facts.outer_pod);
  if (!placed && !book.settings().containers_only) return;
  app::Runtimes runtimes;
  container::Told told = runtimes.ask(book.settings().endpoints, kRuntimeTimeoutMs);
  facts.runtimes_answered = told.all_answered;
  book.take(std::move(told));
  if (!placed || owner->container_id.empty() || !facts.runtimes_answered) return;
  book.read_logs_if_unknown(book.pod_uid_of(*owner));
  if (owner->runtime == container::Runtime::kCri)
    facts.details =
        runtimes.details(book.settings().endpoints, owner->container_id, kRuntimeTimeoutMs);
}

std::string pod_of_ancestors(const proc::ProcReader& reader, const detect::Subject& who,
                             const std::string& v1_controllers) {
  for (const detect::Ancestor& each : who.origin.ancestors) {
    const std::string cgroup = reader.read_cgroup(each.pid);
    for (const std::string_view controllers :
         {std::string_view(), std::string_view(v1_controllers)}) {
      std::string uid = container::pod_uid_of(container::cgroup_path(cgroup, controllers));
      if (!uid.empty()) return uid;
    }
  }
  return {};
}

void locate(const proc::ProcReader& reader, ProcessFacts& facts) {
  add_cgroups(facts.book, container::cgroup2_mount_point(), facts.who.origin.cgroup, 0);
  if (const auto v1 = container::v1_hierarchy_with_containers()) {
    facts.book.set_v1(v1->controllers);
    facts.who.origin.cgroup_v1 = container::cgroup_path(facts.cgroup, v1->controllers);
    add_cgroups(facts.book, v1->mount_point, facts.who.origin.cgroup_v1, container::kCgroupIdV1);
  }
  const CgroupOwner* owner = facts.book.owner_of(facts.cgroup);
  if (owner != nullptr && owner->kind == CgroupOwner::Kind::kContainer && owner->pod_uid.empty())
    facts.outer_pod = pod_of_ancestors(reader, facts.who, facts.book.v1_controllers());
}

}  // namespace

Result<ProcessFacts> read_facts(const config::Config& config, pid_t pid) {
  TRY(may_read(pid, false));
  const proc::ProcReader reader;
  const auto stat = reader.read_stat(pid);
  const auto process = reader.read_process_of(pid);
  if (!stat || !process) return gone(pid);
  if (*process != pid)
    return fail(fmt::format("{} is a thread of the process {}", pid, *process), ExitCode::kUsage);
  ProcessFacts facts;
  if (pid == 1) {
    facts.untouchable = Untouchable::kPid1;
  } else if ((stat->flags & kKernelThread) != 0) {
    facts.untouchable = Untouchable::kKernelThread;
  } else {
    // Without the executable the answer might be a wrong one.
    TRY(may_read(pid, true));
    const auto handle = proc::ProcessHandle::open(pid, stat->start_ticks);
    if (!handle ? handle.error() != proc::OpenError::kFailed : handle->wait_end(0))
      return gone(pid);
    if (is_daemon_or_ancestor(reader, pid)) facts.untouchable = Untouchable::kDaemon;
  }
  if (!detect::read_subject(reader, pid, nullptr, facts.who)) return gone(pid);
  facts.cgroup = reader.read_cgroup(pid);
  facts.executable_trusted = reader.executable_trusted(pid);
  facts.person = container::person_of(pid);
  facts.book.use(app::standing_settings(config));
  locate(reader, facts);
  ask_runtimes(facts);
  // All of it was of one process.
  const auto now = reader.read_stat(pid);
  if (!now || now->start_ticks != stat->start_ticks) return gone(pid);
  return facts;
}

}  // namespace cryptnono::commands
