#include "detect/flow/flow_detector.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <optional>

#include "base/clock.h"
#include "proc/proc_reader.h"

namespace cryptnono::detect {

namespace {

constexpr int kIdleMs = 5000;
// With `onlyFailed` a scan may be complete without any further connect.
constexpr int kOnlyFailedMs = 500;

FlowDestination destination_of(const flow_pair& pair) {
  FlowDestination out{
      .address = {}, .port = pair.port, .protocol = pair.protocol, .connects = pair.count};
  std::copy_n(pair.addr, out.address.size(), out.address.begin());
  return out;
}

bool in_window(const flow_pair& pair, const flow_settings& scan, std::uint64_t now_ns) {
  // A connect after `now_ns` was read counts too.
  return pair.last_ns != 0 && (pair.last_ns > now_ns || now_ns - pair.last_ns < scan.window_ns);
}

std::span<const flow_pair> pairs_of(const flow_unit& unit) {
  return {static_cast<const flow_pair*>(unit.pairs), std::min<std::size_t>(unit.used, FLOW_PAIRS)};
}

}  // namespace

std::uint32_t counted_destinations(const flow_unit& unit, const flow_settings& scan,
                                   std::uint64_t now_ns) {
  const auto pairs = pairs_of(unit);
  return static_cast<std::uint32_t>(
      std::count_if(pairs.begin(), pairs.end(), [&](const flow_pair& pair) {
        if (!in_window(pair, scan, now_ns)) return false;
        if (scan.only_failed == 0 || (pair.flags & FLOW_PAIR_FAILED) != 0) return true;
        return now_ns > pair.last_ns && now_ns - pair.last_ns > FLOW_ANSWER_NS;
      }));
}

std::optional<FlowFinding> parse_flow_record(std::span<const std::byte> record) {
  flow_event event{};
  if (record.size() < sizeof event) return std::nullopt;
  std::memcpy(&event, record.data(), sizeof event);
  std::span<const std::byte> payload = record.subspan(sizeof event);
  const std::size_t pairs_bytes = std::size_t{event.pairs} * sizeof(flow_pair);
  if (pairs_bytes + event.path_bytes + event.argv_captured > payload.size()) return std::nullopt;
  FlowFinding out;
  switch (event.verdict) {
    case FLOW_KILLED:
      out.kind = FlowFinding::Kind::kKilledInKernel;
      break;
    case FLOW_REPORTED:
      out.kind = FlowFinding::Kind::kReportedInKernel;
      break;
    case FLOW_DECIDE:
      out.kind = FlowFinding::Kind::kToKill;
      break;
    case FLOW_SPARED:
      out.kind = FlowFinding::Kind::kProtected;
      break;
    default:
      out.kind = FlowFinding::Kind::kSeen;
  }
  out.reason = event.groups == 1U << FLOW_GROUP_SCAN ? FlowFinding::Reason::kScan
                                                     : FlowFinding::Reason::kBannedAddress;
  out.groups = event.groups;
  out.generation = event.generation;
  out.limited = (event.flags & FLOW_LIMITED) != 0;
  out.refused = (event.flags & FLOW_REFUSED) != 0;
  out.time_ns = event.time_ns;
  if (event.verdict == FLOW_KILLED) out.signal_ns = event.time_ns + event.signal_after_ns;
  read_origin(event.origin, out);
  out.unit = event.unit;
  out.argv_bytes = event.argv_bytes;
  out.spared = static_cast<container::Spared>(event.spared_why);
  std::copy_n(event.addr, out.destination.address.size(), out.destination.address.begin());
  out.destination.port = event.port;
  out.destination.protocol = event.protocol;
  for (std::size_t i = 0; i < event.pairs; ++i) {
    flow_pair pair{};
    std::memcpy(&pair, payload.data() + i * sizeof pair, sizeof pair);
    if (pair.last_ns != 0) out.destinations.push_back(destination_of(pair));
  }
  payload = payload.subspan(pairs_bytes);
  const std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
  out.path = text.substr(0, event.path_bytes);
  out.argv = text.substr(event.path_bytes, event.argv_captured);
  return out;
}

FlowDetector::FlowDetector(std::unique_ptr<FlowProgram> program, FlowSink sink, Locate locate,
                           std::function<void()> idle)
    : program_(std::move(program)),
      sink_(std::move(sink)),
      locate_(std::move(locate)),
      idle_(std::move(idle)),
      stop_fd_(eventfd(0, EFD_CLOEXEC)) {}

FlowDetector::~FlowDetector() { stop(); }

Result<void> FlowDetector::apply(FlowSettings settings) {
  settings.tables.set_kill_groups(settings.kill_groups);
  kernel::TableMap tables = TRY(kernel::TableMap::create(settings.tables.bytes(), FLOW_PAGE));
  program_->enforcement().set_scope(settings.include, settings.exclude);
  program_->enforcement().set_mode(settings.kill_groups, settings.limit);
  const kernel::Enforcement& enforcement = program_->enforcement();
  std::uint32_t canary = 0;
  if (settings.canary) {
    std::memcpy(&canary, settings.canary->first.data() + 12, sizeof canary);
    enforcement.set_canary_groups(1U << FLOW_GROUP_BANNED);
  }
  enforcement.set_canary_address(canary, settings.canary ? settings.canary->port : 0);
  TRY(program_->put_in_force(tables));
  const bool scans_kill = (settings.kill_groups >> FLOW_GROUP_SCAN & 1) != 0;
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    changed = scans_kill_ != scans_kill || std::memcmp(&scan_, &settings.scan, sizeof scan_) != 0;
    scan_ = settings.scan;
    scans_kill_ = scans_kill;
  }
  if (!changed) return {};
  TRY(program_->set_scan(settings.scan));
  program_->forget_units();  // what was counted by other rules
  return {};
}

Result<void> FlowDetector::start() {
  const auto handler = [this](std::span<const std::byte> record) { on_record(record); };
  events_ = std::make_unique<kernel::RingBuffer>(TRY(program_->events(handler)));
  decisions_ = std::make_unique<kernel::RingBuffer>(TRY(program_->decisions(handler)));
  threads_.emplace_back([this] { read_decisions(); });
  threads_.emplace_back([this] { read_events(); });
  return program_->attach();
}

void FlowDetector::stop() {
  if (threads_.empty()) return;
  program_->detach();
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_fd_.get(), &one, sizeof one);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void FlowDetector::read_events() {
  pthread_setname_np(pthread_self(), "flow-events");
  for (bool more = true; more;) {
    std::array<pollfd, 2> waited{pollfd{.fd = events_->epoll_fd(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = stop_fd_.get(), .events = POLLIN, .revents = 0}};
    poll(waited.data(), waited.size(), -1);
    more = (waited[1].revents & POLLIN) == 0;
    events_->consume();
  }
}

// A process that has to die is running meanwhile: ahead of everything that is not real-time.
void FlowDetector::read_decisions() {
  pthread_setname_np(pthread_self(), "flow-decisions");
  const sched_param priority{.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO, &priority);
  std::uint64_t next_look = 0;
  for (bool more = true; more;) {
    bool only_failed = false;
    {
      const std::lock_guard lock(mutex_);
      only_failed = scan_.only_failed != 0;
    }
    std::array<pollfd, 2> waited{
        pollfd{.fd = decisions_->epoll_fd(), .events = POLLIN, .revents = 0},
        pollfd{.fd = stop_fd_.get(), .events = POLLIN, .revents = 0}};
    const int interval = only_failed ? kOnlyFailedMs : kIdleMs;
    poll(waited.data(), waited.size(), interval);
    more = (waited[1].revents & POLLIN) == 0;
    decisions_->consume();
    if (monotonic_ns() < next_look) continue;
    look_after_units();
    if (idle_) idle_();
    next_look = monotonic_ns() + static_cast<std::uint64_t>(interval) * 900'000;
  }
}

void FlowDetector::look_after_units() {
  const std::uint64_t now = monotonic_ns();
  std::size_t kept = 0;
  program_->for_each_unit([&](const flow_unit_key& key, const flow_unit& unit) {
    const bool keep = judge_unit(key, unit, now);
    kept += keep ? 1 : 0;
    return keep;
  });
  units_ = kept;
}

// False: nothing of it is in the window any more.
bool FlowDetector::judge_unit(const flow_unit_key& /*key*/, const flow_unit& unit,
                              std::uint64_t now) {
  flow_settings scan{};
  {
    const std::lock_guard lock(mutex_);
    scan = scan_;
  }
  if (unit.last_ns + scan.window_ns < now) return false;
  if (scan.only_failed == 0 || scan.threshold == 0 || unit.acted_start == unit.last_start ||
      counted_destinations(unit, scan, now) <= scan.threshold) {
    return true;
  }
  FlowFinding finding;
  finding.kind = FlowFinding::Kind::kToKill;
  finding.reason = FlowFinding::Reason::kScan;
  finding.groups = 1U << FLOW_GROUP_SCAN;
  const proc::ProcReader reader;
  const bool there = read_subject(reader, static_cast<pid_t>(unit.last_pid), locate_, finding) &&
                     finding.start_ticks == boottime_ns_to_ticks(unit.last_start);
  if (!there) return true;  // gone, killed by the kernel perhaps
  for (const flow_pair& pair : pairs_of(unit)) {
    if (in_window(pair, scan, now)) finding.destinations.push_back(destination_of(pair));
  }
  // What was reported is not reported again: the unit is counted anew.
  return !sink_(finding);
}

void FlowDetector::on_record(std::span<const std::byte> record) {
  if (const std::optional<FlowFinding> finding = parse_flow_record(record)) sink_(*finding);
}

}  // namespace cryptnono::detect
