// RunStatistics: for how long and how often the programs of the kernel side run, by the kernel's
// own statistics (BPF_STATS_RUN_TIME).
//
// While these are on, each run of every BPF program of the node, whoever's it is, reads the clock
// twice and counts. That takes longer than the shortest of our programs do (150 ns in a virtual
// machine; fpu_sample takes 35). So they are on for a second at a time only, at moments that keep
// no step with anything; what ran elsewhere is not counted, also if somebody else has them on.
#pragma once

#include <bpf/libbpf.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/fd.h"

namespace cryptnono::kernel {

// A program that is loaded, and what the kernel has counted since.
struct ProgramRuns {
  std::string name;
  std::uint32_t id = 0;
  std::uint64_t run_ns = 0;
  std::uint64_t runs = 0;
  std::uint64_t recursion_misses = 0;  // counted always
};

// All zeros if the program is not loaded. Any thread.
ProgramRuns runs_of(const bpf_program* program);

// Any thread, but for use(), which belongs to one.
class RunStatistics {
 public:
  // Tells of all programs that are loaded now; on any thread.
  using Read = std::function<std::vector<ProgramRuns>()>;

  explicit RunStatistics(Read read);
  ~RunStatistics();
  RunStatistics(const RunStatistics&) = delete;
  RunStatistics& operator=(const RunStatistics&) = delete;

  // Whether to measure at all; the first window begins at once. Without CAP_SYS_ADMIN, or before
  // Linux 5.8, there are none.
  void use(bool wanted);
  // What is counted stays.
  void stop() { use(false); }

  struct Runs {
    std::uint64_t run_ns = 0;
    std::uint64_t runs = 0;
  };
  struct Totals {
    std::map<std::string, Runs> programs;
    std::uint64_t on_ns = 0;  // for how long it was measured
  };
  // Up to this moment. Nothing in it ever falls, also when programs come and go.
  [[nodiscard]] Totals totals();

  static constexpr std::uint64_t kWindowNs = 1'000'000'000;
  // From the end of one window to the next: at random between these.
  static constexpr std::uint64_t kShortestPauseNs = 30'000'000'000;
  static constexpr std::uint64_t kLongestPauseNs = 88'000'000'000;

 private:
  void run();
  void open_window();
  void close_window();
  void count();

  const Read read_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // All below guarded by mutex_.
  bool stopping_ = false;
  Fd on_;                                           // while it is open, the statistics are on
  std::uint64_t counted_at_ = 0;                    // in an open window: up to when
  std::unordered_map<std::uint32_t, Runs> before_;  // by program id: counted up to then
  Totals totals_;
  std::minstd_rand random_{std::random_device{}()};
  std::thread thread_;  // not guarded: use()'s
};

}  // namespace cryptnono::kernel
