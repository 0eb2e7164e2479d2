#include "canary/acts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <thread>

#include "base/fd.h"
#include "base/result.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace cryptnono::canary {

namespace {

using Clock = std::chrono::steady_clock;

// Longer than whoever runs canaries waits for their death.
constexpr std::chrono::seconds kLong{10};

// Rounding mode 0 to 3, flush-to-zero and denormals-are-zero, of this thread.
void set_rounding(unsigned mode) {
#if defined(__x86_64__)
  constexpr unsigned kMaskedAndFlushing = 0x1f80U | 0x8040U;  // MXCSR: exceptions masked, FTZ, DAZ
  _mm_setcsr(kMaskedAndFlushing | mode << 13U);
#elif defined(__aarch64__)
  const std::uint64_t fpcr = std::uint64_t{mode} << 22U | std::uint64_t{1} << 24U;  // RMode, FZ
  asm volatile("msr fpcr, %0" : : "r"(fpcr));
#else
  static_cast<void>(mode);
#endif
}

// Makes the samples itself: each sleep switches it out in the mode that it is in. Samples that
// follow each other in less than 4 ms do not count (FPU_MIN_GAP_NS), and within 16 ms they show how
// fast the mode changes.
void round_in_all_modes() {
  constexpr std::chrono::microseconds kGap{4500};
  const Clock::time_point end = Clock::now() + kLong;
  volatile double value = 1;
  for (unsigned i = 0; Clock::now() < end; ++i) {
    set_rounding(i & 3U);
    value = value * 1.0000001 + 1e-9;  // the thread must have used floating point
    std::this_thread::sleep_for(kGap);
  }
}

void connect_to(const std::string& address, const std::string& port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::strtoul(port.c_str(), nullptr, 10)));
  if (inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) return;
  const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // Whatever comes of it: it dies here, or a moment later where user space kills.
  static_cast<void>(connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to));
  std::this_thread::sleep_for(kLong);
}

}  // namespace

int act(const std::vector<std::string>& arguments) {
  const std::string what = arguments.empty() ? "" : arguments[0];
  if (what == "exec" && arguments.size() == 2) return kLivedOn;
  if (what == "rounding" && arguments.size() == 1) {
    round_in_all_modes();
  } else if (what == "connect" && arguments.size() == 3) {
    connect_to(arguments[1], arguments[2]);
  } else {
    return static_cast<int>(ExitCode::kUsage);
  }
  return kLivedOn;
}

}  // namespace cryptnono::canary
