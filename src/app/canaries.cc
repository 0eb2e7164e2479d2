#include "app/canaries.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/json_line.h"
#include "config/address_range.h"
#include "container/scope.h"
#include "proc/proc_reader.h"

namespace cryptnono::app {

namespace {

using canary::State;
using std::chrono::milliseconds;

// In the order of Detector.
constexpr auto& kNames = metrics::values::kDetector;

// Measured on an idle machine: 2 ms, 160 ms, 20 ms. A node where user space does not get so far in
// this time is one whose detectors do not either.
constexpr std::array<milliseconds, kDetectors> kTimeouts{milliseconds(1000), milliseconds(5000),
                                                         milliseconds(1000)};
constexpr milliseconds kEventTimeout{1000};
// A detector that has failed is tried more often, so that it is known soon when it is well again.
constexpr double kRetryS = 10;
constexpr int kAddressTries = 100;

template <typename Number>
Number random_number() {
  Number out{};
  // Never fails or falls short for so few bytes once the kernel has booted (getrandom(2)).
  static_cast<void>(getrandom(&out, sizeof out, 0));
  return out;
}

// 127.1.0.0 to 127.255.255.254, port 1024 to 65023.
config::AddressRange random_address() {
  const auto bits = random_number<std::uint32_t>();
  config::AddressRange out;
  [[maybe_unused]] const std::string wrong = config::parse_address_range(
      fmt::format("127.{}.{}.{}:{}", 1 + (bits >> 16U) % 255, bits >> 8U & 0xffU, bits & 0xfeU,
                  1024 + random_number<std::uint16_t>() % 64000),
      out);
  assert(wrong.empty());
  return out;
}

std::string_view event_of(canary::Outcome result) {
  switch (result) {
    case canary::Outcome::kPassed:
      return "A canary died as it should";
    case canary::Outcome::kUntold:
      return "A canary died, but no event told of it";
    case canary::Outcome::kUnavailable:
      return "No canary can be run";
    case canary::Outcome::kFailed:
      return "A canary could not be run";
    default:
      return "A canary lived: a detector does not kill what it should";
  }
}

std::size_t metric_of(canary::Outcome result) {
  switch (result) {
    case canary::Outcome::kPassed:
      return 0;
    case canary::Outcome::kSurvived:
      return 1;
    case canary::Outcome::kUntold:
      return 2;
    default:
      return 3;
  }
}

}  // namespace

Canaries::Canaries(LineWriter& log, CanaryTrap& trap, TellKernel tell_kernel)
    : log_(log),
      trap_(trap),
      tell_kernel_(std::move(tell_kernel)),
      stop_fd_(eventfd(0, EFD_CLOEXEC)) {
  for (std::size_t i = 0; i < kDetectors; ++i) states_.at(i).detector = kNames.at(i);
}

Canaries::~Canaries() { stop(); }

Bait Canaries::bait(const config::Config& config) {
  if (config.canary.interval_s <= 0) return {};
  Bait out{.word = fmt::format("canary{:016x}{:016x}", random_number<std::uint64_t>(),
                               random_number<std::uint64_t>()),
           .address = std::nullopt};
  // The same one for as long as the configuration lets it be: an allowed range would win over it.
  const auto allowed = [&](const config::AddressRange& address) {
    const auto& ranges = config.tcpflowkiller.allowed;
    return std::any_of(ranges.begin(), ranges.end(), [&](const config::AddressRange& each) {
      return config::names(each, address.first, address.port);
    });
  };
  for (int i = 0; i < kAddressTries && !out.address; ++i) {
    if (!address_) address_ = random_address();
    if (allowed(*address_))
      address_.reset();
    else
      out.address = address_;
  }
  return out;
}

void Canaries::use(Settings settings) {
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < kDetectors; ++i) {
      State& state = states_.at(i);
      const bool run = settings.interval_s > 0 && settings.detectors.at(i) != Detection::kOff;
      if (!run) {
        state = {.detector = state.detector, .result = canary::Outcome::kOff, .why = {}};
      } else if (state.result == canary::Outcome::kOff) {
        state.result = canary::Outcome::kPending;
      }
    }
    settings_ = std::move(settings);
    changed_ = true;
    if (!thread_.joinable() && !stopping_ && settings_.interval_s > 0)
      thread_ = std::thread([this] { run_forever(); });
  }
  wake_.notify_all();
}

void Canaries::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_fd_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

void Canaries::run_forever() {
  pthread_setname_np(pthread_self(), "canaries");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_ = false;
    const Settings settings = settings_;
    lock.unlock();
    if (settings.interval_s > 0) run_all(settings);
    lock.lock();
    const auto awake = [this] { return stopping_ || changed_; };
    if (settings.interval_s <= 0) {
      wake_.wait(lock, awake);
      continue;
    }
    const double pause = all_good() ? settings.interval_s : std::min(settings.interval_s, kRetryS);
    wake_.wait_for(lock, std::chrono::duration<double>(pause), awake);
  }
  lock.unlock();
  trap_.set_cgroup(0);
  tell_kernel_(0);
  sandbox_.reset();
}

// mutex_ is held.
bool Canaries::all_good() const {
  return std::all_of(states_.begin(), states_.end(), [](const State& s) { return s.good(); });
}

void Canaries::run_all(const Settings& settings) {
  for (std::size_t i = 0; i < kDetectors; ++i) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || changed_) return;  // what is known of the new rules counts
    }
    if (settings.detectors.at(i) != Detection::kOff) prove(settings, static_cast<Detector>(i));
  }
}

Result<void> Canaries::make_sandbox() {
  sandbox_.reset();
  std::vector<std::string> places;
  if (const std::string mount = container::cgroup2_mount_point(); !mount.empty()) {
    const std::string own = proc::ProcReader().read_cgroup(getpid());
    places = {mount, mount + std::string(container::cgroup_path(own, ""))};
  }
  sandbox_ = TRY(canary::Sandbox::make(places));
  trap_.set_cgroup(sandbox_->cgroup_id());
  tell_kernel_(sandbox_->cgroup_id());
  return {};
}

void Canaries::prove(const Settings& settings, Detector detector) {
  if (settings.detectors.at(static_cast<std::size_t>(detector)) == Detection::kMissing) {
    return note(settings, detector, unavailable("the detector is not attached"));
  }
  if (!sandbox_) {
    const Result<void> made = make_sandbox();
    if (!made) return note(settings, detector, unavailable(made.error().message));
  }
  Attempt once = attempt(settings, detector);
  if (once.result != canary::Outcome::kPassed && once.result != canary::Outcome::kUnavailable) {
    // Once more before it is said: the node may have been busy, or the cgroup removed by somebody.
    if (once.result == canary::Outcome::kFailed) static_cast<void>(make_sandbox());
    if (sandbox_) once = attempt(settings, detector);
  }
  note(settings, detector, std::move(once));
}

Canaries::Attempt Canaries::unavailable(std::string why) {
  return {.result = canary::Outcome::kUnavailable, .lived_s = 0, .why = std::move(why)};
}

Canaries::Attempt Canaries::attempt(const Settings& settings, Detector detector) {
  std::vector<std::string> arguments;
  switch (detector) {
    case Detector::kExecwhacker:
      if (settings.bait.word.empty())
        return unavailable("there are no rules, or too many groups of them");
      arguments = {"exec", settings.bait.word};
      break;
    case Detector::kMonero:
      arguments = {"rounding"};
      break;
    case Detector::kTcpflowkiller:
      if (!settings.bait.address) return unavailable("the allowed ranges leave no address for it");
      arguments = {"connect", config::address_text(settings.bait.address->first),
                   std::to_string(settings.bait.address->port)};
  }
  const std::uint64_t before = trap_.told(detector);
  const auto run =
      sandbox_->run(arguments, kTimeouts.at(static_cast<std::size_t>(detector)), stop_fd_.get());
  if (!run) return {.result = canary::Outcome::kFailed, .lived_s = 0, .why = run.error().message};
  if (run->stopped) return {.result = canary::Outcome::kPending, .lived_s = 0, .why = {}};
  if (!run->killed)
    return {.result = canary::Outcome::kSurvived, .lived_s = run->lived_s, .why = run->how};
  if (!trap_.wait_for_more(detector, before, kEventTimeout))
    return {.result = canary::Outcome::kUntold,
            .lived_s = run->lived_s,
            .why = "no event told of its death"};
  return {.result = canary::Outcome::kPassed, .lived_s = run->lived_s, .why = {}};
}

void Canaries::note(const Settings& settings, Detector detector, Attempt attempt) {
  const auto index = static_cast<std::size_t>(detector);
  State now;
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    State& state = states_.at(index);
    // Other settings count by now, or none.
    if (state.result == canary::Outcome::kOff || attempt.result == canary::Outcome::kPending)
      return;
    changed = state.result != attempt.result;
    state.result = attempt.result;
    state.why = std::move(attempt.why);
    if (attempt.result != canary::Outcome::kUnavailable) {
      ++runs_.at(index).at(metric_of(attempt.result));
      state.lived_s = attempt.lived_s;
      state.at = static_cast<std::int64_t>(unix_time());
      if (attempt.result == canary::Outcome::kPassed) state.passed_at = state.at;
    }
    now = state;
  }
  log(settings, now, changed);
}

void Canaries::log(const Settings& settings, const State& state, bool changed) {
  using config::LogLevel;
  const bool bad = !state.good();
  if (bad && !changed) return;  // it is tried every few seconds
  LogLevel level = LogLevel::kDebug;
  if (bad)
    level = LogLevel::kError;
  else if (changed)
    level = state.result == canary::Outcome::kUnavailable ? LogLevel::kWarning : LogLevel::kInfo;
  if (level < settings.log_level) return;
  JsonLine line;
  line.add("action", "canary")
      .add("detector", state.detector)
      .add("result", canary::result_word(state.result))
      .add("lived_s", state.lived_s);
  if (!state.why.empty()) line.add("reason", state.why);
  log_.write(line.finish(event_of(state.result), config::level_word(level)));
}

std::vector<State> Canaries::states() const {
  const std::lock_guard lock(mutex_);
  return {states_.begin(), states_.end()};
}

bool Canaries::good(Detector detector) const {
  const std::lock_guard lock(mutex_);
  return states_.at(static_cast<std::size_t>(detector)).good();
}

void Canaries::collect(metrics::Exposition& out) const {
  using metrics::Metric;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < kDetectors; ++i) {
    const State& state = states_.at(i);
    for (std::size_t result = 0; result < metrics::values::kCanaryResult.size(); ++result)
      out.add(Metric::kCanaryRuns, {state.detector, metrics::values::kCanaryResult.at(result)},
              runs_.at(i).at(result));
    if (state.result == canary::Outcome::kPassed || !state.good()) {
      out.add(Metric::kCanarySuccessful, {state.detector}, state.good() ? 1.0 : 0.0);
      out.add(Metric::kCanarySeconds, {state.detector}, state.lived_s);
    }
    if (state.passed_at != 0)
      out.add(Metric::kCanaryTimestamp, {state.detector}, static_cast<double>(state.passed_at));
  }
}

}  // namespace cryptnono::app
