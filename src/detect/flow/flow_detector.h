// FlowDetector: tcpflowkiller. Says what the kernel side did, and finds the scans that show only
// when nobody answers.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "detect/flow/flow_finding.h"
#include "detect/flow/flow_program.h"
#include "detect/flow/flow_tables.h"

namespace cryptnono::detect {

struct FlowSettings {
  FlowTables tables;                           // its kill_groups are set by apply()
  std::optional<config::AddressRange> canary;  // one IPv4 address and port of `tables`
  flow_settings scan{};
  std::uint64_t kill_groups = 0;  // FLOW_GROUP_*: the groups that kill, the others report
  config::Limit limit;
  std::vector<scope_entry> include;
  std::vector<scope_entry> exclude;
};

// apply(), start() and stop() belong to one thread, the rest to any.
class FlowDetector {
 public:
  // `program` is loaded, not attached.
  // `idle` is called every few seconds.
  FlowDetector(std::unique_ptr<FlowProgram> program, FlowSink sink, Locate locate,
               std::function<void()> idle = {});
  // Stops.
  ~FlowDetector();
  FlowDetector(const FlowDetector&) = delete;
  FlowDetector& operator=(const FlowDetector&) = delete;

  // Puts settings in force; on error the old tables stay.
  Result<void> apply(FlowSettings settings);
  // Attaches the hooks and starts the threads. Call after apply().
  Result<void> start();
  void stop();

  [[nodiscard]] FlowProgram& program() { return *program_; }
  [[nodiscard]] const FlowProgram& program() const { return *program_; }
  // Units that are counted at this time, as of the last look.
  [[nodiscard]] std::size_t units() const { return units_; }

 private:
  void read_events();
  void read_decisions();
  void look_after_units();
  bool judge_unit(const flow_unit_key& key, const flow_unit& unit, std::uint64_t now);
  void on_record(std::span<const std::byte> record);

  std::unique_ptr<FlowProgram> program_;
  FlowSink sink_;
  Locate locate_;
  std::function<void()> idle_;
  std::unique_ptr<kernel::RingBuffer> events_;
  std::unique_ptr<kernel::RingBuffer> decisions_;
  Fd stop_fd_;
  std::vector<std::thread> threads_;
  std::atomic<std::size_t> units_ = 0;

  mutable std::mutex mutex_;
  flow_settings scan_{};     // guarded by mutex_
  bool scans_kill_ = false;  // guarded by mutex_
};

// The number of destinations of a unit that count at `now_ns` (CLOCK_MONOTONIC): what
// flow_count.bpf.h counts.
std::uint32_t counted_destinations(const flow_unit& unit, const flow_settings& scan,
                                   std::uint64_t now_ns);

// A record of api/flow.h as a finding; nothing if its sizes do not add up.
std::optional<FlowFinding> parse_flow_record(std::span<const std::byte> record);

}  // namespace cryptnono::detect
