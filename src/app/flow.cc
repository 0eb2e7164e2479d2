#include "app/flow.h"

#include <utility>

#include "app/kernel_scope.h"
#include "app/outcomes.h"
#include "container/scope.h"
#include "kernel/counters.h"

namespace cryptnono::app {

namespace {

flow_settings scan_of(const config::Tcpflowkiller& config) {
  flow_settings out{};
  out.window_ns = std::uint64_t{config.scan.window_s} * 1'000'000'000;
  out.threshold = config.scan.enabled ? config.scan.threshold : 0;
  switch (config.scan.per) {
    case config::CountPer::kTree:
      out.per = FLOW_PER_TREE;
      break;
    case config::CountPer::kSession:
      out.per = FLOW_PER_SESSION;
      break;
    case config::CountPer::kContainer:
      out.per = FLOW_PER_CONTAINER;
      break;
    default:
      out.per = FLOW_PER_PROCESS;
  }
  out.only_failed = config.scan.only_failed ? 1 : 0;
  out.udp = config.scan.udp ? 1 : 0;
  out.log_connects = config.log_connects ? 1 : 0;
  return out;
}

}  // namespace

Result<Flow::Prepared> Flow::prepare(const config::Tcpflowkiller& config, std::uint32_t generation,
                                     const std::optional<config::AddressRange>& canary,
                                     const Flow* now) {
  auto groups = std::make_shared<const detect::FlowGroups>(
      config, generation, now != nullptr ? now->groups_.get() : nullptr);
  detect::FlowTables tables = TRY(detect::FlowTables::build(config, *groups, canary));
  std::set<std::string> reporting;
  for (const config::AddressGroup& each : config.groups) {
    if (each.report_first) reporting.insert(each.name);
  }
  return Prepared{.tables = std::move(tables),
                  .groups = std::move(groups),
                  .reporting = std::move(reporting),
                  .canary = canary,
                  .bans = config.bans.size(),
                  .allowed = config.allowed.size()};
}

Result<void> Flow::apply(const config::Config& config, Prepared prepared,
                         const kernel::SharedMaps& shared) {
  if (!config.tcpflowkiller.enabled) {
    stop();
    return {};
  }
  const container::Scope scope = TRY(container::Scope::resolve(config.scope));
  const std::uint64_t reporting = prepared.groups->mask_of(prepared.reporting);
  detect::FlowSettings settings{
      .tables = std::move(prepared.tables),
      .canary = prepared.canary,
      .scan = scan_of(config.tcpflowkiller),
      .kill_groups = config.dry_run ? 0 : prepared.groups->kill_groups(reporting),
      .limit = config.tcpflowkiller.limit,
      .include = TRY(kernel_scope(scope.include())),
      .exclude = TRY(kernel_scope(scope.exclude()))};
  if (detector_ && best_hooks_ != config.tcpflowkiller.hooks) stop();
  const bool fresh = !detector_;
  if (fresh) TRY(start(config.tcpflowkiller.hooks, shared));
  audit_.apply(config, {.groups = prepared.groups,
                        .reporting = reporting,
                        .policy = {.kill_groups = settings.kill_groups,
                                   .scope = scope,
                                   .may_touch = [this](pid_t pid, const std::string& cgroup) {
                                     return pods_.may_touch(pid, cgroup);
                                   }}});
  groups_ = prepared.groups;
  Result<void> in_force = detector_->apply(std::move(settings));
  if (fresh) {
    const Result<void> closed = takeover_.before_attach(detector_->program().pinnable());
    if (!closed) cannot_pin_(closed.error());
    if (in_force) in_force = detector_->start();
    if (!in_force) stop();
  }
  TRY(std::move(in_force));
  if (const auto pinned = takeover_.attached(detector_->program().pinnable()); !pinned)
    cannot_pin_(pinned.error());
  up_ = true;
  bans_ = prepared.bans;
  allowed_ = prepared.allowed;
  return {};
}

Result<void> Flow::start(config::ConnectHooks best, const kernel::SharedMaps& shared) {
  auto program = TRY(detect::FlowProgram::load({.shared = shared, .best = best}));
  best_hooks_ = best;
  limit_.use(&program->enforcement());
  pods_.also(program->enforcement());
  const std::lock_guard lock(mutex_);
  detector_ = std::make_unique<detect::FlowDetector>(
      std::move(program),
      [this](const detect::FlowFinding& finding) { return audit_.handle(finding); },
      [this](const std::string& cgroup, detect::Subject& out) { pods_.locate(cgroup, out); },
      [this] { audit_.tidy(); });
  return {};
}

void Flow::stop() {
  up_ = false;
  if (detector_) takeover_.detaching(detector_->program().pinnable());
  if (detector_) detector_->stop();
  limit_.use(nullptr);
  if (detector_) pods_.without(detector_->program().enforcement());
  const std::lock_guard lock(mutex_);
  if (detector_) past_ = total();
  detector_.reset();
}

void Flow::take_over(std::span<const std::byte> record, const detect::EarlierDaemon& earlier) {
  std::optional<detect::FlowFinding> finding = detect::parse_flow_record(record);
  if (!finding || (earlier.canary_cgroup != 0 && finding->cgroup_id == earlier.canary_cgroup))
    return;
  if (!up_ && finding->kind == detect::FlowFinding::Kind::kToKill)
    return;  // nobody asks for it now
  finding->unattended = earlier.died_ns != 0 && finding->time_ns >= earlier.died_ns;
  // Groups have bits of their own in each daemon.
  if (finding->reason == detect::FlowFinding::Reason::kBannedAddress) {
    const auto ban = groups_ ? groups_->narrowest(finding->destination.address,
                                                  finding->destination.port, ~std::uint64_t{0})
                             : std::nullopt;
    finding->groups = detect::bit_mask(ban ? ban->bit : FLOW_GROUP_BANNED);
  }
  finding->generation = groups_ ? groups_->generation() : 0;
  audit_.handle(*finding);
}

// What was counted by the program that is loaded and those before it: no counter falls when the
// detector is switched off and on.
detect::FlowProgram::Stats Flow::total() const {
  detect::FlowProgram::Stats out = past_;
  if (!detector_) return out;
  const auto now = detector_->program().stats();
  kernel::add_counters(out.kernel, now.kernel);
  out.recursion_misses += now.recursion_misses;
  return out;
}

void Flow::set_canary_cgroup(std::uint64_t cgroup_id) {
  const std::lock_guard lock(mutex_);
  if (detector_) detector_->program().enforcement().set_canary_cgroup(cgroup_id);
}

void Flow::add_runs(std::vector<kernel::ProgramRuns>& out) const {
  const std::lock_guard lock(mutex_);
  if (!detector_) return;
  for (kernel::ProgramRuns& each : detector_->program().runs()) out.push_back(std::move(each));
}

void Flow::collect(metrics::Exposition& out) const {
  using metrics::Metric;
  Outcomes::collect_limit("tcpflowkiller", limit(), out);
  const std::lock_guard lock(mutex_);
  const auto stats = total();
  static_assert(static_cast<int>(detect::FlowFinding::Reason::kBannedAddress) == 0 &&
                static_cast<int>(detect::FlowFinding::Reason::kScan) == 1);
  const auto earlier = takeover_.lost_kills();
  audit_.collect(
      {.kills = {stats.kernel.lost_kills[0] + earlier[1], stats.kernel.lost_kills[1] + earlier[2]},
       .refused = stats.kernel.refused},
      out);
  out.add(Metric::kFlowChecked, {}, std::uint64_t{stats.kernel.checked});
  out.add(Metric::kLsmRefused, {"tcpflowkiller"}, std::uint64_t{stats.kernel.prevented});
  const std::array<std::pair<std::string_view, std::uint64_t>, 5> losses{
      {{"events-ring-full", stats.kernel.lost_events},
       {"recursion", stats.recursion_misses},
       {"scan-table-full", stats.kernel.lost_units},
       {"scan-contended", stats.kernel.lost_counts},
       {"pending-table-full", stats.kernel.lost_pending}}};
  for (const auto& [reason, count] : losses)
    out.add(Metric::kEventsLost, {"tcpflowkiller", reason}, count);
  if (!detector_) return;
  out.add(Metric::kFlowUnits, {}, static_cast<double>(detector_->units()));
  out.add(Metric::kFlowHooks, {}, static_cast<double>(hooks()));
  out.add(Metric::kLsmActive, {"tcpflowkiller"}, why_not_lsm().empty() ? 1.0 : 0.0);
  out.add(Metric::kRulesLoaded, {"tcpflowkiller", "banned"}, static_cast<double>(bans_));
  out.add(Metric::kRulesLoaded, {"tcpflowkiller", "allowed-address"},
          static_cast<double>(allowed_));
}

}  // namespace cryptnono::app
