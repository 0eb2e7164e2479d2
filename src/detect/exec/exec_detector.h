// ExecDetector: execwhacker. Kernel side, rules and scans together; says what it finds, and acts on
// nothing.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "detect/exec/exec_program.h"
#include "detect/exec/exec_rules.h"
#include "detect/exec/exec_scan.h"
#include "detect/exec/finding.h"
#include "detect/subject.h"
#include "kernel/ring_buffer.h"

namespace cryptnono::detect {

// What a configuration asks of the detector, resolved.
struct ExecSettings {
  std::shared_ptr<ExecRules> rules;
  std::uint64_t kill_groups = 0;  // mask; 0: report only
  config::Limit limit;
  std::vector<scope_entry> include;
  std::vector<scope_entry> exclude;
  double scan_interval_s = 10;  // 0: only at start
};

// apply() and stop() belong to one thread; the rest may be called from any.
class ExecDetector {
 public:
  // `program` is loaded, not attached.
  ExecDetector(std::unique_ptr<ExecProgram> program, FindingSink sink, Locate locate);
  // Stops.
  ~ExecDetector();
  ExecDetector(const ExecDetector&) = delete;
  ExecDetector& operator=(const ExecDetector&) = delete;

  // Puts settings in force: at any moment an exec is judged by the old rules or by the new ones. On
  // error the old ones stay.
  Result<void> apply(const ExecSettings& settings);
  // Attaches the hook and starts the threads that read its records. Call after apply().
  Result<void> start();
  // Scans, now and then. Call after start(), and after what an earlier daemon has left was taken
  // over, for a scan meets the same processes.
  void start_scans();
  void stop();
  // A record that an earlier daemon's kernel side wrote. Its rules are not known any more: those in
  // force say which rule it was, and decide what was left to decide. After apply().
  void take_over(std::span<const std::byte> record, const EarlierDaemon& earlier);

  struct Counters {
    exec_stats kernel{};
    std::uint64_t recursion_misses = 0;
    std::uint64_t scanned = 0;  // processes that scans checked
    std::uint64_t scans = 0;
    double last_scan_s = 0;
    bool real_time = false;  // the decisions' thread has real-time priority
  };
  [[nodiscard]] Counters counters() const;
  [[nodiscard]] ExecProgram& program() { return *program_; }
  [[nodiscard]] const ExecProgram& program() const { return *program_; }
  // Before start(): called before each look at all processes, on the thread of the scans.
  void before_scans(std::function<void()> call) { before_scan_ = std::move(call); }

 private:
  void read_decisions();
  void read_events();
  void scan_forever();
  void forget_generations(std::shared_ptr<const ExecRules>& used);
  void on_event(std::span<const std::byte> record);
  void on_decision(std::span<const std::byte> record);
  [[nodiscard]] std::shared_ptr<const ExecRules> rules_of(std::uint32_t generation) const;
  void request_scan();

  std::unique_ptr<ExecProgram> program_;
  FindingSink sink_;
  Locate locate_;
  std::function<void()> before_scan_;
  std::unique_ptr<kernel::RingBuffer> events_;
  std::unique_ptr<kernel::RingBuffer> decisions_;
  Fd stop_fd_;  // an eventfd, readable when the threads are to end
  std::vector<std::thread> threads_;

  mutable std::mutex mutex_;
  std::condition_variable scan_wake_;
  // All below guarded by mutex_.
  // The newest last; older ones for records that are still queued, until the next scan or
  // kGenerationsKept.
  std::vector<std::shared_ptr<const ExecRules>> generations_;
  double scan_interval_s_ = 10;
  bool scan_requested_ = false;
  bool stopping_ = false;

  std::atomic<std::uint64_t> scanned_ = 0;
  std::atomic<std::uint64_t> scans_ = 0;
  std::atomic<double> last_scan_s_ = 0;
  std::atomic<bool> real_time_ = false;
};

}  // namespace cryptnono::detect
