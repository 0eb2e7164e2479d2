// Times for people: UTC, ISO 8601 with microseconds, as the log has them.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>

namespace cryptnono {

std::string timestamp(std::chrono::system_clock::time_point time);

// Of a reading of another clock (CLOCK_MONOTONIC, CLOCK_BOOTTIME), by how far the two are apart
// now.
std::string timestamp(clockid_t clock, std::uint64_t ns);

// When a process started, of its start time in clock ticks since boot.
std::string timestamp_of_start(std::uint64_t ticks);

}  // namespace cryptnono
