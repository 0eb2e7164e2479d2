#include "base/timestamp.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.h"

namespace cryptnono {

std::string timestamp(std::chrono::system_clock::time_point time) {
  const auto micros = std::chrono::time_point_cast<std::chrono::microseconds>(time);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(micros);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     (micros - seconds).count());
}

std::string timestamp(clockid_t clock, std::uint64_t ns) {
  const auto ago = static_cast<std::int64_t>(clock_ns(clock) - ns);
  return timestamp(std::chrono::system_clock::now() - std::chrono::nanoseconds(ago));
}

std::string timestamp_of_start(std::uint64_t ticks) {
  static const auto ticks_per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  return timestamp(CLOCK_BOOTTIME, ticks * (1'000'000'000 / ticks_per_second));
}

}  // namespace cryptnono
