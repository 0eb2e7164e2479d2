// What bench/containers.py cannot measure from Python.
//   runtime_bench call SOCKET ID RUNS VARIABLE...
//                            milliseconds of each call for that container's details, as the daemon
//                            makes it, as JSON.
//   runtime_bench victims GAP_MS PROGRAM xARGUMENT PROCS...
//                            joins each of the cgroups in turn and executes PROGRAM there with the
//                            argument without its first byte, so that this command line stays
//                            innocent; for each a line: pid, time of the execve, time of the death
//                            as its parent sees it (CLOCK_MONOTONIC, ns), and the signal.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "runtime/container_lookup.h"
#include "runtime/cri_client.h"

namespace {

using cryptnono::monotonic_ns;

int call(const char* socket, const char* id, int runs, const std::vector<std::string>& variables) {
  cryptnono::runtime::CriClient client(socket);
  for (int i = -1; i < runs; ++i) {  // the first one connects
    const std::uint64_t begin = monotonic_ns();
    const auto answer =
        client.container(id, variables, cryptnono::runtime::ContainerLookup::kTimeoutMs);
    const std::uint64_t taken = monotonic_ns() - begin;
    if (!answer || !*answer || (*answer)->environment.size() != variables.size()) {
      std::fprintf(stderr, "runtime_bench: %s\n",
                   answer ? "not what was asked for" : answer.error().message.c_str());
      return 1;
    }
    if (i >= 0) std::printf("%s%.4f", i == 0 ? "[" : ", ", static_cast<double>(taken) / 1e6);
  }
  std::puts("]");
  return 0;
}

bool join(const char* procs) {
  const cryptnono::Fd file(open(procs, O_WRONLY | O_CLOEXEC));
  return file && write(file.get(), "0", 1) == 1;
}

int victims(int gap_ms, std::span<char*> command, std::span<char*> cgroups) {
  // Written by the child just before it is another program.
  void* const page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return 1;
  auto* const begin = static_cast<volatile std::uint64_t*>(page);
  const std::array<char*, 3> arguments{command[0], command[1] + 1, nullptr};
  for (const char* procs : cgroups) {
    if (!join(procs)) {
      std::perror(procs);
      return 1;
    }
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // a victim that lives
      *begin = monotonic_ns();
      execv(arguments[0], arguments.data());
      _exit(127);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return 1;
    const std::uint64_t end = monotonic_ns();
    std::printf("%d %llu %llu %d\n", pid, static_cast<unsigned long long>(*begin),
                static_cast<unsigned long long>(end), WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(gap_ms));
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::span<char*> arguments(words, static_cast<std::size_t>(count));
  const std::string_view what = count > 1 ? words[1] : "";
  if (what == "call" && count >= 5)
    return call(words[2], words[3], std::atoi(words[4]), {arguments.begin() + 5, arguments.end()});
  if (what == "victims" && count >= 6)
    return victims(std::atoi(words[2]), arguments.subspan(3, 2), arguments.subspan(5));
  return 64;
}
