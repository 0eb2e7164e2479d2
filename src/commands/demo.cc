#include "commands/demo.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "commands/demo_flow.h"
#include "commands/demo_randomx.h"
#include "commands/sandbox.h"
#include "commands/victim.h"

namespace cryptnono::commands {

namespace {

constexpr int kVictimTimeoutMs = 10'000;
constexpr int kActFd = 3;  // where the victim writes when it runs

// The embedded default's test string, and a pattern that allows one command.
constexpr std::string_view kConfig =
    "bannedCommandStrings: [cryptnono.banned.string1]\n"
    "allowedCommandPatterns: ['.* --allowed cryptnono']\n";
constexpr std::string_view kBanned = "cryptnono.banned.string1";

struct Case {
  std::string name;
  std::vector<std::string> argv;
  bool must_die = true;
  bool memfd = false;
};

struct Observation {
  bool died = false;   // by SIGKILL
  bool acted = false;  // an instruction of the victim ran
  double microseconds = 0;
};

Result<Fd> victim_file() {
  Fd fd(static_cast<int>(memfd_create("victim", MFD_CLOEXEC)));
  const auto size = static_cast<std::size_t>(cryptnono_victim_end - cryptnono_victim_begin);
  if (!fd || write(fd.get(), cryptnono_victim_begin, size) != static_cast<ssize_t>(size)) {
    return fail_errno("cannot make the victim", errno);
  }
  return fd;
}

// Writes the victim where it can be executed by path.
Result<void> write_victim(const std::string& path) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));
  const auto size = static_cast<std::size_t>(cryptnono_victim_end - cryptnono_victim_begin);
  if (!fd || write(fd.get(), cryptnono_victim_begin, size) != static_cast<ssize_t>(size)) {
    return fail_errno("cannot write " + path, errno);
  }
  return {};
}

Result<Observation> run_case(const Case& test, const std::string& victim,
                             const std::string& sandbox) {
  const Fd memfd = TRY(victim_file());
  Pipe act;
  std::vector<char*> argv;
  for (const std::string& argument : test.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::array<char*, 1> no_environment{nullptr};
  const std::uint64_t begin = monotonic_ns();
  const pid_t pid = fork();
  if (pid < 0) return fail_errno("fork", errno);
  if (pid == 0) {
    join_or_exit(sandbox);
    if (act.write.get() == kActFd) {
      fcntl(kActFd, F_SETFD, 0);
    } else {
      dup2(act.write.get(), kActFd);
    }
    if (test.memfd) {
      syscall(SYS_execveat, memfd.get(), "", argv.data(), no_environment.data(), AT_EMPTY_PATH);
    } else {
      execve(victim.c_str(), argv.data(), no_environment.data());
    }
    _exit(127);
  }
  Child child(pid);
  act.write.reset();
  pollfd waited{.fd = act.read.get(), .events = POLLIN, .revents = 0};
  poll(&waited, 1, kVictimTimeoutMs);
  Observation seen;
  char byte = 0;
  seen.acted = read(act.read.get(), &byte, 1) == 1;
  const int status = child.wait();
  seen.microseconds = static_cast<double>(monotonic_ns() - begin) / 1e3;
  seen.died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  if (!seen.died && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
    return fail("the victim could not be run (status " + std::to_string(status) + ")");
  }
  return seen;
}

std::vector<Case> cases() {
  const std::string banned(kBanned);
  return {
      {"an argument", {"victim", banned}},
      {"argv[0] alone", {banned}},
      {"behind 100 KB of arguments", {"victim", std::string(100'000, 'x'), banned}},
      {"execveat of a memfd", {"victim", banned}, true, true},
      {"upper case", {"victim", "CryptNono.BANNED.String1"}},
      {"with a decoy: B xB", {"victim", banned, "x" + banned}},
      {"glued: xB", {"victim", "x" + banned}, false},
      {"glued: B_x", {"victim", banned + "_x"}, false},
      {"allowed by a pattern", {"victim", "--allowed", banned}, false},
  };
}

// True if all held.
Result<bool> show_commands(const std::string& victim, const std::string& sandbox,
                           std::ostream& out) {
  out << fmt::format("{:<28} {:<9} {:<9} {:<22} {:>9}\n", "command line", "must", "did",
                     "first instruction", "us");
  bool all_held = true;
  for (const Case& test : cases()) {
    const Observation seen = TRY(run_case(test, victim, sandbox));
    const bool held = seen.died == test.must_die && seen.acted != test.must_die;
    all_held = all_held && held;
    out << fmt::format("{:<28} {:<9} {:<9} {:<22} {:>9.0f}{}\n", test.name,
                       test.must_die ? "die" : "live", seen.died ? "died" : "lived",
                       seen.acted ? "ran" : "never ran", seen.microseconds,
                       held ? "" : "   <-- WRONG");
  }
  return all_held;
}

Result<bool> demonstrate(const std::string& victims, std::ostream& out) {
  const WorkDirectory work = TRY(WorkDirectory::create());
  const Sandbox sandbox = TRY(Sandbox::create());
  TRY(write_victim(work.victim()));
  std::ofstream(work.config()) << kConfig << kDemoFlowConfig;
  Child daemon = TRY(start_daemon(sandbox.path(), work.config()));
  out << "daemon ready, scope " << sandbox.path() << "; B is " << kBanned << "\n\n";
  bool all_held = TRY(show_commands(work.victim(), sandbox.path(), out));
  out << '\n';
  const FlowShown flows = TRY(show_flows(sandbox.path(), out));
  all_held = all_held && flows.all_held;
  std::size_t miners = 0;
  if (victims.empty()) {
    out << "\nRandomX: not shown; --victims names the folder of the programs for it\n";
  } else {
    out << '\n';
    const RandomxShown shown = TRY(show_randomx(victims, sandbox.path(), out));
    miners = shown.killed;
    all_held = all_held && shown.all_held;
  }
  kill(daemon.pid(), SIGTERM);
  const std::string log = drain(daemon.output());
  const int status = daemon.wait();
  const std::string killed = "\"action\": \"killed\"";
  const std::size_t commands = count_lines(log, killed, "\"detector\": \"execwhacker\"");
  const std::size_t hashers = count_lines(log, killed, "\"detector\": \"monero\"");
  const std::size_t connects = count_lines(log, killed, "\"detector\": \"tcpflowkiller\"");
  const std::size_t spared =
      count_lines(log, "\"action\": \"spared\"", "\"detector\": \"execwhacker\"");
  out << fmt::format(
      "\nlogged: {} commands, {} connects and {} miners killed, {} command spared by a pattern\n",
      commands, connects, hashers, spared);
  const auto all = cases();
  const auto must_die =
      std::count_if(all.begin(), all.end(), [](const Case& c) { return c.must_die; });
  return all_held && commands == static_cast<std::size_t>(must_die) && hashers == miners &&
         connects == flows.killed && spared == 1 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int run_demo(const std::string& victims, std::ostream& out) {
  const Result<bool> held = demonstrate(victims, out);
  if (!held) {
    out << held.error().message << '\n';
    return static_cast<int>(held.error().code);
  }
  out << (*held ? "all held\n" : "NOT all held\n");
  return static_cast<int>(*held ? ExitCode::kOk : ExitCode::kFailure);
}

}  // namespace cryptnono::commands
