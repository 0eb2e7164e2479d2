// StatusSource: fills a status from what the daemon knows.
//
// Numbers come from what a scrape would get, so that both always agree. What the daemon learns when
// it starts and reloads it says here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "app/health.h"
#include "app/history.h"
#include "app/recent_kills.h"
#include "canary/canary_state.h"
#include "config/types.h"
#include "metrics/exposition.h"
#include "status/lacks.h"
#include "status/routes.h"
#include "status/status.h"

namespace cryptnono::app {

// The methods of the first part belong to the daemon's main thread; the others are for any.
class StatusSource {
 public:
  using Collect = std::function<void(metrics::Exposition&)>;
  using Canaries = std::function<std::vector<canary::State>()>;
  using Rollouts = std::function<std::vector<status::Rollout>()>;

  // `collect` adds the series of the detectors and the configuration. All three may be called on
  // any thread that asks here. `kills` must outlive the object.
  StatusSource(const RecentKills& kills, Collect collect, Canaries canaries, Rollouts rollouts);

  // This configuration is in force, and was loaded just now.
  void use(const config::Config& config);
  void reload_failed(std::vector<std::string> errors);
  // Why the kernel or the privileges do not let a detector run; "": they do.
  void set_unavailable(std::string_view detector, std::string why);
  // What is missing, and why; "" if nobody said. Or it is there again.
  void set_lack(status::Lack lack, std::string why);
  void clear_lack(status::Lack lack);
  // `lsm`: bans are enforced by BPF LSM as well.
  void set_connect_hooks(config::ConnectHooks hooks, bool lsm);
  // By BPF LSM.
  void set_execs_refused(bool refused);
  void started();

  [[nodiscard]] status::Status read(bool details);
  [[nodiscard]] std::vector<std::string> not_ready() const;
  // One more point of the history; the second only if this step has none yet.
  void sample();
  void sample_if_due();
  // What the server answers with, `collect_all` being a whole scrape. `health` must outlive the
  // result, as the object must.
  [[nodiscard]] status::Sources sources(Health& health, Collect collect_all);

 private:
  struct Settings {
    bool enabled = false;
    bool kills = false;
    config::Limit limit;
  };
  void sample(const metrics::Exposition& numbers);
  [[nodiscard]] std::vector<status::Detector> detectors(const metrics::Exposition& numbers) const;
  void add_configured(std::string_view name, status::Detector& out) const;
  [[nodiscard]] std::string hook_of(std::string_view name, const Settings& settings) const;

  const RecentKills& kills_;
  Collect collect_;
  Canaries canaries_;
  Rollouts rollouts_;
  const std::int64_t started_at_;
  const std::uint64_t started_ns_;  // CLOCK_BOOTTIME
  History history_;

  mutable std::mutex mutex_;
  // All below guarded by mutex_.
  bool started_ = false;
  config::MetricsDetails details_ = config::MetricsDetails::kNone;
  status::Configuration config_;
  std::map<std::string, Settings, std::less<>> settings_;  // by detector
  std::map<std::string, std::string, std::less<>> unavailable_;
  std::map<status::Lack, std::string> lacks_;
  config::ConnectHooks connect_hooks_ = config::ConnectHooks::kKill;
  bool execs_refused_ = false;
  bool connects_by_lsm_ = false;
};

}  // namespace cryptnono::app
