// Cgroups and victims of the killers' tests. Whatever a test leaves behind dies and is removed by
// itself: cgroups with their object, processes after kVictimSeconds at the latest.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "container/scope.h"
#include "enforce/protection.h"
#include "proc/proc_reader.h"

namespace cryptnono::enforce {

inline constexpr unsigned kVictimSeconds = 10;
inline constexpr rlim_t kBombSize = 200;

inline ProcessId identity_of(pid_t pid) {
  const auto stat = proc::ProcReader().read_stat(pid);
  return {.pid = pid, .start_ticks = stat ? stat->start_ticks : 0};
}

inline bool is_alive(const ProcessId& process) {
  const auto stat = proc::ProcReader().read_stat(process.pid);
  return stat && stat->start_ticks == process.start_ticks && stat->state != 'Z' &&
         stat->state != 'X';
}

inline bool wait_for(const std::function<bool()>& condition, int time_ms = 1000) {
  for (int i = 0; i < time_ms; ++i) {
    if (condition()) return true;
    usleep(1000);
  }
  return false;
}

// Protects this process and its ancestors, and no other.
inline std::string_view spare_self(const ProcessId& process) {
  static const std::vector<pid_t> kSelf = proc::ProcReader().with_ancestors(getpid());
  for (const pid_t pid : kSelf) {
    if (pid == process.pid) return "protected";
  }
  return {};
}

// The mount point of a hierarchy that has this controller ("": v2); "" if there is none.
inline std::string mount_of(std::string_view controller) {
  for (const container::Hierarchy& each : container::mounted_hierarchies()) {
    if (each.controllers == controller) return each.mount_point;
  }
  return {};
}

// A cgroup of a test's own. Empty path(): it could not be made, skip.
class TestCgroup {
 public:
  explicit TestCgroup(std::string_view controller = "", const std::string& below = {}) {
    static int number = 0;
    const std::string mount = mount_of(controller);
    if (mount.empty()) return;
    remove_leftovers(mount);
    const std::string path = (below.empty() ? mount : below) + "/" + kPrefix +
                             std::to_string(getpid()) + "-" + std::to_string(++number);
    if (mkdir(path.c_str(), 0755) == 0) path_ = path;
  }
  // Of the same path as `twin` in another hierarchy.
  TestCgroup(std::string_view controller, const TestCgroup& twin,
             std::string_view twin_controller) {
    const std::string mount = mount_of(controller);
    if (mount.empty() || twin.path().empty()) return;
    const std::string path = mount + twin.path().substr(mount_of(twin_controller).size());
    if (mkdir(path.c_str(), 0755) == 0) path_ = path;
  }
  TestCgroup(const TestCgroup&) = delete;
  TestCgroup& operator=(const TestCgroup&) = delete;
  ~TestCgroup() {
    if (!path_.empty()) remove(path_);
  }

  [[nodiscard]] const std::string& path() const { return path_; }

  // For the child that is to live in it.
  void enter() const { std::ofstream(path_ + "/cgroup.procs") << getpid(); }

  [[nodiscard]] std::vector<pid_t> pids() const { return pids_in(path_); }

 private:
  static constexpr const char* kPrefix = "cryptnono-enforce-test-";

  static std::vector<pid_t> pids_in(const std::string& path) {
    std::vector<pid_t> out;
    std::ifstream file(path + "/cgroup.procs");
    for (pid_t pid = 0; file >> pid;) out.push_back(pid);
    return out;
  }

  // Not with what is tested.
  static void remove(const std::string& path) {
    std::ofstream(path + "/cgroup.freeze") << 0;
    std::ofstream(path + "/freezer.state") << "THAWED";
    std::ofstream(path + "/cgroup.kill") << 1;
    for (int i = 0; i < 2000 && rmdir(path.c_str()) != 0 && errno == EBUSY; ++i) {
      for (const pid_t pid : pids_in(path)) ::kill(pid, SIGKILL);
      usleep(1000);
    }
  }

  // Of a run that crashed.
  static void remove_leftovers(const std::string& mount) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(mount, error)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(kPrefix)) continue;
      const std::string pid = name.substr(std::string(kPrefix).size());
      if (::kill(std::stoi(pid), 0) != 0) remove(entry.path().string());
    }
  }

  std::string path_;
};

// Children of the test, reaped at its end; and what they tell it.
class Victims {
 public:
  Victims()
      : told_(static_cast<Told*>(mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  Victims(const Victims&) = delete;
  Victims& operator=(const Victims&) = delete;
  ~Victims() {
    for (const pid_t pid : children_) {
      ::kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
    munmap(told_, sizeof(Told));
  }

  // A child that does this, and then sleeps.
  ProcessId start(const std::function<void()>& work = nullptr) {
    const pid_t pid = spawn(work);
    children_.push_back(pid);
    return identity_of(pid);
  }

  // The same from within a victim: its child's child, and so on.
  static pid_t spawn(const std::function<void()>& work = nullptr) {
    const pid_t pid = fork();
    if (pid != 0) return pid;
    alarm(kVictimSeconds);
    if (work) work();
    for (;;) pause();
  }

  // From within a victim: remembers the caller for told().
  void tell(std::size_t slot) const { told_->pids.at(slot) = getpid(); }
  // What told it, with patience.
  ProcessId told(std::size_t slot) const {  // NOLINT(modernize-use-nodiscard): waits
    wait_for([&] { return told_->pids.at(slot) != 0; });
    return identity_of(told_->pids.at(slot));
  }

  // From within a victim: forks for ever, as fast as kBombSize processes alive allow. `daemons`:
  // some of them end and leave their children to init. Exact, for the limit is the kernel's.
  [[noreturn]] static void explode(bool daemons) {
    const uid_t uid = 50'000 + static_cast<uid_t>(getpid()) % 10'000;
    const rlimit limit{.rlim_cur = kBombSize, .rlim_max = kBombSize};
    if (setrlimit(RLIMIT_NPROC, &limit) != 0 || setresuid(uid, uid, uid) != 0) _exit(1);
    signal(SIGCHLD, SIG_IGN);
    for (unsigned generation = 0;;) {
      const pid_t pid = fork();
      if (pid == 0) {
        alarm(kVictimSeconds);
        ++generation;
        if (daemons) setsid();
      }
      if (pid > 0 && daemons && generation % 3 == 2) _exit(0);
      if (pid < 0) usleep(5000);
    }
  }

 private:
  struct Told {
    std::array<std::atomic<pid_t>, 8> pids;
  };
  Told* told_;
  std::vector<pid_t> children_;
};

}  // namespace cryptnono::enforce
