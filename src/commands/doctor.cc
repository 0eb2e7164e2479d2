#include "commands/doctor.h"

#include <bpf/bpf.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <optional>
#include <string>

#include "base/capability.h"
#include "base/fd.h"
#include "base/process_secrecy.h"
#include "base/result.h"
#include "container/scope.h"
#include "detect/exec/exec_program.h"
#include "detect/flow/flow_program.h"
#include "detect/fpu/fpu_program.h"
#include "kernel/cgroup_events.h"
#include "kernel/guard.h"
#include "kernel/obstacle.h"
#include "kernel/pins.h"
#include "match/tables.h"
#include "proc/proc_reader.h"
#include "proc/process.h"
#include "status/lacks.h"
#include "status/privileges.h"

namespace cryptnono::commands {

namespace {

using status::Lack;

class Report {
 public:
  explicit Report(std::ostream& out) : out_(out) {}

  // `without` says what is lost if `result` is an error; a required thing decides the exit code.
  void line(std::string_view what, const Result<void>& result, std::string_view without,
            bool required) {
    out_ << (result ? "ok       " : required ? "MISSING  " : "degraded ") << what;
    if (!result) {
      out_ << ": " << result.error().message << "\n           without it: " << without;
      if (required && code_ == ExitCode::kOk) {
        code_ = result.error().code == ExitCode::kNotPermitted ? ExitCode::kNotPermitted
                                                               : ExitCode::kUnsupported;
      }
    }
    out_ << '\n';
  }
  void line(status::Lack lack, const Result<void>& result, bool required = false) {
    const status::LackWords& words = status::words_of(lack);
    line(words.what, result, words.effect, required);
    if (!result) out_ << "           remedy: " << words.remedy << '\n';
  }
  // What only adds, where a machine has it.
  void addition(status::Lack lack, const std::string& why_not) {
    const status::LackWords& words = status::words_of(lack);
    out_ << (why_not.empty() ? "ok       " : "not here ") << words.what;
    if (!why_not.empty())
      out_ << ": " << why_not << "\n           without it: " << words.effect
           << "\n           for it: " << words.remedy;
    out_ << '\n';
  }
  [[nodiscard]] ExitCode code() const { return code_; }

 private:
  std::ostream& out_;
  ExitCode code_ = ExitCode::kOk;
};

Result<void> try_root_pid_namespace() {
  if (proc::in_initial_pid_namespace()) return {};
  return fail("this is not the initial pid namespace (hostPID)");
}

Result<void> try_cgroup_events() {
  TRY(kernel::CgroupEvents::start(0, [](std::uint64_t, std::string_view) {}));
  return {};
}

// Tries the directory of the packages. A daemon that
// uses it is the proof.
Result<void> try_pins() {
  const std::string directory(config::kDefaultPinDirectory);
  const Result<std::unique_ptr<kernel::Pins>> pins = kernel::Pins::open(directory);
  if (pins || pins.error().message.starts_with("another daemon")) return {};
  return tl::unexpected(pins.error());
}

// A scope in which nobody is.
const std::vector<scope_entry> kNobody{
    {.cgroup_id = ~std::uint64_t{0}, .level = 0, .hierarchy = HIERARCHY_V2}};

// What is missing of the guard. Its scope is empty: it guards this process alone, from nobody.
std::string try_guard() {
  const auto guard = kernel::Guard::load({});
  if (!guard) return guard.error().message;
  (*guard)->enforcement().set_scope(kNobody, {});
  if (const Result<void> attached = (*guard)->attach(); !attached) return attached.error().message;
  return (*guard)->missing();
}

Result<void> try_cgroup2() {
  if (container::cgroup2_mount_point().empty()) return fail("cgroup v2 is not mounted");
  return {};
}

Result<void> try_pidfd() {
  const Fd fd(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  if (!fd) return fail_errno("pidfd_open", errno);
  if (syscall(SYS_pidfd_send_signal, fd.get(), 0, nullptr, 0) != 0)
    return fail_errno("pidfd_send_signal", errno);
  return {};
}

// Ends its child at the end.
class WaitingChild {
 public:
  // It waits, and like this process it is not dumpable (base/process_secrecy.h).
  WaitingChild() : pid_(fork()) {
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pause();
    _exit(0);
  }
  WaitingChild(const WaitingChild&) = delete;
  WaitingChild& operator=(const WaitingChild&) = delete;
  ~WaitingChild() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

// What is not dumpable shows its executable to those with CAP_SYS_PTRACE alone, whoever's it is.
Result<void> try_other_processes() {
  const WaitingChild child;
  if (child.pid() < 0) return fail_errno("fork", errno);
  if (proc::ProcReader().read_exe(child.pid()).empty()) return fail_errno("/proc/PID/exe", errno);
  return {};
}

// A signal to nobody's process is asked for in vain, so it is tried on the first process of another
// user, with the signal that only asks.
Result<void> try_signal() {
  if (!status::granted(Lack::kKill)) return fail("no CAP_KILL", ExitCode::kNotPermitted);
  const proc::ProcReader reader;
  for (const pid_t pid : reader.pids()) {
    const auto uid = reader.read_uid(pid);
    if (!uid || *uid == geteuid()) continue;
    const Fd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!fd) continue;
    if (syscall(SYS_pidfd_send_signal, fd.get(), 0, nullptr, 0) == 0 || errno == ESRCH) return {};
    return fail_errno("a signal to process " + std::to_string(pid), errno);
  }
  return {};
}

// A container that is not privileged gets its runtime's profile where the kernel has AppArmor.
Result<void> try_apparmor() {
  std::string profile;
  for (const char* path : {"/proc/self/attr/apparmor/current", "/proc/self/attr/current"}) {
    if (std::getline(std::ifstream(path), profile)) break;
  }
  if (profile.find("(enforce)") == std::string::npos) return {};
  return fail("this process is confined by " + profile);
}

Result<void> try_cgroup_write() {
  const std::string mount = container::cgroup2_mount_point();
  struct statvfs status {};
  if (mount.empty()) return fail("cgroup v2 is not mounted");
  if (statvfs(mount.c_str(), &status) != 0) return fail_errno(mount, errno);
  if ((status.f_flag & ST_RDONLY) != 0) return fail(mount + " is mounted read-only");
  return {};
}

Result<void> held(Lack lack) {
  if (status::granted(lack)) return {};
  return fail("not in the effective set", ExitCode::kNotPermitted);
}

// Having the capability is not enough: profiles of seccomp that are older than it, as containerd's
// before 1.6.9, allow bpf(2) with CAP_SYS_ADMIN alone.
Result<void> try_bpf() {
  TRY(held(Lack::kBpf));
  const Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "doctor", sizeof(std::uint32_t),
                              sizeof(std::uint32_t), 1, nullptr));
  if (map) return {};
  const int error = errno;
  std::string seccomp;
  std::ifstream status("/proc/self/status");
  while (std::getline(status, seccomp) && !seccomp.starts_with("Seccomp:")) {
  }
  if (error == EPERM && seccomp.ends_with("2"))
    return fail("the seccomp profile refuses bpf(2): set seccompProfile: {type: Unconfined}",
                ExitCode::kNotPermitted);
  return fail_errno("bpf(2)", error);
}

Result<void> try_real_time() {
  const int policy = sched_getscheduler(0);
  sched_param before{};
  sched_getparam(0, &before);
  const sched_param priority{.sched_priority = 1};
  if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0) return fail_errno("SCHED_FIFO", errno);
  sched_setscheduler(0, policy, &before);
  return {};
}

Result<void> try_inotify() {
  const Fd fd(inotify_init1(IN_CLOEXEC));
  if (!fd) return fail_errno("inotify", errno);
  return {};
}

// With the object that the kernel accepted (kernel/loops.h).
template <typename Program>
std::string loading(const std::string& detector, const Program& program) {
  std::string what = detector + ": load the program";
  if (!program) return what;
  return what + " (" + std::string(kernel::name_of((*program)->loops())) + ')';
}

// Loads the real program, puts real rules in force, attaches it with a scope in which nobody is,
// and asks the limit.
void try_exec_hook(Report& report) {
  auto program = detect::ExecProgram::load();
  const auto outcome = [](const auto& result) -> Result<void> {
    if (!result) return tl::unexpected(result.error());
    return {};
  };
  report.line(loading("execwhacker", program), outcome(program),
              "no command line is checked at exec", true);
  if (!program) return;
  (*program)->enforcement().set_scope(kNobody, {});
  const match::Entry rule{
      .text = "cryptnono.doctor", .kind = match::Kind::kWord, .group = 0, .rule = 0};
  const auto put = [&]() -> Result<void> {
    const match::Tables tables = TRY(match::build_tables({&rule, 1}, {}));
    const kernel::TableMap map = TRY(kernel::TableMap::create(tables.bytes()));
    return (*program)->put_in_force(map);
  };
  report.line("execwhacker: swap the rules atomically (map in map, mmap)", put(),
              "no rules can be loaded", true);
  report.line("execwhacker: attach to sched_process_exec (tp_btf)", (*program)->attach(),
              "no command line is checked at exec", true);
  report.addition(Lack::kExecRefusal, (*program)->why_not_refused());
  report.line("execwhacker: ask the blast-radius limit (test run)",
              outcome((*program)->enforcement().admit(0, 1)),
              "what user space decides is reported, not killed", true);
}

// The same for the monero detector, with a test run of what active sampling asks.
void try_fpu_hook(Report& report) {
  auto program = detect::FpuProgram::load();
  const Result<void> loaded =
      program ? Result<void>{} : Result<void>{tl::unexpected(program.error())};
  report.line(loading("monero", program), loaded, "RandomX is not detected", false);
  if (!program) return;
  (*program)->set_scope(kNobody, {});
  report.line(Lack::kFpuHook, (*program)->attach());
}

// tcpflowkiller: which way a connect is met.
void try_flow_hooks(Report& report) {
  auto program = detect::FlowProgram::load({});
  const Result<void> loaded =
      program ? Result<void>{} : Result<void>{tl::unexpected(program.error())};
  report.line(loading("tcpflowkiller", program), loaded, "connects are not watched", false);
  if (!program) return;
  (*program)->enforcement().set_scope(kNobody, {});
  report.line(Lack::kConnectState, (*program)->attach());
  const auto at_least = [&](config::ConnectHooks hooks) -> Result<void> {
    if ((*program)->hooks() >= hooks) return {};
    return fail((*program)->why_not_better());
  };
  report.addition(Lack::kConnectByLsm, (*program)->why_not_lsm());
  if (!status::granted(Lack::kNetAdmin)) return;  // told already, and why it is no better
  report.line(Lack::kConnectRefusal, at_least(config::ConnectHooks::kRefuse));
  report.line(Lack::kConnectKill, at_least(config::ConnectHooks::kKill));
}

// Each right by itself, before what needs several of them.
void try_rights(Report& report) {
  report.line(Lack::kBpf, try_bpf(), true);
  report.line(Lack::kPerfmon, held(Lack::kPerfmon), true);
  report.line(Lack::kNetAdmin, held(Lack::kNetAdmin));
  report.line(Lack::kKill, try_signal(), true);
  report.line(Lack::kOtherProcesses, try_other_processes());
  report.line(Lack::kRealTime, try_real_time());
  report.line(Lack::kLockedMemory, lock_memory());
  report.line(Lack::kAppArmor, try_apparmor());
}

// What to write into the container's securityContext, and how what is there differs from it.
void print_security_context(std::ostream& out) {
  std::string list;
  std::string missing;
  const auto append = [](std::string& to, std::string_view name) {
    to += to.empty() ? "" : ", ";
    to += name;
  };
  for (const status::Privilege& each : status::kPrivileges) {
    append(list, each.name);
    if (!has_capability(each.number)) append(missing, each.name);
  }
  unsigned more = 0;
  for (unsigned number = 0; number < 64; ++number) {
    const auto* known = std::find_if(status::kPrivileges.begin(), status::kPrivileges.end(),
                                     [&](const auto& each) { return each.number == number; });
    more += known == status::kPrivileges.end() && has_capability(number) ? 1 : 0;
  }
  out << "\nAll that it can use, as a securityContext of Kubernetes (docs/privileges.md):\n"
         "  runAsUser: 0\n"
         "  allowPrivilegeEscalation: false\n"
         "  readOnlyRootFilesystem: true\n"
         "  capabilities: {drop: [ALL], add: ["
      << list << "]}\n";
  if (!missing.empty()) out << "Not had here: " << missing << '\n';
  if (more > 0) out << "Had here without need: " << more << " other capabilities\n";
}

}  // namespace

int run_doctor(std::ostream& out) {
  utsname kernel{};
  uname(&kernel);
  out << "kernel " << kernel.release << ' ' << kernel.machine << ", user id " << geteuid() << '\n';
  Report report(out);
  report.line(Lack::kBtf, kernel::has_btf(), true);
  report.line(Lack::kKernelMemory, kernel::may_read_kernel(), true);
  try_rights(report);
  try_exec_hook(report);
  try_fpu_hook(report);
  try_flow_hooks(report);
  report.line(Lack::kPidNamespace, try_root_pid_namespace());
  report.line("signal a process by pidfd (5.3)", try_pidfd(),
              "scans and allowed patterns cannot kill", true);
  report.line(Lack::kCgroup2, try_cgroup2());
  report.line(Lack::kCgroupWrite, try_cgroup_write());
  report.line(Lack::kCgroupEvents, try_cgroup_events());
  report.line(Lack::kPins, try_pins());
  report.addition(Lack::kGuard, try_guard());
  report.line("watch files (inotify)", try_inotify(), "changed files need a SIGHUP", false);
  print_security_context(out);
  return static_cast<int>(report.code());
}

}  // namespace cryptnono::commands
