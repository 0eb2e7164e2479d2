#include "detect/subject.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "container/cgroup_id.h"
#include "container/scope.h"

namespace cryptnono::detect {

namespace {

std::vector<Ancestor> read_ancestors(const proc::ProcReader& reader, pid_t ppid) {
  std::vector<Ancestor> out;
  const std::string mount_point = container::cgroup2_mount_point();
  for (pid_t pid = ppid; pid > 0 && out.size() < ORIGIN_ANCESTORS;) {
    const auto stat = reader.read_stat(pid);
    if (!stat) break;
    const std::string cgroup = reader.read_cgroup(pid);
    const std::vector<pid_t> numbers = reader.read_namespace_pids(pid);
    out.push_back(
        {.pid = pid,
         .start_ticks = stat->start_ticks,
         .uid = reader.read_uid(pid).value_or(0),
         .comm = stat->comm,
         .cgroup_id = container::cgroup_id_of(mount_point, container::cgroup_path(cgroup, "")),
         .level = numbers.empty() ? 0U : static_cast<std::uint32_t>(numbers.size() - 1),
         .innermost_pid = numbers.empty() ? 0 : numbers.back()});
    pid = stat->ppid;
  }
  return out;
}

std::string comm_of(const origin_process& record) {
  return {record.comm, strnlen(record.comm, sizeof record.comm)};
}

}  // namespace

void read_origin(const origin& record, Subject& out) {
  out.pid = static_cast<pid_t>(record.self.pid);
  out.start_ticks = boottime_ns_to_ticks(record.self.start_boottime_ns);
  out.ppid = static_cast<pid_t>(record.ppid);
  out.uid = record.self.uid;
  out.comm = comm_of(record.self);
  out.cgroup_id = record.self.cgroup_id;
  const auto text = [](const char* begin, std::size_t bytes) {
    return std::string(begin, std::min<std::size_t>(bytes, ORIGIN_PATH));
  };
  out.origin.cgroup = text(record.v2, record.v2_bytes);
  out.origin.cgroup_v1 = text(record.v1, record.v1_bytes);
  out.origin.level = record.self.level;
  const std::size_t count = std::min<std::size_t>(record.ancestor_count, ORIGIN_ANCESTORS);
  for (std::size_t i = 0; i < count; ++i) {
    const origin_process& each = record.ancestors[i];
    out.origin.ancestors.push_back({.pid = static_cast<pid_t>(each.pid),
                                    .start_ticks = boottime_ns_to_ticks(each.start_boottime_ns),
                                    .uid = each.uid,
                                    .comm = comm_of(each),
                                    .cgroup_id = each.cgroup_id,
                                    .level = each.level,
                                    .innermost_pid = static_cast<pid_t>(each.innermost_pid)});
  }
}

bool read_subject(const proc::ProcReader& reader, pid_t pid, const Locate& locate, Subject& out) {
  const auto stat = reader.read_stat(pid);
  const auto uid = reader.read_uid(pid);
  if (!stat || !uid) return false;
  out.pid = pid;
  out.start_ticks = stat->start_ticks;
  out.ppid = stat->ppid;
  out.uid = *uid;
  out.comm = stat->comm;
  out.path = reader.read_exe(pid);
  if (!reader.read_cmdline(pid, out.argv) || out.argv.empty())
    reader.read_thread_cmdline(pid, out.argv);
  out.argv_bytes = out.argv.size();
  const std::string cgroup = reader.read_cgroup(pid);
  out.origin.cgroup = container::cgroup_path(cgroup, "");
  out.cgroup_id = container::cgroup_id_of(container::cgroup2_mount_point(), out.origin.cgroup);
  const std::vector<pid_t> numbers = reader.read_namespace_pids(pid);
  out.origin.level = numbers.empty() ? 0U : static_cast<std::uint32_t>(numbers.size() - 1);
  out.origin.ancestors = read_ancestors(reader, stat->ppid);
  if (locate) locate(cgroup, out);
  return true;
}

}  // namespace cryptnono::detect
