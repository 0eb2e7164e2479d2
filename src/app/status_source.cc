#include "app/status_source.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "app/event_record.h"
#include "base/clock.h"
#include "status/json.h"
#include "status/page.h"

#ifndef CRYPTNONO_VERSION
#define CRYPTNONO_VERSION "unknown"
#endif

namespace cryptnono::app {

namespace {

using metrics::Exposition;
using metrics::Metric;

std::uint64_t boottime_s() { return clock_ns(CLOCK_BOOTTIME) / 1'000'000'000; }

double value_of(const prometheus::ClientMetric& series, Metric metric) {
  return describe(metric).type == metrics::Type::kCounter ? series.counter.value
                                                          : series.gauge.value;
}

// The sum of the series of `metric` that have `label` among their values, "": of all. Nothing: none
// was told.
std::optional<double> sum(const Exposition& numbers, Metric metric, std::string_view label = {}) {
  std::optional<double> out;
  for (const prometheus::ClientMetric& series : numbers.told(metric)) {
    const bool wanted =
        label.empty() || std::any_of(series.label.begin(), series.label.end(),
                                     [&](const auto& each) { return each.value == label; });
    if (wanted) out = out.value_or(0) + value_of(series, metric);
  }
  return out;
}

std::uint64_t count(const Exposition& numbers, Metric metric, std::string_view label = {}) {
  return static_cast<std::uint64_t>(sum(numbers, metric, label).value_or(0));
}

// Of a metric with the labels `detector` and another: by the value of the other.
std::map<std::string, std::uint64_t> by_second_label(const Exposition& numbers, Metric metric,
                                                     std::string_view detector) {
  std::map<std::string, std::uint64_t> out;
  for (const prometheus::ClientMetric& series : numbers.told(metric)) {
    if (series.label[0].value == detector)
      out[series.label[1].value] = static_cast<std::uint64_t>(value_of(series, metric));
  }
  return out;
}

// What each detector looks at has a series of its own; all the rest is told by detector.
struct OwnSeries {
  std::string_view detector;
  Metric checked;
};
constexpr std::array<OwnSeries, 3> kOwnSeries{{
    {"execwhacker", Metric::kChecked},
    {"monero", Metric::kMoneroSamples},
    {"tcpflowkiller", Metric::kFlowChecked},
}};

void add_numbers(const Exposition& numbers, const OwnSeries& own, status::Detector& out) {
  const std::string_view name = own.detector;
  out.up = sum(numbers, Metric::kDetectorUp, name).value_or(0) != 0;
  out.counts = {.checked = count(numbers, own.checked),
                .killed = count(numbers, Metric::kDetectorKilled, name),
                .reported = count(numbers, Metric::kReported, name),
                .spared = count(numbers, Metric::kDetectorSpared, name),
                .protects = count(numbers, Metric::kProtected, name),
                .missed = count(numbers, Metric::kDetectorMissed, name),
                .failed = count(numbers, Metric::kKillFailed, name),
                .suppressed = count(numbers, Metric::kLimitSuppressed, name)};
  out.rules = by_second_label(numbers, Metric::kRulesLoaded, name);
  out.lost = by_second_label(numbers, Metric::kEventsLost, name);
  if (const auto targets = sum(numbers, Metric::kLimitTargets, name))
    out.limit.targets = static_cast<std::uint64_t>(*targets);
  out.limit.reached = sum(numbers, Metric::kLimitReached, name).value_or(0) != 0;
}

status::Canary canary_of(const std::vector<canary::State>& states, std::string_view detector) {
  const auto state = std::find_if(states.begin(), states.end(), [&](const canary::State& each) {
    return each.detector == detector;
  });
  if (state == states.end()) return {};
  return {.result = std::string(canary::result_word(state->result)),
          .at = state->at,
          .passed_at = state->passed_at,
          .lived_ms = state->lived_s * 1e3,
          .why = state->why};
}

}  // namespace

StatusSource::StatusSource(const RecentKills& kills, Collect collect, Canaries canaries,
                           Rollouts rollouts)
    : kills_(kills),
      collect_(std::move(collect)),
      canaries_(std::move(canaries)),
      rollouts_(std::move(rollouts)),
      started_at_(static_cast<std::int64_t>(unix_time())),
      started_ns_(clock_ns(CLOCK_BOOTTIME)),
      history_(boottime_s()) {}

void StatusSource::use(const config::Config& config) {
  const std::lock_guard lock(mutex_);
  details_ = config.metrics.details;
  config_.last_reload_ok = true;
  config_.last_reload_errors.clear();
  config_.files = config.files;
  config_.dry_run = config.dry_run;
  config_.scope_cgroups = config.scope.cgroups.size();
  const auto set = [&](const char* name, const auto& detector) {
    settings_[name] = {.enabled = detector.enabled,
                       .kills = !config.dry_run && config::kills(detector.action),
                       .limit = detector.limit};
  };
  set("execwhacker", config.execwhacker);
  set("monero", config.monero);
  set("tcpflowkiller", config.tcpflowkiller);
}

void StatusSource::reload_failed(std::vector<std::string> errors) {
  const std::lock_guard lock(mutex_);
  config_.last_reload_ok = false;
  config_.last_reload_errors = std::move(errors);
}

void StatusSource::set_unavailable(std::string_view detector, std::string why) {
  const std::lock_guard lock(mutex_);
  unavailable_[std::string(detector)] = std::move(why);
}

void StatusSource::set_lack(status::Lack lack, std::string why) {
  const std::lock_guard lock(mutex_);
  lacks_[lack] = std::move(why);
}

void StatusSource::clear_lack(status::Lack lack) {
  const std::lock_guard lock(mutex_);
  lacks_.erase(lack);
}

void StatusSource::set_connect_hooks(config::ConnectHooks hooks, bool lsm) {
  const std::lock_guard lock(mutex_);
  connect_hooks_ = hooks;
  connects_by_lsm_ = lsm;
}

void StatusSource::set_execs_refused(bool refused) {
  const std::lock_guard lock(mutex_);
  execs_refused_ = refused;
}

void StatusSource::started() {
  const std::lock_guard lock(mutex_);
  started_ = true;
}

std::string StatusSource::hook_of(std::string_view name, const Settings& settings) const {
  if (!settings.enabled) return "off";
  if (name == "execwhacker") {
    if (!settings.kills) return "reported at exec, not killed";
    return execs_refused_ ? "refused and killed in the kernel at exec"
                          : "killed in the kernel at exec";
  }
  if (name == "monero") {
    return settings.kills ? "watched at context switches, killed by user space"
                          : "watched at context switches, reported, not killed";
  }
  if (!settings.kills) return "reported at connect, not killed";
  switch (connect_hooks_) {
    case config::ConnectHooks::kKill:
      return "refused and killed in the kernel at connect";
    case config::ConnectHooks::kRefuse:
      return connects_by_lsm_
                 ? "bans refused and killed in the kernel at connect; scans refused, and "
                   "killed by user space"
                 : "refused in the kernel at connect, killed by user space";
    case config::ConnectHooks::kObserve:
      break;
  }
  return connects_by_lsm_
             ? "bans refused and killed in the kernel at connect; of scans the first packet leaves"
             : "killed at connect; the first packet leaves";
}

// With mutex_ held.
void StatusSource::add_configured(std::string_view name, status::Detector& out) const {
  const auto settings = settings_.find(name);
  if (settings == settings_.end()) return;
  out.enabled = settings->second.enabled;
  out.limit.max_targets = settings->second.limit.max_targets;
  out.limit.window_s = settings->second.limit.window_s;
  const auto unavailable = unavailable_.find(name);
  if (unavailable != unavailable_.end() && !unavailable->second.empty()) {
    out.unavailable = true;
    out.why = unavailable->second;
    out.hook = "none";
    return;
  }
  out.hook = hook_of(name, settings->second);
  const auto lack = [&](status::Lack each) {
    if (lacks_.contains(each)) out.why = words_of(each).effect;
  };
  if (name == "tcpflowkiller") {
    lack(status::Lack::kConnectKill);
    lack(status::Lack::kConnectRefusal);
    lack(status::Lack::kNetAdmin);
  } else if (name == "monero") {
    lack(status::Lack::kRealTime);
  }
}

std::vector<status::Detector> StatusSource::detectors(const Exposition& numbers) const {
  const std::vector<canary::State> states = canaries_ ? canaries_() : std::vector<canary::State>{};
  std::vector<status::Detector> out;
  const std::lock_guard lock(mutex_);
  for (const OwnSeries& own : kOwnSeries) {
    status::Detector& detector = out.emplace_back();
    detector.name = own.detector;
    add_numbers(numbers, own, detector);
    add_configured(own.detector, detector);
    detector.canary = canary_of(states, own.detector);
  }
  return out;
}

status::Status StatusSource::read(bool details) {
  Exposition numbers;
  collect_(numbers);
  status::Status out;
  out.detectors = detectors(numbers);
  out.version = CRYPTNONO_VERSION;
  out.node = node_name();
  utsname kernel{};
  uname(&kernel);
  out.kernel = static_cast<const char*>(kernel.release);
  out.now = unix_time();
  out.started_at = started_at_;
  out.uptime_s = static_cast<double>(clock_ns(CLOCK_BOOTTIME) - started_ns_) / 1e9;
  out.details = details;
  out.kills = kills_.newest_first();
  out.rollouts = rollouts_();
  sample(numbers);
  out.history = history_.read(boottime_s(), static_cast<std::int64_t>(out.now));
  const std::lock_guard lock(mutex_);
  out.config = config_;
  out.config.generation = static_cast<std::uint32_t>(count(numbers, Metric::kGeneration));
  out.config.loaded_at =
      static_cast<std::int64_t>(sum(numbers, Metric::kReloadTimestamp).value_or(0));
  out.not_ready = status::reasons_not_ready(started_, out.detectors);
  for (const auto& [lack, why] : lacks_) {
    const status::LackWords& words = words_of(lack);
    out.missing.push_back({.what = std::string(words.what),
                           .effect = std::string(words.effect),
                           .remedy = std::string(words.remedy),
                           .why = why});
  }
  return out;
}

std::vector<std::string> StatusSource::not_ready() const {
  Exposition numbers;
  collect_(numbers);
  const std::vector<status::Detector> all = detectors(numbers);
  const std::lock_guard lock(mutex_);
  return status::reasons_not_ready(started_, all);
}

void StatusSource::sample() {
  Exposition numbers;
  collect_(numbers);
  sample(numbers);
}

void StatusSource::sample(const Exposition& numbers) {
  History::ByDetector totals;
  for (const OwnSeries& own : kOwnSeries) {
    totals[std::string(own.detector)] = {
        .killed = count(numbers, Metric::kDetectorKilled, own.detector),
        .reported = count(numbers, Metric::kReported, own.detector),
        .lost = count(numbers, Metric::kEventsLost, own.detector)};
  }
  history_.sample(boottime_s(), totals);
}

void StatusSource::sample_if_due() {
  if (history_.due(boottime_s())) sample();
}

status::Sources StatusSource::sources(Health& health, Collect collect_all) {
  const auto scrape = [this, collect = std::move(collect_all)] {
    Exposition numbers;
    collect(numbers);
    sample(numbers);
    return numbers;
  };
  return {.metrics = [scrape] { return scrape().text(); },
          .open_metrics = [scrape] { return scrape().open_metrics(); },
          .status_json = [this](bool details) { return status::to_json(read(details)); },
          .unhealthy = [&health] { return health.probe(monotonic_ns()); },
          .not_ready = [this] { return not_ready(); },
          .details =
              [this] {
                const std::lock_guard lock(mutex_);
                return details_;
              },
          .page = [] { return status::page_html(); }};
}

}  // namespace cryptnono::app
