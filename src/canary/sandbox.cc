#include "canary/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>

namespace cryptnono::canary {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kPrefix = "cryptnono-canary-";
// A canary that nobody looks after any more ends itself.
constexpr unsigned kAlarmSeconds = 30;
// What it ends with if it is no canary.
constexpr int kNotMoved = 126;

Result<Fd> private_mount() {
  const Fd context(fsopen("cgroup2", FSOPEN_CLOEXEC));
  if (!context) return fail_errno("fsopen cgroup2", errno);
  if (fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return fail_errno("fsconfig cgroup2", errno);
  Fd mount(fsmount(context.get(), FSMOUNT_CLOEXEC,
                   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  if (!mount) return fail_errno("fsmount cgroup2", errno);
  return mount;
}

// Cgroups that a daemon that was killed has left: no such process any more. In a pid namespace of
// one's own that may be wrong, and then the other one makes its own anew.
void remove_leftovers(const Fd& parent) {
  DIR* directory = fdopendir(openat(parent.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory == nullptr) return;
  for (;;) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
    const dirent* entry = readdir(directory);
    if (entry == nullptr) break;
    const std::string_view name(static_cast<const char*>(entry->d_name));
    if (!name.starts_with(kPrefix)) continue;
    pid_t pid = 0;
    const std::string_view digits = name.substr(kPrefix.size());
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    if (parsed.ec != std::errc{} || pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH) continue;
    unlinkat(parent.get(), entry->d_name, AT_REMOVEDIR);
  }
  closedir(directory);
}

Result<Fd> make_cgroup(const Fd& parent, const std::string& name) {
  remove_leftovers(parent);
  if (mkdirat(parent.get(), name.c_str(), 0755) != 0 && errno != EEXIST)
    return fail_errno("mkdir " + name, errno);
  Fd cgroup(openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup) return fail_errno("open " + name, errno);
  return cgroup;
}

// The pid, in the parent, and the descriptor in `pidfd`; 0 in the child, which is in `cgroup`.
long fork_into(int cgroup, int& pidfd) {
  clone_args how{};
  how.flags = CLONE_PIDFD | CLONE_INTO_CGROUP;
  how.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  how.exit_signal = SIGCHLD;
  how.cgroup = static_cast<std::uint64_t>(cgroup);
  const long pid = syscall(SYS_clone3, &how, sizeof how);
  // Seccomp cannot look at what clone3 is given, so the profiles of containerd and Docker deny it
  // without CAP_SYS_ADMIN.
  if (pid >= 0 || (errno != ENOSYS && errno != EPERM)) return pid;
  const long older = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, nullptr, &pidfd, 0, 0);
  if (older != 0) return older;
  const int procs = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
  if (procs < 0 || write(procs, "0", 1) != 1) _exit(kNotMoved);
  return 0;
}

// In the child. Only system calls: other threads may have held any lock at the fork.
[[noreturn]] void become_canary(int program, char* const* arguments) {
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(kAlarmSeconds);
  std::array<char*, 1> environment{nullptr};
  syscall(SYS_execveat, program, "", arguments, environment.data(), AT_EMPTY_PATH);
  _exit(127);
}

std::string end_in_words(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED && info.si_status == kNotMoved)
    return "it could not move into its cgroup";
  if (info.si_code == CLD_EXITED) return fmt::format("it ended by itself with {}", info.si_status);
  return fmt::format("it was ended by signal {}", info.si_status);
}

}  // namespace

Sandbox::Sandbox(Fd parent, Fd cgroup, std::string name, std::uint64_t id, Fd program)
    : parent_(std::move(parent)),
      cgroup_(std::move(cgroup)),
      name_(std::move(name)),
      cgroup_id_(id),
      program_(std::move(program)) {}

Sandbox::~Sandbox() {
  cgroup_.reset();
  unlinkat(parent_.get(), name_.c_str(), AT_REMOVEDIR);
}

Result<std::unique_ptr<Sandbox>> Sandbox::make(const std::vector<std::string>& places) {
  Fd program(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (!program) return fail_errno("open /proc/self/exe", errno);
  const std::string name = fmt::format("{}{}", kPrefix, getpid());
  Fd parent;
  Result<Fd> cgroup = fail("cgroup v2 is not mounted");
  std::string why;
  for (const std::string& place : places) {
    parent.reset(open(place.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    cgroup = parent ? make_cgroup(parent, name) : Result<Fd>(fail_errno(place, errno));
    if (cgroup) break;
    why +=
        fmt::format("{}{}", why.empty() ? "" : "; ", with_context(place, cgroup.error()).message);
  }
  if (!cgroup) {
    Result<Fd> own = private_mount();
    if (!own)
      return fail(
          fmt::format("{}; {}", why.empty() ? cgroup.error().message : why, own.error().message),
          own.error().code);
    parent = *std::move(own);
    cgroup = make_cgroup(parent, name);
    if (!cgroup)
      return fail(fmt::format("{}; {}", why, cgroup.error().message), cgroup.error().code);
  }
  // The id of a cgroup is the inode number of its directory (kernfs, since 5.5).
  struct stat status {};
  if (fstat(cgroup->get(), &status) != 0) return fail_errno("fstat " + name, errno);
  return std::unique_ptr<Sandbox>(
      new Sandbox(std::move(parent), *std::move(cgroup), name, status.st_ino, std::move(program)));
}

Result<Sandbox::Run> Sandbox::run(const std::vector<std::string>& arguments,
                                  std::chrono::milliseconds timeout, int stop_fd) {
  std::vector<char*> argv;
  std::string canary = "canary";
  argv.push_back(canary.data());
  argv.push_back(canary.data());
  std::vector<std::string> copies = arguments;
  for (std::string& each : copies) argv.push_back(each.data());
  argv.push_back(nullptr);

  int raw_pidfd = -1;
  const Clock::time_point begin = Clock::now();
  const long pid = fork_into(cgroup_.get(), raw_pidfd);
  if (pid < 0) return fail_errno("cannot start a canary in its cgroup", errno);
  if (pid == 0) become_canary(program_.get(), argv.data());

  const Fd pidfd(raw_pidfd);
  std::array<pollfd, 2> waited{pollfd{.fd = pidfd.get(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = stop_fd, .events = POLLIN, .revents = 0}};
  const Clock::time_point end = begin + timeout;
  while (waited[0].revents == 0 && waited[1].revents == 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0 ||
        (poll(waited.data(), waited.size(), static_cast<int>(left)) < 0 && errno != EINTR))
      break;
  }
  Run out;
  const bool ended = waited[0].revents != 0;
  out.lived_s = std::chrono::duration<double>(Clock::now() - begin).count();
  out.stopped = !ended && waited[1].revents != 0;
  if (!ended) syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
  siginfo_t info{};
  while (waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED) != 0 && errno == EINTR) {
  }
  out.killed = ended && info.si_code == CLD_KILLED && info.si_status == SIGKILL;
  if (!ended) {
    out.how = fmt::format("it was alive after {} ms", timeout.count());
  } else if (!out.killed) {
    out.how = end_in_words(info);
  }
  return out;
}

}  // namespace cryptnono::canary
