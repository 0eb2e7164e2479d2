// What the daemon tells of itself besides the metrics: what is missing here, and the server.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "app/daemon.h"
#include "base/json_line.h"
#include "container/cgroup_table.h"
#include "http/control_socket.h"
#include "kernel/obstacle.h"
#include "metrics/catalog.h"
#include "proc/proc_reader.h"
#include "proc/process.h"
#include "status/privileges.h"

namespace cryptnono::app {

using status::Lack;

Result<void> Daemon::stand_by(config::Config config, const Error& error) {
  enabled_[0] = config.execwhacker.enabled;
  enabled_[1] = config.monero.enabled;
  enabled_[2] = config.tcpflowkiller.enabled;
  status_.use(config);
  for (const Lack each : {Lack::kBpf, Lack::kPerfmon}) {
    if (!status::granted(each)) lack(each, "", error.message);
  }
  if (const auto btf = kernel::has_btf(); !btf) lack(Lack::kBtf, "", btf.error().message);
  if (const auto may = kernel::may_read_kernel(); !may)
    lack(Lack::kKernelMemory, "", may.error().message);
  for (std::size_t i = 0; i < kDetectors; ++i) {
    if (enabled_.at(i)) log_unavailable(metrics::values::kDetector.at(i), error);
  }
  TRY(serve(config));
  config_ = std::move(config);
  status_.started();
  JsonLine line;
  line.add("action", "degraded")
      .add("reason", error.message)
      .add("remedy", "`cryptnono doctor` says what is missing; then restart");
  log(config::LogLevel::kError, "No detector can run here; nothing is watched", std::move(line));
  return {};
}

void Daemon::lack(Lack lack, std::string_view detector, const std::string& why) {
  status_.set_lack(lack, why);
  const status::LackWords& words = status::words_of(lack);
  JsonLine line;
  line.add("action", detector.empty() ? "degraded" : "detector-degraded");
  if (!detector.empty()) line.add("detector", detector);
  line.add("reason", why).add("remedy", words.remedy);
  log(config::LogLevel::kWarning,
      "Missing here: " + std::string(words.what) + "; " + std::string(words.effect),
      std::move(line));
}

void Daemon::no_addition(Lack lack, std::string_view detector, const std::string& why) {
  const status::LackWords& words = status::words_of(lack);
  JsonLine line;
  line.add("action", "not-here").add("detector", detector).add("reason", why);
  line.add("remedy", words.remedy);
  log(config::LogLevel::kDebug,
      "Not here: " + std::string(words.what) + "; " + std::string(words.effect), std::move(line));
}

// What all detectors suffer from.
void Daemon::log_what_is_missing() {
  if (!proc::in_initial_pid_namespace())
    lack(Lack::kPidNamespace, "", "not in the initial pid namespace (hostPID)");
  if (!pods_.why_no_events().empty()) lack(Lack::kCgroupEvents, "", pods_.why_no_events());
  if (!options_.memory_not_locked.empty())
    lack(Lack::kLockedMemory, "", options_.memory_not_locked);
  if (!status::granted(Lack::kKill)) lack(Lack::kKill, "", "no CAP_KILL");
  if (!status::granted(Lack::kOtherProcesses)) lack(Lack::kOtherProcesses, "", "no CAP_SYS_PTRACE");
  // Told by `doctor` and the status only: most machines without it were set up so.
  if (container::cgroup2_mount_point().empty()) status_.set_lack(Lack::kCgroup2, "");
}

void Daemon::cannot_pin(const Error& error) {
  lack(Lack::kPins, "", error.message + "; tried again every few seconds");
}

void Daemon::take_over() {
  const auto sink = [this](std::string_view object, std::span<const std::byte> record,
                           const detect::EarlierDaemon& earlier) {
    if (object == "exec") return exec_->take_over(record, earlier);
    flow_->take_over(record, earlier);
  };
  const Result<std::vector<Takeover::Report>> done = takeover_.take_over(sink);
  if (!done) return cannot_pin(done.error());
  status_.clear_lack(Lack::kPins);
  for (const Takeover::Report& each : *done) {
    JsonLine line;
    line.add("action", "taken-over")
        .add("from_version", each.version)
        .add("epoch", fmt::format("{:016x}", each.epoch))
        .add("links", static_cast<std::uint64_t>(each.links));
    if (each.unattended_s) line.add("unattended_s", *each.unattended_s);
    line.add("records", each.readable ? each.records : 0)
        .add("records_dropped", each.readable ? 0 : each.records)
        .add("lost_kills", each.lost_kills);
    log(config::LogLevel::kInfo,
        each.readable ? "Took over from an earlier daemon"
                      : "Took over from a daemon of another version, whose records cannot be read",
        std::move(line));
  }
  tell_guard();
}

void Daemon::load_monero() {
  const Result<void> loaded = monero_.load(events_, pods_, *responses_, trap_);
  if (!loaded) log_unavailable("monero", loaded.error());
}

void Daemon::start_monero() {
  const Result<void> started = monero_.start();
  if (!started) return log_unavailable("monero", started.error());
  if (monero_.real_time()) return;
  lack(Lack::kRealTime, "monero", "no real-time priority (CAP_SYS_NICE)");
}

void Daemon::log_unavailable(std::string_view detector, const Error& error) {
  status_.set_unavailable(detector, error.message);
  if (detector == "monero") status_.set_lack(Lack::kFpuHook, error.message);
  if (detector == "tcpflowkiller") status_.set_lack(Lack::kConnectState, error.message);
  JsonLine line;
  line.add("action", "detector-unavailable").add("detector", detector).add("reason", error.message);
  log(config::LogLevel::kWarning, "A detector cannot run here", std::move(line));
}

Result<void> Daemon::serve(const config::Config& config) {
  std::optional<http::ControlSocket> control;
  if (!config.control.socket.empty()) {
    Result<http::ControlSocket> opened = http::ControlSocket::open(config.control.socket);
    if (opened) {
      control.emplace(*std::move(opened));
    } else {
      JsonLine line;
      line.add("action", "degraded").add("reason", opened.error().message);
      log(config::LogLevel::kWarning, "There is no control socket: `cryptnono status` cannot ask",
          std::move(line));
    }
  }
  if (config.metrics.listen.empty() && !control) return {};
  server_ = TRY(http::Server::start(
      config.metrics.listen,
      [sources = status_.sources(health_, [this](metrics::Exposition& out) { collect(out); })](
          const http::Request& request) { return status::answer(request, sources); },
      std::move(control)));
  return {};
}

std::string Daemon::status_line(std::string_view failure) const {
  std::string out;
  if (!failure.empty())
    out = fmt::format("Not reloaded, the last good configuration stays in force ({}). ", failure);
  std::string up, down;
  const auto add = [&](Detector detector, bool enabled, bool there) {
    if (!enabled) return;
    std::string& list = there ? up : down;
    list += (list.empty() ? "" : ", ") +
            std::string(metrics::values::kDetector.at(static_cast<std::size_t>(detector)));
  };
  add(Detector::kExecwhacker, enabled_[0], up_);
  add(Detector::kMonero, enabled_[1], monero_.up());
  add(Detector::kTcpflowkiller, enabled_[2], flow_ && flow_->up());
  out += fmt::format("{}: {}; banned strings: {}", config_.dry_run ? "Only reporting" : "Enforcing",
                     up.empty() ? "nothing" : up, rules_.load());
  if (!down.empty()) out += "; cannot run here: " + down;
  return out;
}

void Daemon::log_rollouts(const std::vector<status::Rollout>& ended) {
  const auto tell = [&](const status::Rollout& group, std::string_view event) {
    JsonLine line;
    line.add("action", "rollout")
        .add("group", group.group)
        .add("would", group.would)
        .add("would_have_killed", group.would_have_killed);
    if (group.until != 0) line.add("until", group.until);
    if (group.clean_days != 0)
      line.add("clean_days", std::uint64_t{group.clean_days}).add("clean_s", group.clean_s);
    log(config::LogLevel::kInfo, event, std::move(line));
  };
  for (const status::Rollout& each : ended) tell(each, "A group's time of reporting is over");
  for (const status::Rollout& each : rollout_.states()) {
    if (each.reports) tell(each, "A group only reports as yet");
  }
}

void Daemon::tick_rollout() {
  if (rollout_.tick()) reload();
  const Result<void> saved = rollout_.save();
  if (saved) return;
  JsonLine line;
  line.add("action", "degraded").add("reason", saved.error().message);
  log(config::LogLevel::kWarning,
      "Clean days of groups that report first are not remembered over a restart", std::move(line));
}

void Daemon::warn_of_what_needs_a_start(const config::Config& now, const config::Config& next,
                                        std::vector<std::string>& warnings) {
  const auto warn = [&](bool changed, const char* key) {
    if (changed)
      warnings.push_back(std::string(key) + " has changed; that takes effect at the next start");
  };
  warn(now.metrics.listen != next.metrics.listen, "metrics.listen");
  warn(now.control.socket != next.control.socket, "control.socket");
  warn(now.pins.directory != next.pins.directory, "pins.directory");
  warn(now.guard.enabled != next.guard.enabled, "guard.enabled");
}

}  // namespace cryptnono::app
