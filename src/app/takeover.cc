#include "app/takeover.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/clock.h"

#ifndef CRYPTNONO_VERSION
#define CRYPTNONO_VERSION "unknown"
#endif

namespace cryptnono::app {

Result<void> Takeover::use(const config::Pins& config) {
  const std::lock_guard lock(mutex_);
  config_ = config;
  if (config_.directory.empty()) return {};
  return open();
}

Result<void> Takeover::open() {
  retry_ns_ = monotonic_ns() + kRetryNs;
  pins_ = TRY(kernel::Pins::open(config_.directory));
  return {};
}

void Takeover::set(const config::Pins& config) {
  const std::lock_guard lock(mutex_);
  config_.keep_on_stop = config.keep_on_stop;
  config_.unattended_kills = config.unattended_kills;
  if (in_force_) pins_->set_unattended(config.unattended_kills);
}

// Without pins everything goes on as if none had been asked for.
Result<void> Takeover::fall_back(Error error) {
  for (const kernel::Pinnable& each : objects_) kernel::Pins::open_gate(each);
  gates_closed_ = in_force_ = false;
  pins_.reset();
  retry_ns_ = monotonic_ns() + kRetryNs;
  return tl::unexpected(with_context("pins", std::move(error)));
}

Result<void> Takeover::before_attach(const kernel::Pinnable& object) {
  const std::lock_guard lock(mutex_);
  objects_.push_back(object);
  if (!pins_) return {};
  if (Result<void> closed = pins_->close_gate(object); !closed)
    return fall_back(std::move(closed).error());
  if (!in_force_) gates_closed_ = true;
  return {};
}

Result<void> Takeover::attached(const kernel::Pinnable& object) {
  const std::lock_guard lock(mutex_);
  if (!in_force_) return {};
  if (Result<void> pinned = pins_->pin(object); !pinned)
    return fall_back(std::move(pinned).error());
  return {};
}

void Takeover::detaching(const kernel::Pinnable& object) {
  const std::lock_guard lock(mutex_);
  std::erase_if(objects_, [&](const auto& each) { return each.name == object.name; });
  if (in_force_ && !kept_) pins_->unpin(object);
}

Result<void> Takeover::put_in_force() {
  pins_->set_canary_cgroup(canary_cgroup_);
  for (const kernel::Pinnable& each : objects_) {
    if (each.owner_exit != nullptr)
      TRY(pins_->introduce(each, CRYPTNONO_VERSION, config_.unattended_kills));
  }
  for (const kernel::Pinnable& each : objects_) TRY(pins_->pin(each));
  const bool others = !pins_->earlier().empty();
  // Whoever is in a hook now came in by a list of programs that ours are in.
  if (gates_closed_ && others && !objects_.empty()) TRY(pins_->wait_for_hooks(objects_.front()));
  TRY(pins_->switch_over());
  // Late, ours have been in force all the time, beside the others.
  if (!gates_closed_) {
    for (const kernel::Pinnable& each : objects_) TRY(pins_->close_gate(each));
  }
  // No run of theirs is under way any more: their rings are as they will be.
  if (others && !objects_.empty()) TRY(pins_->wait_for_hooks(objects_.front()));
  return {};
}

Takeover::Report Takeover::close_book(const kernel::Earlier& earlier, const Sink& sink) {
  const pin_about about = kernel::Pins::about_of(earlier);
  Report out{.version = earlier.version,
             .epoch = about.epoch,
             .links = 0,
             .unattended_s = std::nullopt,
             .records = 0,
             .readable = earlier.readable,
             .lost_kills = 0};
  if (about.died_ns != 0) out.unattended_s = seconds_between(about.died_ns, monotonic_ns());
  const detect::EarlierDaemon past{.died_ns = about.died_ns, .canary_cgroup = about.canary_cgroup};
  out.records =
      kernel::Pins::drain(earlier, [&](std::string_view object, std::span<const std::byte> record) {
        if (sink) sink(object, record, past);
      });
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < lost_kills_.size(); ++i) {
    lost_kills_.at(i) += about.lost_kills[i];
    out.lost_kills += about.lost_kills[i];
  }
  unattended_s_ = std::max(unattended_s_, out.unattended_s.value_or(0));
  (earlier.readable ? records_ : unreadable_) += out.records;
  return out;
}

Result<std::vector<Takeover::Report>> Takeover::take_over(const Sink& sink) {
  std::vector<Report> out;
  {
    const std::lock_guard lock(mutex_);
    if (!pins_ || in_force_) return out;
    if (Result<void> done = put_in_force(); !done)
      return tl::unexpected(fall_back(std::move(done).error()).error());
    in_force_ = true;
    gates_closed_ = false;
  }
  // Not locked: what is told of kills asks for metrics. Only this thread changes pins_.
  for (const kernel::Earlier& each : pins_->earlier()) {
    Report report = close_book(each, sink);
    report.links = TRY(kernel::Pins::remove(each));
    out.push_back(std::move(report));
  }
  return out;
}

bool Takeover::due(std::uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (config_.directory.empty() || in_force_ || now_ns < retry_ns_) return false;
  return open().has_value();
}

int Takeover::wait_ms(std::uint64_t now_ns) const {
  const std::lock_guard lock(mutex_);
  if (config_.directory.empty() || in_force_) return -1;
  return static_cast<int>(elapsed_ns(retry_ns_, now_ns) / kMillisecond) + 1;
}

void Takeover::stop() {
  const std::lock_guard lock(mutex_);
  if (!pins_) return;
  if (in_force_ && config_.keep_on_stop) {
    pins_->keep();  // and holds the directory until the process has ended
    kept_ = true;
    return;
  }
  pins_.reset();
  in_force_ = false;
  config_.directory.clear();
}

void Takeover::set_canary_cgroup(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  canary_cgroup_ = id;
  if (in_force_) pins_->set_canary_cgroup(id);
}

bool Takeover::wanted() const {
  const std::lock_guard lock(mutex_);
  return !config_.directory.empty();
}

std::vector<std::string> Takeover::directories() const {
  const std::lock_guard lock(mutex_);
  return in_force_ ? pins_->directories() : std::vector<std::string>();
}

std::array<std::uint64_t, 3> Takeover::lost_kills() const {
  const std::lock_guard lock(mutex_);
  return lost_kills_;
}

void Takeover::collect(metrics::Exposition& out) const {
  using metrics::Metric;
  const std::lock_guard lock(mutex_);
  out.add(Metric::kPinned, {}, in_force_ ? 1.0 : 0.0);
  out.add(Metric::kUnattendedSeconds, {}, unattended_s_);
  out.add(Metric::kTakenOver, {"read"}, records_);
  out.add(Metric::kTakenOver, {"dropped"}, unreadable_);
}

Result<std::string> release_pins(const std::string& directory) {
  if (access(directory.c_str(), F_OK) != 0)
    return fmt::format("nothing is pinned in {}\n", directory);
  const std::unique_ptr<kernel::Pins> pins = TRY(kernel::Pins::open(directory, false));
  std::string out;
  for (const kernel::Earlier& each : pins->earlier()) {
    const std::size_t links = TRY(kernel::Pins::remove(each));
    out += fmt::format("removed {} programs of cryptnono {} (pid {}), {}\n", links, each.version,
                       each.about.owner, each.path);
  }
  if (out.empty()) out = fmt::format("nothing is pinned in {}\n", directory);
  return out;
}

}  // namespace cryptnono::app
