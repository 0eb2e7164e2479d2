#include "commands/demo_randomx.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "base/clock.h"
#include "commands/sandbox.h"

namespace cryptnono::commands {

namespace {

// RandomX's dataset is 2080 MiB (its specification, 7.3), and the cache stands beside it.
constexpr std::uint64_t kFastModeKib = std::uint64_t{4} << 20;

struct MinerCase {
  std::string name;
  std::vector<std::string> argv;  // of the folder of victims
  bool must_die = true;
};

std::uint64_t available_kib() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  std::uint64_t value = 0;
  for (std::string rest; meminfo >> key >> value; std::getline(meminfo, rest))
    if (key == "MemAvailable:") return value;
  return 0;
}

Result<Child> start(const MinerCase& test, const std::string& victims, const std::string& sandbox) {
  Pipe out;
  const std::string path = victims + "/" + test.argv.front();
  if (access(path.c_str(), X_OK) != 0) return fail_errno("cannot run " + path, errno);
  std::vector<char*> argv;
  for (const std::string& argument : test.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) return fail_errno("fork", errno);
  if (pid == 0) {
    join_or_exit(sandbox);
    dup2(out.write.get(), STDOUT_FILENO);
    execv(path.c_str(), argv.data());
    _exit(127);
  }
  Child child(pid);
  child.output() = std::move(out.read);
  return child;
}

// Waits for its end; true if it did what it must. The victim writes "hashing SECONDS", the
// monotonic time at which it begins to compute.
Result<bool> finish(const MinerCase& test, Child& child, std::ostream& out) {
  const std::string text = drain(child.output());
  const double end = static_cast<double>(monotonic_ns()) * 1e-9;
  const int status = child.wait();
  const bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  if (!died && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
    return fail(fmt::format("{} could not be run (status {})", test.argv.front(), status));
  constexpr std::string_view kBegins = "hashing ";
  if (text.rfind(kBegins, 0) != 0) return fail(test.argv.front() + " did not say when it began");
  const double begin = std::strtod(text.c_str() + kBegins.size(), nullptr);
  const bool held = died == test.must_die;
  out << fmt::format("{:<44} {:<9} {:<9} {:>9}{}\n", test.name, test.must_die ? "die" : "live",
                     died ? "died" : "lived",
                     died ? fmt::format("{:.2f}", end - begin) : std::string("-"),
                     held ? "" : "   <-- WRONG")
      << std::flush;
  return held;
}

}  // namespace

Result<RandomxShown> show_randomx(const std::string& victims, const std::string& sandbox,
                                  std::ostream& out) {
  // These run beside the miners, from before the first one to after its death.
  const std::vector<MinerCase> honest{
      {"rounds up, for ever", {"round_modes", "up", "8"}, false},
      {"rounds up and down in turn", {"round_modes", "up-down", "8"}, false},
      {"interval arithmetic (Boost.Interval)", {"interval_boost", "8"}, false},
      {"all four modes in turn, slowly", {"round_modes", "cycle-flush", "8"}, false},
  };
  std::vector<MinerCase> miners{
      {"RandomX, light mode", {"randomx_miner", "30"}},
      {"RandomX, light mode, interpreter", {"randomx_miner", "-i", "30"}},
  };
  const bool fast = available_kib() >= kFastModeKib;
  if (fast)
    miners.push_back({"RandomX, fast mode, two threads", {"randomx_miner", "-f", "-t", "2", "30"}});

  out << fmt::format("{:<44} {:<9} {:<9} {:>9}\n", "program, beside the others", "must", "did",
                     "s of work")
      << std::flush;
  RandomxShown shown;
  std::vector<Child> beside;
  for (const MinerCase& test : honest) beside.push_back(TRY(start(test, victims, sandbox)));
  for (std::size_t i = 0; i < miners.size(); ++i) {
    if (i == 2) {  // the dataset is built for half a minute; meanwhile the others have ended
      for (std::size_t j = 0; j < honest.size(); ++j)
        shown.all_held = TRY(finish(honest[j], beside[j], out)) && shown.all_held;
      beside.clear();
      out << "building RandomX's dataset of 2 GiB...\n" << std::flush;
    }
    Child miner = TRY(start(miners[i], victims, sandbox));
    const bool held = TRY(finish(miners[i], miner, out));
    shown.all_held = shown.all_held && held;
    shown.killed += held ? 1U : 0U;
  }
  for (std::size_t j = 0; j < beside.size(); ++j)
    shown.all_held = TRY(finish(honest[j], beside[j], out)) && shown.all_held;
  if (!fast) out << "RandomX, fast mode: not shown, it needs 4 GiB of free memory\n";
  return shown;
}

}  // namespace cryptnono::commands
