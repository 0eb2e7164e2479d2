#include "commands/doctor.h"

#include <sched.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/process_secrecy.h"
#include "base/result.h"
#include "container/scope.h"
#include "detect/exec/exec_program.h"
#include "detect/flow/flow_program.h"
#include "detect/fpu/fpu_program.h"
#include "kernel/cgroup_events.h"
#include "match/tables.h"
#include "proc/proc_reader.h"
#include "proc/process.h"
#include "status/lacks.h"

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
  [[nodiscard]] ExitCode code() const { return code_; }

 private:
  std::ostream& out_;
  ExitCode code_ = ExitCode::kOk;
};

Result<void> try_btf() {
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
    return fail_errno("/sys/kernel/btf/vmlinux", errno);
  return {};
}

Result<void> try_root_pid_namespace() {
  if (proc::in_initial_pid_namespace()) return {};
  return fail("this is not the initial pid namespace (hostPID)");
}

Result<void> try_cgroup_events() {
  TRY(kernel::CgroupEvents::start(0, [](std::uint64_t, std::string_view) {}));
  return {};
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

Result<void> try_other_processes() {
  if (proc::ProcReader().read_exe(1).empty()) return fail_errno("/proc/1/exe", errno);
  return {};
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

// A scope in which nobody is.
const std::vector<scope_entry> kNobody{
    {.cgroup_id = ~std::uint64_t{0}, .level = 0, .hierarchy = HIERARCHY_V2}};

// Loads the real program, puts real rules in force, attaches it with a scope in which nobody is,
// and asks the limit.
void try_exec_hook(Report& report) {
  auto program = detect::ExecProgram::load();
  const auto outcome = [](const auto& result) -> Result<void> {
    if (!result) return tl::unexpected(result.error());
    return {};
  };
  report.line("execwhacker: load the program (BTF, bpf_loop 5.17, ring buffer 5.8)",
              outcome(program), "no command line is checked at exec", true);
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
  report.line("execwhacker: ask the blast-radius limit (test run)",
              outcome((*program)->enforcement().admit(0, 1)),
              "what user space decides is reported, not killed", true);
}

// The same for the monero detector, with a test run of what active sampling asks.
void try_fpu_hook(Report& report) {
  auto program = detect::FpuProgram::load();
  const Result<void> loaded =
      program ? Result<void>{} : Result<void>{tl::unexpected(program.error())};
  report.line("monero: load the program", loaded, "RandomX is not detected", false);
  if (!program) return;
  (*program)->set_scope(kNobody, {});
  report.line(Lack::kFpuHook, (*program)->attach());
}

// tcpflowkiller: which way a connect is met.
void try_flow_hooks(Report& report) {
  auto program = detect::FlowProgram::load({});
  const Result<void> loaded =
      program ? Result<void>{} : Result<void>{tl::unexpected(program.error())};
  report.line("tcpflowkiller: load the program", loaded, "connects are not watched", false);
  if (!program) return;
  (*program)->enforcement().set_scope(kNobody, {});
  report.line(Lack::kConnectState, (*program)->attach());
  const auto at_least = [&](config::ConnectHooks hooks) -> Result<void> {
    if ((*program)->hooks() >= hooks) return {};
    return fail((*program)->why_not_better());
  };
  report.line(Lack::kConnectRefusal, at_least(config::ConnectHooks::kRefuse));
  report.line(Lack::kConnectKill, at_least(config::ConnectHooks::kKill));
}

}  // namespace

int run_doctor(std::ostream& out) {
  utsname kernel{};
  uname(&kernel);
  out << "kernel " << kernel.release << ' ' << kernel.machine << ", user id " << geteuid() << '\n';
  Report report(out);
  report.line("kernel type information (BTF)", try_btf(), "nothing can be loaded", true);
  try_exec_hook(report);
  try_fpu_hook(report);
  try_flow_hooks(report);
  report.line(Lack::kPidNamespace, try_root_pid_namespace());
  report.line("signal a process by pidfd (5.3)", try_pidfd(),
              "scans and allowed patterns cannot kill", true);
  report.line(Lack::kOtherProcesses, try_other_processes());
  report.line(Lack::kCgroup2, try_cgroup2());
  report.line(Lack::kCgroupEvents, try_cgroup_events());
  report.line(Lack::kRealTime, try_real_time());
  report.line(Lack::kLockedMemory, lock_memory());
  report.line("watch files (inotify)", try_inotify(), "changed files need a SIGHUP", false);
  return static_cast<int>(report.code());
}

}  // namespace cryptnono::commands
