#include "app/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "proc/proc_reader.h"

namespace cryptnono::app {

namespace {

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
  std::ifstream sizes("/proc/self/statm");  // proc(5): the first two, in pages
  std::uint64_t virtual_pages = 0;
  std::uint64_t resident_pages = 0;
  if (sizes >> virtual_pages >> resident_pages) {
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    out.add(Metric::kProcessVirtual, {}, virtual_pages * page);
    out.add(Metric::kProcessResident, {}, resident_pages * page);
  }
  // Once: the kernel computes it anew from two clocks each time, and it would jump.
  static const std::optional<double> boot = boot_time();
  const auto stat = proc::ProcReader().read_stat(getpid());
  if (boot && stat)
    out.add(
        Metric::kProcessStart, {},
        *boot + static_cast<double>(stat->start_ticks) / static_cast<double>(sysconf(_SC_CLK_TCK)));
  if (const std::optional<double> open = open_descriptors())
    out.add(Metric::kProcessFds, {}, *open);
  out.add(Metric::kProcessMaxFds, {}, limit_of_descriptors());
}

}  // namespace cryptnono::app
