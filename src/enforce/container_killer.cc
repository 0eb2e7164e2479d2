#include "enforce/container_killer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "container/scope.h"
#include "proc/proc_reader.h"
#include "proc/process.h"

namespace cryptnono::enforce {

namespace {

namespace fs = std::filesystem;

constexpr useconds_t kPauseUs = 1000;
// A frozen cgroup is reached within milliseconds, unless a process waits in the kernel; such a one
// does not fork, and gets its signal all the same.
constexpr std::uint64_t kFreezeWait = 200 * kMillisecond;

bool write_file(const std::string& path, std::string_view text) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool says(const std::string& path, std::string_view line) {
  std::ifstream file(path);
  for (std::string each; std::getline(file, each);) {
    if (each == line) return true;
  }
  return false;
}

// The processes of a cgroup and of those below it; 0 for one of a namespace that is not seen.
// Threaded cgroups list none: their processes stand in the domain above.
std::vector<pid_t> processes_in(const std::string& directory) {
  std::vector<pid_t> out;
  const auto read = [&](const std::string& cgroup) {
    std::ifstream file(cgroup + "/cgroup.procs");
    for (pid_t pid = 0; file >> pid;) out.push_back(pid);
  };
  read(directory);
  std::error_code error;
  fs::recursive_directory_iterator it(directory, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored)) read(it->path().string());
  }
  return out;
}

struct Place {
  std::string directory;  // canonical
  container::Hierarchy hierarchy;
  std::string path;     // from the mount point
  std::string freezer;  // v1: the same path there; empty if there is none
};

// Why it is no place where anything may be killed; "" if it is one.
std::string find_place(const std::string& directory, Place& out) {
  std::error_code error;
  out.directory = fs::canonical(directory, error).string();
  if (error) return fmt::format("{}: {}", directory, error.message());
  const auto hierarchies = container::mounted_hierarchies();
  for (const container::Hierarchy& each : hierarchies) {
    const bool below =
        out.directory == each.mount_point || out.directory.starts_with(each.mount_point + "/");
    if (below && each.mount_point.size() > out.hierarchy.mount_point.size()) out.hierarchy = each;
  }
  const std::string& mount = out.hierarchy.mount_point;
  if (mount.empty()) return fmt::format("{}: is not a cgroup", directory);
  out.path = out.directory.substr(mount.size());
  if (out.path.empty()) return fmt::format("{}: is the root of a hierarchy", directory);
  if (!fs::exists(out.directory + "/cgroup.procs", error))
    return fmt::format("{}: is not a cgroup", directory);
  for (const container::Hierarchy& each : hierarchies) {
    const std::string freezer = each.mount_point + out.path;
    if (each.root == out.hierarchy.root && fs::exists(freezer + "/freezer.state", error))
      out.freezer = freezer;
  }
  return {};
}

// Why `pid` must not be killed; "" if it may, or is gone.
std::string refusal_of(pid_t pid, const proc::ProcReader& reader, const Protection& protection) {
  if (pid == 0) return "holds a process of another pid namespace";
  const auto stat = reader.read_stat(pid);
  if (!stat) return {};
  const auto handle = proc::ProcessHandle::open(pid, stat->start_ticks);
  const std::string_view why = protection({.pid = pid, .start_ticks = stat->start_ticks});
  // What ends meanwhile is in no cgroup any more, and so seems out of scope.
  if (!why.empty() && (!handle || handle->wait_end(0))) return {};
  return why.empty() ? std::string() : fmt::format("holds process {}, which is {}", pid, why);
}

std::string refusal_of_all(const std::string& directory, const Protection& protection) {
  const proc::ProcReader reader;
  for (const pid_t pid : processes_in(directory)) {
    const std::string why = refusal_of(pid, reader, protection);
    if (!why.empty()) return fmt::format("{}: {}", directory, why);
  }
  return {};
}

// Freezes while it lives.
class Freeze {
 public:
  Freeze(const Place& place, std::uint64_t deadline) {
    if (place.hierarchy.controllers.empty() &&
        write_file(place.directory + "/cgroup.freeze", "1")) {
      file_ = place.directory + "/cgroup.freeze";
      thaw_ = "0";
      wait(place.directory + "/cgroup.events", "frozen 1", deadline);
    } else if (!place.freezer.empty() && write_file(place.freezer + "/freezer.state", "FROZEN")) {
      file_ = place.freezer + "/freezer.state";
      thaw_ = "THAWED";
      wait(file_, "FROZEN", deadline);
    }
  }
  Freeze(const Freeze&) = delete;
  Freeze& operator=(const Freeze&) = delete;
  ~Freeze() {
    if (!file_.empty()) write_file(file_, thaw_);
  }

 private:
  static void wait(const std::string& file, std::string_view line, std::uint64_t deadline) {
    const std::uint64_t until = std::min(deadline, monotonic_ns() + kFreezeWait);
    while (!says(file, line) && monotonic_ns() < until) usleep(kPauseUs);
  }

  std::string file_;
  std::string_view thaw_;
};

// One run of kill_container.
class ContainerKill {
 public:
  ContainerKill(const Protection& protection, const ContainerLimits& limits, const Place& place)
      : protection_(protection),
        limits_(limits),
        place_(place),
        deadline_(monotonic_ns() + static_cast<std::uint64_t>(limits.time_ms) * kMillisecond) {}

  KillResult run();

 private:
  [[nodiscard]] bool in_place(pid_t pid) const;
  void kill_one(pid_t pid);
  void kill_listed();

  const Protection& protection_;
  const ContainerLimits& limits_;
  const Place& place_;
  const std::uint64_t deadline_;
  const proc::ProcReader reader_;
  std::set<std::pair<pid_t, std::uint64_t>> killed_;
  std::string refused_;
};

bool ContainerKill::in_place(pid_t pid) const {
  const std::string text = reader_.read_cgroup(pid);
  const std::string_view path = container::cgroup_path(text, place_.hierarchy.controllers);
  // /proc writes it from the root of the cgroup namespace, which may be above what is mounted.
  const std::string root = place_.hierarchy.root == "/" ? "" : place_.hierarchy.root;
  const std::string wanted = root + place_.path;
  return path == wanted || path.starts_with(wanted + "/");
}

// The pid was read from a list: once it is open, it is asked whether it is still in here.
void ContainerKill::kill_one(pid_t pid) {
  const auto stat = reader_.read_stat(pid);
  if (!stat) return;
  const auto handle = proc::ProcessHandle::open(pid, stat->start_ticks);
  if (!handle || handle->wait_end(0) || !in_place(pid)) return;
  const std::string why = refusal_of(pid, reader_, protection_);
  if (!why.empty()) {
    refused_ = fmt::format("{}: {}", place_.directory, why);
    return;
  }
  if (handle->signal(SIGKILL)) killed_.emplace(pid, stat->start_ticks);
}

void ContainerKill::kill_listed() {
  for (const pid_t pid : processes_in(place_.directory)) kill_one(pid);
}

KillResult ContainerKill::run() {
  bool by_kernel = false;
  if (limits_.best == ContainerMeans::kCgroupKill && place_.hierarchy.controllers.empty()) {
    for (const pid_t pid : processes_in(place_.directory)) {
      if (const auto stat = reader_.read_stat(pid)) killed_.emplace(pid, stat->start_ticks);
    }
    by_kernel = write_file(place_.directory + "/cgroup.kill", "1");
    if (!by_kernel) killed_.clear();
  }
  // Who freezes must not be among the frozen.
  const bool freezes =
      limits_.best != ContainerMeans::kPasses &&
      (place_.freezer.empty() || refusal_of_all(place_.freezer, protection_).empty());
  bool empty = false;
  while (!(empty = processes_in(place_.directory).empty()) && refused_.empty() &&
         monotonic_ns() < deadline_) {
    if (!by_kernel) {
      const auto freeze = freezes ? std::make_unique<Freeze>(place_, deadline_) : nullptr;
      kill_listed();
    }
    usleep(kPauseUs);
  }
  KillResult out{.killed = static_cast<std::uint32_t>(killed_.size()),
                 .complete = empty,
                 .failed_why = refused_};
  if (!empty && refused_.empty())
    out.failed_why = fmt::format("{}: not empty after {} ms", place_.directory, limits_.time_ms);
  return out;
}

}  // namespace

KillResult kill_container(const std::string& directory, const Protection& protection,
                          const ContainerLimits& limits) {
  Place place;
  std::string why = find_place(directory, place);
  if (why.empty()) why = refusal_of_all(place.directory, protection);
  if (!why.empty()) return {.killed = 0, .complete = false, .failed_why = std::move(why)};
  return ContainerKill(protection, limits, place).run();
}

}  // namespace cryptnono::enforce
