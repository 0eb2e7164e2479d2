#include "commands/demo_flow.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "commands/sandbox.h"

namespace cryptnono::commands {

// All of 127.0.0.0/8 is this machine's, and each namespace has its own. Destinations there count
// only here.
const std::string_view kDemoFlowConfig =
    "tcpflowkiller:\n"
    "  enabled: true\n"
    "  bans: [127.0.0.99, '127.1.0.0/16:3333']\n"
    "  scan: {threshold: 15, window: 30, ignore: []}\n";

namespace {

constexpr std::uint16_t kPort = 4444;
constexpr int kDeathTimeoutMs = 10'000;
constexpr int kNoConnection = 126;  // exit status: what it needs could not be had

enum class Act : std::uint8_t { kConnect, kMapped, kDatagram };

struct FlowCase {
  std::string name;
  Act act;
  const char* address;
  std::uint16_t port = kPort;
  int ports = 1;  // so many, one after the other
  bool must_die = true;
};

sockaddr_in v4(const char* address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  inet_pton(AF_INET, address, &out.sin_addr);
  return out;
}

// A namespace where only the loopback device is.
bool enter_namespace() {
  if (unshare(CLONE_NEWNET) != 0) return false;
  const Fd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", sizeof request.ifr_name - 1);
  request.ifr_flags = IFF_UP;
  return ioctl(socket_fd.get(), SIOCSIFFLAGS, &request) == 0;
}

// Whether it was let through: where programs of cgroups may not signal it is refused, and the
// process dies a moment later.
bool act_once(const FlowCase& test, std::uint16_t port) {
  const auto let_through = [](ssize_t result) { return result >= 0 || errno != EPERM; };
  const sockaddr_in peer = v4(test.address, port);
  if (test.act == Act::kDatagram) {
    const Fd fd(socket(AF_INET, SOCK_DGRAM, 0));
    return let_through(
        sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&peer), sizeof peer));
  }
  if (test.act == Act::kConnect) {
    const Fd fd(socket(AF_INET, SOCK_STREAM, 0));
    return let_through(connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer), sizeof peer));
  }
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = peer.sin_port;
  mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
  std::memcpy(&mapped.sin6_addr.s6_addr[12], &peer.sin_addr, sizeof peer.sin_addr);
  const Fd fd(socket(AF_INET6, SOCK_STREAM, 0));
  return let_through(connect(fd.get(), reinterpret_cast<const sockaddr*>(&mapped), sizeof mapped));
}

struct FlowObservation {
  bool died = false;
  int passed = 0;  // calls that were let through
  double microseconds = 0;
};

Result<FlowObservation> run_case(const FlowCase& test, const std::string& sandbox) {
  Pipe passed;
  const pid_t pid = fork();
  if (pid < 0) return fail_errno("fork", errno);
  if (pid == 0) {
    join_or_exit(sandbox);
    if (!enter_namespace()) _exit(kNoConnection);
    const std::uint64_t begin = monotonic_ns();
    [[maybe_unused]] ssize_t written = write(passed.write.get(), &begin, sizeof begin);
    for (int i = 0; i < test.ports; ++i) {
      if (act_once(test, static_cast<std::uint16_t>(test.port + i)))
        written = write(passed.write.get(), "p", 1);
    }
    if (test.must_die) poll(nullptr, 0, kDeathTimeoutMs);
    _exit(0);
  }
  Child child(pid);
  passed.write.reset();
  const std::string text = drain(passed.read);
  const std::uint64_t end = monotonic_ns();
  const int status = child.wait();
  if (text.size() < sizeof(std::uint64_t) || (WIFEXITED(status) && WEXITSTATUS(status) != 0))
    return fail("a network namespace could not be made (status " + std::to_string(status) + ")");
  std::uint64_t begin = 0;
  std::memcpy(&begin, text.data(), sizeof begin);
  return FlowObservation{.died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                         .passed = static_cast<int>(text.size() - sizeof begin),
                         .microseconds = static_cast<double>(end - begin) / 1e3};
}

std::vector<FlowCase> flow_cases() {
  return {
      {"connect to a banned address", Act::kConnect, "127.0.0.99"},
      {"the same as ::ffff:127.0.0.99", Act::kMapped, "127.0.0.99"},
      {"a datagram to it", Act::kDatagram, "127.0.0.99"},
      {"a banned port of a range", Act::kConnect, "127.1.2.3", 3333},
      {"another port of that range", Act::kConnect, "127.1.2.3", 443, 1, false},
      {"another address", Act::kConnect, "127.0.0.98", kPort, 1, false},
      {"15 destinations", Act::kConnect, "127.0.0.97", 1000, 15, false},
      {"16 destinations: a scan", Act::kConnect, "127.0.0.97", 1000, 16},
  };
}

}  // namespace

Result<FlowShown> show_flows(const std::string& sandbox, std::ostream& out) {
  out << fmt::format("{:<44} {:<9} {:<9} {:>9} {:>9}\n", "connects, in a network of their own",
                     "must", "did", "passed", "us");
  FlowShown shown;
  for (const FlowCase& test : flow_cases()) {
    const FlowObservation seen = TRY(run_case(test, sandbox));
    const int expected = test.ports - (test.must_die ? 1 : 0);
    const bool held = seen.died == test.must_die && seen.passed == expected;
    shown.all_held = shown.all_held && held;
    shown.killed += seen.died ? 1U : 0U;
    out << fmt::format("{:<44} {:<9} {:<9} {:>9} {:>9.0f}{}\n", test.name,
                       test.must_die ? "die" : "live", seen.died ? "died" : "lived",
                       fmt::format("{}/{}", seen.passed, test.ports), seen.microseconds,
                       held ? "" : "   <-- WRONG");
  }
  return shown;
}

}  // namespace cryptnono::commands
