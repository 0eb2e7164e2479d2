#include "commands/expect_kill.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "base/result.h"

namespace cryptnono::commands {

namespace {

using Clock = std::chrono::steady_clock;

// An allowed pattern is asked about in user space, within milliseconds; a busy node takes longer.
constexpr auto kVictimsLife = std::chrono::seconds(2);

// How it ended, as waitpid() says.
Result<int> run_victim(const std::string& program, const char* text) {
  std::array<std::string, 4> words{"cryptnono", "expect-kill", "--victim", text};
  std::array<char*, 5> argv{};
  for (std::size_t i = 0; i < words.size(); ++i) argv.at(i) = words.at(i).data();
  char* const no_environment = nullptr;
  pid_t pid = 0;
  const int failed =
      ::posix_spawn(&pid, program.c_str(), nullptr, nullptr, argv.data(), &no_environment);
  // Who is killed in the exec itself has been started all the same.
  if (failed != 0) return fail_errno(fmt::format("cannot start {}", program), failed);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return fail_errno("waitpid", errno);
  }
  return status;
}

}  // namespace

int run_expect_kill(const ExpectKill& options, const char* text, std::ostream& out,
                    std::ostream& err) {
  if (!options.victim.empty()) {
    std::this_thread::sleep_for(kVictimsLife);
    return static_cast<int>(ExitCode::kFailure);
  }
  if (text == nullptr || *text == '\0') {
    err << kExpectKillVariable << " says nothing\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  const auto begin = Clock::now();
  for (int tries = 1;; ++tries) {
    const auto started = Clock::now();
    const Result<int> status = run_victim(options.program, text);
    if (!status) {
      err << status.error().message << '\n';
      return static_cast<int>(ExitCode::kFailure);
    }
    const auto now = Clock::now();
    if (WIFSIGNALED(*status) && WTERMSIG(*status) == SIGKILL) {
      const std::chrono::duration<double, std::milli> lived = now - started;
      out << fmt::format("killed after {:.1f} ms, as it should be (try {})\n", lived.count(),
                         tries);
      return static_cast<int>(ExitCode::kOk);
    }
    if (now - begin < std::chrono::duration<double>(options.timeout_s)) continue;
    err << fmt::format(
        "NOT KILLED: {} processes with this string lived; is the daemon of this node ready, is the "
        "string banned, and is this namespace not protected?\n",
        tries);
    return static_cast<int>(ExitCode::kFailure);
  }
}

}  // namespace cryptnono::commands
