#include "kernel/run_statistics.h"

#include <bpf/bpf.h>

#include <chrono>

#include "base/clock.h"

namespace cryptnono::kernel {

ProgramRuns runs_of(const bpf_program* program) {
  bpf_prog_info info = {};
  std::uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) != 0) return {};
  return {.name = bpf_program__name(program),
          .id = info.id,
          .run_ns = info.run_time_ns,
          .runs = info.run_cnt,
          .recursion_misses = info.recursion_misses};
}

RunStatistics::RunStatistics(Read read) : read_(std::move(read)) {}

RunStatistics::~RunStatistics() { stop(); }

void RunStatistics::use(bool wanted) {
  if (wanted == thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = !wanted;
  }
  if (wanted) {
    thread_ = std::thread([this] { run(); });
  } else {
    wake_.notify_all();
    thread_.join();
  }
}

void RunStatistics::run() {
  const auto stopped = [this] { return stopping_; };
  std::uniform_int_distribution<std::uint64_t> pause(kShortestPauseNs, kLongestPauseNs);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    open_window();
    if (!on_) return;  // not to be had
    wake_.wait_for(lock, std::chrono::nanoseconds(kWindowNs), stopped);
    close_window();
    wake_.wait_for(lock, std::chrono::nanoseconds(pause(random_)), stopped);
  }
}

void RunStatistics::open_window() {
  on_.reset(bpf_enable_stats(BPF_STATS_RUN_TIME));
  if (!on_) return;
  before_.clear();
  for (const ProgramRuns& each : read_()) before_[each.id] = {each.run_ns, each.runs};
  counted_at_ = monotonic_ns();
}

void RunStatistics::close_window() {
  count();
  on_.reset();
}

void RunStatistics::count() {
  for (const ProgramRuns& each : read_()) {
    Runs& before = before_[each.id];  // 0 for one that was loaded in this window
    Runs& total = totals_.programs[each.name];
    total.run_ns += elapsed_ns(each.run_ns, before.run_ns);
    total.runs += elapsed_ns(each.runs, before.runs);
    before = {each.run_ns, each.runs};
  }
  const std::uint64_t now = monotonic_ns();
  totals_.on_ns += elapsed_ns(now, counted_at_);
  counted_at_ = now;
}

RunStatistics::Totals RunStatistics::totals() {
  const std::lock_guard lock(mutex_);
  if (on_) count();
  return totals_;
}

}  // namespace cryptnono::kernel
