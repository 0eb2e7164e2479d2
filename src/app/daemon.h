// Daemon: everything that `cryptnono run` starts, and its main loop.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/canaries.h"
#include "app/canary_trap.h"
#include "app/event_log.h"
#include "app/exec_audit.h"
#include "app/flow.h"
#include "app/health.h"
#include "app/monero.h"
#include "app/notifications.h"
#include "app/pod_watch.h"
#include "app/responses.h"
#include "app/rollout.h"
#include "app/status_source.h"
#include "app/takeover.h"
#include "base/fd.h"
#include "base/line_writer.h"
#include "base/result.h"
#include "base/service_manager.h"
#include "config/load.h"
#include "config/watch.h"
#include "detect/exec/exec_detector.h"
#include "enforce/enforcer.h"
#include "http/server.h"
#include "kernel/guard.h"
#include "kernel/run_statistics.h"
#include "metrics/exposition.h"

namespace cryptnono::app {

// The command line of `run`: what it says wins over the files.
struct RunOptions {
  std::vector<std::string> files;
  std::vector<std::string> scopes;            // if not empty: instead of scope.cgroups
  std::vector<std::string> metrics_listen;    // if not empty: instead of metrics.listen
  std::optional<std::string> control_socket;  // if given: instead of control.socket
  std::optional<double> scan_interval_s;
  std::optional<double> canary_interval_s;
  std::optional<config::LogLevel> log_level;
  std::optional<std::string> pins;  // if given: instead of pins.directory
  bool release = false;             // instead of running: removes what is pinned
  bool dry_run = false;
  bool reveal = false;                  // as log.revealRules: true
  std::vector<std::string> identities;  // as config::LoadOptions
  std::string memory_not_locked;        // why, if it could not be (base/process_secrecy.h)
  std::string overrides;                // settings as the text of one more file, the last one
};

class Daemon {
 public:
  explicit Daemon(RunOptions options);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Loads, attaches, and runs until SIGTERM or SIGINT. On an error at the start everything is
  // undone; later errors (a bad file at a reload) are logged, and the last good configuration stays
  // in force.
  Result<void> run();

 private:
  Result<void> start();
  Result<void> loop();
  // Where nothing can be loaded: log, status and metrics say so, and it waits for its end. In a
  // pod, where ending would only be repeated: a DaemonSet that never comes up blocks whoever waits
  // for its rollout, and says less.
  Result<void> stand_by(config::Config config, const Error& error);
  Result<config::Config> load_configuration(std::vector<std::string>& errors,
                                            std::vector<std::string>& warnings);
  // What is watched beside the lists of addresses.
  [[nodiscard]] std::vector<std::string> watched_files() const;
  void watch_lists(const std::vector<std::string>& patterns);
  // What a configuration comes to, before anything is changed.
  struct Prepared {
    std::shared_ptr<detect::ExecRules> rules;
    Flow::Prepared flow;
    Bait bait;
  };
  Result<Prepared> prepare(const config::Config& config, std::uint32_t generation);
  Result<void> apply(const config::Config& config, Prepared prepared);
  // Has canaries prove what is in force.
  void prove(const config::Config& config, Bait bait);
  void tell_canary_cgroup(std::uint64_t cgroup_id);
  [[nodiscard]] bool is_up(Detector detector) const;
  void apply_flow(const config::Config& config, Flow::Prepared prepared);
  void log_what_is_missing();
  // Pins what is attached, in place of what earlier daemons have left.
  void take_over();
  void cannot_pin(const Error& error);
  // guard.enabled (docs/adr/0020-guard.md). Load it before metrics are served; attach it with
  // everything else attached; tell it when objects or pins have changed.
  void load_guard(const config::Config& config);
  void attach_guard();
  void tell_guard();
  void collect_guard(metrics::Exposition& out) const;
  void load_monero();
  void start_monero();
  void log_unavailable(std::string_view detector, const Error& error);
  // Tells the log and the status.
  void lack(status::Lack lack, std::string_view detector, const std::string& why);
  // Tells the log what is not here and would only add.
  void no_addition(status::Lack lack, std::string_view detector, const std::string& why);
  Result<void> serve(const config::Config& config);
  static void warn_of_what_needs_a_start(const config::Config& now, const config::Config& next,
                                         std::vector<std::string>& warnings);
  void keep(config::Config config);
  void log_rollouts(const std::vector<status::Rollout>& ended);
  void tick_rollout();
  void reload();
  // What is in force, in a line; of a reload that failed also why.
  [[nodiscard]] std::string status_line(std::string_view failure) const;
  void collect(metrics::Exposition& out) const;
  void collect_detectors(metrics::Exposition& out) const;
  void collect_exec(metrics::Exposition& out) const;
  void collect_runs(metrics::Exposition& out) const;
  [[nodiscard]] std::vector<kernel::ProgramRuns> program_runs() const;
  void log(config::LogLevel level, std::string_view event, JsonLine line = {});
  void log_warnings(const std::vector<std::string>& warnings);

  RunOptions options_;
  Fd signals_;  // first: blocks the signals before any thread starts
  ServiceManager manager_ = ServiceManager::from_environment();
  LineWriter log_;
  PodWatch pods_;
  EventLog events_;
  CanaryTrap trap_;
  Notifications notifications_{events_};
  Health health_;
  Rollout rollout_;
  StatusSource status_;
  std::optional<config::FileWatcher> watcher_;
  config::Config config_;  // in force
  std::atomic<std::uint32_t> generation_ = 0;
  std::atomic<std::uint64_t> rules_ = 0, patterns_ = 0, executables_ = 0;
  std::atomic<bool> reload_ok_ = true;
  std::atomic<std::uint64_t> reloads_ok_ = 0, reloads_failed_ = 0;
  std::atomic<std::int64_t> loaded_at_ = 0;  // Unix time
  std::atomic<bool> up_ = false;
  std::array<std::atomic<bool>, kDetectors> enabled_{};  // by Detector
  std::atomic<bool> guarded_ = false;                    // guard_ is attached

  Takeover takeover_;
  KernelLimit limit_;
  std::unique_ptr<enforce::Enforcer> enforcer_;
  std::unique_ptr<Responses> responses_;
  std::unique_ptr<ExecAudit> audit_;
  std::unique_ptr<detect::ExecDetector> exec_;
  Monero monero_;  // after exec_, which it asks for cgroups
  std::unique_ptr<Flow> flow_;
  bool flow_unavailable_ = false;
  std::unique_ptr<kernel::Guard> guard_;  // null: not wanted, or not to be had
  // What the kernel side costs; reads programs of all the others.
  mutable kernel::RunStatistics run_statistics_{[this] { return program_runs(); }};
  // Before all that it proves is gone, it stops.
  Canaries canaries_{log_, trap_, [this](std::uint64_t id) { tell_canary_cgroup(id); }};
  std::unique_ptr<http::Server> server_;
};

}  // namespace cryptnono::app
