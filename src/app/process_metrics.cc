#include "app/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "base/clock.h"

namespace cryptnono::app {

namespace {

struct Stat {
  std::uint64_t start_ticks = 0;  // since boot
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_pages = 0;
};

// Fields 22 to 24 of proc(5)'s /proc/PID/stat.
std::optional<Stat> read_stat() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t end_of_name = text.rfind(')');  // which may hold spaces
  if (end_of_name == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(end_of_name + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  Stat out;
  fields >> out.start_ticks >> out.virtual_bytes >> out.resident_pages;
  if (!fields) return std::nullopt;
  return out;
}

// Unix time.
std::optional<double> boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("btime ")) return std::stod(line.substr(6));
  }
  return std::nullopt;
}

std::optional<double> open_descriptors() {
  const auto close = [](DIR* directory) { closedir(directory); };
  const std::unique_ptr<DIR, decltype(close)> directory(opendir("/proc/self/fd"));
  if (!directory) return std::nullopt;
  int count = -3;  // ".", ".." and this one
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
  while (readdir(directory.get()) != nullptr) ++count;
  return count;
}

double limit_of_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur == RLIM_INFINITY ? std::numeric_limits<double>::infinity()
                                         : static_cast<double>(limit.rlim_cur);
}

}  // namespace

void collect_process(metrics::Exposition& out) {
  using metrics::Metric;
  // The kernel tells it in ticks of 10 ms in /proc, and exactly here.
  out.add(Metric::kProcessCpu, {}, static_cast<double>(clock_ns(CLOCK_PROCESS_CPUTIME_ID)) / 1e9);
  if (const std::optional<Stat> stat = read_stat()) {
    out.add(Metric::kProcessVirtual, {}, stat->virtual_bytes);
    out.add(Metric::kProcessResident, {},
            stat->resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
    // Once: the kernel computes it anew from two clocks each time, and it would jump.
    static const std::optional<double> boot = boot_time();
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    if (boot)
      out.add(Metric::kProcessStart, {}, *boot + static_cast<double>(stat->start_ticks) / ticks);
  }
  if (const std::optional<double> open = open_descriptors())
    out.add(Metric::kProcessFds, {}, *open);
  out.add(Metric::kProcessMaxFds, {}, limit_of_descriptors());
}

}  // namespace cryptnono::app
