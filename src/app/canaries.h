// Canaries: every few minutes, does each detector still kill what it is there for?
//
// A canary is a process of the daemon's own that does, in a cgroup of the daemon's own, what a
// detector looks for: an exec with a secret word, a loop in all rounding modes, a connect to an
// address that nobody uses. It must die in time, and the event of its death must arrive; else the
// detector is not up, whatever it believes. What must be there in the kernel for that is in
// bpf/api/common.h (enforce_config::canary_*).
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/canary_trap.h"
#include "base/fd.h"
#include "base/line_writer.h"
#include "canary/canary_state.h"
#include "canary/sandbox.h"
#include "config/types.h"
#include "metrics/exposition.h"

namespace cryptnono::app {

// What one generation of rules bans for canaries alone.
struct Bait {
  std::string word;  // 128 random bits; "": no canaries
  // In 127/8, whose packets never leave the node (RFC 1122), not in 127.0, which programs use; with
  // a port. Nothing if the configuration allows all that was tried.
  std::optional<config::AddressRange> address;
};

class Canaries {
 public:
  // Called with the id of the cgroup (0: none), from any thread, before a canary is run in it.
  using TellKernel = std::function<void(std::uint64_t cgroup_id)>;
  // `log` and the trap must outlive the object.
  Canaries(LineWriter& log, CanaryTrap& trap, TellKernel tell_kernel);
  // Stops.
  ~Canaries();

  // For the next generation of rules. One thread.
  [[nodiscard]] Bait bait(const config::Config& config);

  enum class Detection : std::uint8_t { kOff, kThere, kMissing };
  struct Settings {
    double interval_s = 0;  // 0: none are run
    config::LogLevel log_level = config::LogLevel::kInfo;
    Bait bait;                                      // of the rules in force
    std::array<Detection, kDetectors> detectors{};  // kMissing: wanted, and not attached
  };
  // From here on by these settings; runs all canaries at once. One thread.
  void use(Settings settings);
  // Ends the canary that runs. No more are run.
  void stop();

  // One for each detector. Any thread.
  [[nodiscard]] std::vector<canary::State> states() const;
  // Nothing speaks against the detector. Any thread.
  [[nodiscard]] bool good(Detector detector) const;
  void collect(metrics::Exposition& out) const;

 private:
  void run_forever();
  void run_all(const Settings& settings);
  void prove(const Settings& settings, Detector detector);
  struct Attempt {
    canary::Outcome result = canary::Outcome::kFailed;
    double lived_s = 0;
    std::string why;
  };
  static Attempt unavailable(std::string why);
  Attempt attempt(const Settings& settings, Detector detector);
  Result<void> make_sandbox();
  void note(const Settings& settings, Detector detector, Attempt attempt);
  void log(const Settings& settings, const canary::State& state, bool changed);
  [[nodiscard]] bool all_good() const;

  LineWriter& log_;
  CanaryTrap& trap_;
  TellKernel tell_kernel_;
  std::optional<config::AddressRange> address_;  // of the next bait, unless it is allowed by then
  std::unique_ptr<canary::Sandbox> sandbox_;     // of the thread
  Fd stop_fd_;                                   // eventfd
  std::thread thread_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // All below guarded by mutex_.
  Settings settings_;
  bool changed_ = false, stopping_ = false;
  std::array<canary::State, kDetectors> states_;
  // By the order of metrics::values::kCanaryResult.
  std::array<std::array<std::uint64_t, 4>, kDetectors> runs_{};
};

}  // namespace cryptnono::app
