// Clocks: the time of day, and those that the kernel side and /proc use.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <ctime>

namespace cryptnono {

inline constexpr std::uint64_t kMillisecond = 1'000'000;  // in nanoseconds

inline std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// bpf_ktime_get_ns()
inline std::uint64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }

// Time of day: seconds since 1970.
inline double unix_time() { return static_cast<double>(clock_ns(CLOCK_REALTIME)) / 1e9; }

// From `then` to `now`; 0 if `then`, noted by somebody else, is later than a `now` that was read
// before.
constexpr std::uint64_t elapsed_ns(std::uint64_t now, std::uint64_t then) {
  return now > then ? now - then : 0;
}

// The same in seconds.
constexpr double seconds_between(std::uint64_t then, std::uint64_t now) {
  return static_cast<double>(elapsed_ns(now, then)) / 1e9;
}

// task_struct.start_boottime in the unit of /proc/PID/stat's start time: clock ticks since boot,
// rounded down as the kernel does (nsec_to_clock_t).
inline std::uint64_t boottime_ns_to_ticks(std::uint64_t ns) {
  static const auto ticks_per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  return ns / (1'000'000'000 / ticks_per_second);
}

}  // namespace cryptnono
