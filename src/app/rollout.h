// Rollout: which groups of rules only report as yet, and what they would have done.
//
// A group with `reportFirst` reports until its date has come, and until it has been clean (would
// have killed nobody) for as many days as it asks for, whichever is later. When that is so the
// daemon reloads, and the group's action holds. Clean time passes only while a daemon looks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/rollout_state.h"
#include "config/types.h"
#include "metrics/exposition.h"
#include "status/status.h"

namespace cryptnono::app {

class Rollout {
 public:
  struct Now {
    double unix_s = 0;          // what dates are compared with
    std::uint64_t boot_ns = 0;  // CLOCK_BOOTTIME: clean time, which no setting of the clock changes
  };
  using Clock = std::function<Now()>;
  // An operator who looks once a minute loses a minute of clean time when the machine crashes.
  static constexpr std::uint64_t kSaveEveryS = 60;
  static constexpr std::uint64_t kRetryS = 60;

  explicit Rollout(Clock clock = system_clock);

  // The following belong to the main thread.

  // In `config`: every group of strings that still reports first gets the action kReport, and
  // `would` is what it would do; every group of addresses whose time is over loses its
  // report_first. Reads the state the first time, and when state_directory is another one. Returns
  // warnings.
  std::vector<std::string> decide(config::Config& config);
  // The configuration that decide() saw last is in force. Returns the groups that reported until
  // now and do so no longer.
  std::vector<status::Rollout> use();
  // Counts the time until now as clean. True: a group has reported for long enough, so that the
  // configuration is to be loaded anew; again after kRetryS if that has not ended it.
  bool tick();
  // How long tick() has nothing to do: milliseconds, at most kSaveEveryS; -1: for ever.
  [[nodiscard]] int wait_ms() const;
  // Writes the state down if it has changed and was not written for kSaveEveryS, or `now`. The same
  // error twice in a row is returned once. Any thread.
  Result<void> save(bool now = false);

  // Any thread: a process would have been killed for this group, or for one of a name that no group
  // has (which is ignored). Its clean time begins anew, and so it does in the file, at once: no
  // crash makes a group kill earlier. That is one write a minute at most.
  void would_have_killed(std::string_view name);
  // Any thread: the groups that report first, or did, by name.
  [[nodiscard]] std::vector<status::Rollout> states() const;
  // Any thread: adds what the groups are about to a scrape.
  void collect(metrics::Exposition& out) const;

 private:
  struct Group {
    CleanTime time;  // but for clean_s, which is clean_ns in seconds
    config::ReportFirst first;
    config::Action action = config::Action::kKill;
    bool reports = false;
    std::uint64_t clean_ns = 0;
    std::uint64_t would = 0;  // times, since the group is as it is
    double last_would = 0;    // Unix time
  };
  using Groups = std::map<std::string, Group, std::less<>>;

  static Now system_clock();
  [[nodiscard]] bool claims_too_much(std::string_view name);
  static bool enough(const Group& group, const Now& now);
  // Both with mutex_ held.
  void pass(const Now& now);
  [[nodiscard]] Group carried_over(const std::string& name, Group group) const;
  [[nodiscard]] status::Rollout state_of(const std::string& name, const Group& group,
                                         const Now& now) const;

  Clock clock_;
  std::mutex file_mutex_;  // taken before mutex_
  // All guarded by file_mutex_.
  std::optional<std::string> directory_;  // that known_ was read from
  RolloutState known_;                    // what the file says
  std::uint64_t saved_ns_ = 0;            // when, on the clock of boot_ns
  std::string save_error_;
  mutable std::mutex mutex_;
  // All guarded by mutex_.
  Groups groups_;
  std::map<std::string, std::uint64_t, std::less<>> totals_;  // would-be kills since the start
  Groups next_;                                               // decided, not in force
  std::optional<std::uint64_t> asked_ns_;  // when tick() last said that it is time
  std::uint64_t passed_ns_ = 0;            // until when clean time has been counted
};

}  // namespace cryptnono::app
