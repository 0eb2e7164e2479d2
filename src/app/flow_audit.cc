#include "app/flow_audit.h"

#include <fmt/format.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <utility>

#include "app/event_record.h"
#include "app/outcome_words.h"
#include "base/clock.h"
#include "config/actions.h"
#include "config/address_range.h"
#include "detect/exec/exec_rules.h"

namespace cryptnono::app {

namespace {

using detect::FlowDestination;
using detect::FlowFinding;
using enforce::Outcome;

std::string_view reason_name(FlowFinding::Reason reason) {
  return reason == FlowFinding::Reason::kScan ? "scan" : "banned-ip";
}

std::string protocol_name(std::uint8_t protocol) {
  if (protocol == IPPROTO_TCP) return "tcp";
  if (protocol == IPPROTO_UDP) return "udp";
  return std::to_string(protocol);
}

// "192.0.2.1:80" or "[2001:db8::1]:80".
std::string endpoint(const FlowDestination& destination) {
  const std::string address = config::address_text(destination.address);
  const bool v6 = address.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", address, destination.port)
            : fmt::format("{}:{}", address, destination.port);
}

std::vector<std::string> arguments_of(std::string_view area) {
  std::vector<std::string> out;
  while (!area.empty()) {
    const std::size_t end = area.find('\0');
    out.emplace_back(area.substr(0, end));
    area.remove_prefix(end == std::string_view::npos ? area.size() : end + 1);
  }
  return out;
}

// The form of the predecessor's `connections`: descriptor, family, type, local and remote address,
// status. What a kill in the kernel leaves unknown is what psutil writes for it: -1, [], NONE.
std::string connection(const FlowDestination& destination, std::string_view status) {
  const std::string address = config::address_text(destination.address);
  const int family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  const int type = destination.protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
  return fmt::format("[-1, {}, {}, [], [{}, {}], {}]", family, type, json_string(address),
                     destination.port, json_string(status));
}

std::string connections(const FlowFinding& finding) {
  std::string out;
  for (const FlowDestination& each : finding.destinations) {
    const bool now = each.address == finding.destination.address &&
                     each.port == finding.destination.port && finding.time_ns != 0;
    out += (out.empty() ? "" : ", ") +
           connection(each, now && each.protocol == IPPROTO_TCP ? "SYN_SENT" : "NONE");
  }
  if (finding.destinations.empty()) {
    const bool tcp = finding.destination.protocol == IPPROTO_TCP;
    out = connection(finding.destination, tcp ? "SYN_SENT" : "NONE");
  }
  return "[" + out + "]";
}

std::string addresses(const FlowFinding& finding) {
  std::string out;
  for (const FlowDestination& each : finding.destinations) {
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", json_string(endpoint(each)),
                       each.connects);
  }
  return "{" + out + "}";
}

}  // namespace

FlowAudit::FlowAudit(enforce::BlastLimit& limit, EventLog& log, Responses& responses,
                     CanaryTrap& trap)
    : enforcer_(limit), log_(log), responses_(responses), trap_(trap) {}

void FlowAudit::apply(const config::Config& config, Rules rules) {
  {
    const std::lock_guard lock(rules_mutex_);
    enforcer_.set_policy(std::make_shared<enforce::Policy>(std::move(rules.policy)));
    applied_ns_ = monotonic_ns();
    before_ =
        std::exchange(now_, {.groups = std::move(rules.groups), .reporting = rules.reporting});
  }
  max_command_line_bytes_ = config.log.max_command_line_bytes;
  dry_run_ = config.dry_run;
  log_level_ = config.log.level;
}

void FlowAudit::tidy() {
  // A record is read within milliseconds.
  constexpr std::uint64_t kLong = 2'000'000'000;
  Standing dropped;
  {
    const std::lock_guard lock(rules_mutex_);
    if (!before_.groups || monotonic_ns() - applied_ns_ < kLong) return;
    dropped = std::exchange(before_, {});
  }
  dropped = {};
  malloc_trim(0);  // with a million bans of groups these are megabytes
}

// A record may have been under way while its tables were replaced.
FlowAudit::Standing FlowAudit::standing_of(const FlowFinding& finding) const {
  const std::lock_guard lock(rules_mutex_);
  if (before_.groups && before_.groups->generation() == finding.generation) return before_;
  return now_;
}

// The ban that is told: the narrowest of the groups that decided, which are those that kill if it
// came to that.
std::optional<detect::FlowGroups::Named> FlowAudit::ban_of(const FlowFinding& finding,
                                                           const Standing& standing,
                                                           Outcome outcome) {
  if (finding.reason == FlowFinding::Reason::kScan || !standing.groups) return std::nullopt;
  std::uint64_t deciding = finding.groups & standing.groups->kill_groups(standing.reporting);
  if (outcome == Outcome::kReported || deciding == 0) deciding = finding.groups;
  return standing.groups->narrowest(finding.destination.address, finding.destination.port,
                                    deciding);
}

void FlowAudit::add_ban(JsonLine& line, const Standing& standing,
                        const detect::FlowGroups::Named& ban, const Redactor& redactor) {
  const std::string_view group = standing.groups->name(ban.bit);
  if (!group.empty()) line.add("group", group);
  if (redactor.reveals()) line.add("matched", config::range_text(ban.ban));
}

// The groups that only report at first, and would have killed.
std::uint64_t FlowAudit::held_groups(const FlowFinding& finding, const Standing& standing) {
  if (!standing.groups) return 0;
  return finding.groups & standing.reporting & standing.groups->kill_groups();
}

void FlowAudit::tell_held(const FlowFinding& finding, const Standing& standing,
                          Outcome outcome) const {
  if (!held_) return;
  const std::uint64_t held = held_groups(finding, standing);
  for (unsigned bit = FLOW_GROUP_NAMED; bit < MATCH_MAX_GROUPS; ++bit) {
    if ((held >> bit & 1) != 0) held_(standing.groups->name(bit), finding, outcome);
  }
}

// What was done by the kernel side, or what is done now.
enforce::Action FlowAudit::act_on(const FlowFinding& finding) {
  enforce::Action action;
  switch (finding.kind) {
    case FlowFinding::Kind::kKilledInKernel:
      action.outcome = Outcome::kKilled;
      action.time_ns = finding.signal_ns;
      return action;
    case FlowFinding::Kind::kReportedInKernel:
      action.outcome = finding.limited ? Outcome::kLimited : Outcome::kReported;
      break;
    case FlowFinding::Kind::kProtected:
      action.outcome = Outcome::kSpared;
      action.spared = finding.spared;
      break;
    default:
      return enforcer_.act({.pid = finding.pid,
                            .start_ticks = finding.start_ticks,
                            .unit = finding.unit,
                            .groups = finding.groups});
  }
  action.time_ns = finding.time_ns;
  return action;
}

bool FlowAudit::handle(const FlowFinding& finding) {
  if (trap_.caught(finding)) {
    if (finding.kind != FlowFinding::Kind::kSeen)
      trap_.settle(Detector::kTcpflowkiller, finding,
                   finding.kind == FlowFinding::Kind::kKilledInKernel, enforcer_);
    return true;
  }
  if (finding.kind == FlowFinding::Kind::kSeen) {
    log_seen(finding);
    return true;
  }
  const std::uint64_t since = finding.time_ns != 0 ? finding.time_ns : monotonic_ns();
  const enforce::Action action = act_on(finding);
  outcomes_.count(action, since, static_cast<std::size_t>(finding.reason));
  if (action.outcome == Outcome::kRefused) return true;
  if (action.outcome == Outcome::kSpared && !first_time(finding)) return true;
  const Standing standing = standing_of(finding);
  if (action.outcome != Outcome::kSpared) tell_held(finding, standing, action.outcome);
  config::Action done = config::Action::kKill;
  if (action.outcome == Outcome::kKilled) {
    const config::Action said =
        standing.groups ? standing.groups->action_of(finding.groups & ~standing.reporting)
                        : config::Action::kKill;
    log_and_kill_seconds_.observe(seconds_between(since, action.time_ns));
    done = responses_.after_kill(finding, "tcpflowkiller", said);
  }
  const OutcomeWords words = words_of(action.outcome);
  const auto ban = ban_of(finding, standing, action.outcome);
  const bool told = log_level_ <= config::LogLevel::kInfo || words.level != "info";
  EventRecord record = record_of(finding, action.outcome == Outcome::kKilled ? action.time_ns : 0);
  if (ban) record.rule = standing.groups->rule_of(*ban);
  Redactor redactor = log_.redactor();
  JsonLine line;
  if (told) {
    add_fields(line, finding, words.action, record, redactor);
    if (ban) add_ban(line, standing, *ban, redactor);
  }
  EventLog::Note note{.record = record,
                      .command_line = note_line(finding, {}, redactor),
                      .executable = redactor.text(finding.path),
                      .latency_us = std::nullopt};
  if (action.outcome == Outcome::kKilled)
    note.latency_us = seconds_between(since, action.time_ns) * 1e6;
  if (!told) {
    if (action.outcome != Outcome::kSpared) log_.remember(words.action, finding, note);
    return !to_be_tried_again(action.outcome);
  }
  if (action.outcome == Outcome::kSpared) line.add("allowedby", protected_by(action.spared));
  if (note.latency_us) {
    line.add("connect_to_signal_us", *note.latency_us)
        .add("in_kernel", finding.kind == FlowFinding::Kind::kKilledInKernel);
  }
  if (done > config::Action::kKill) line.add("response", config::action_word(done));
  if (const std::uint64_t held = held_groups(finding, standing);
      held != 0 && action.outcome == Outcome::kReported)
    add_held(line, standing.groups->action_of(held));
  if (dry_run_) line.add("dry_run", true);
  log_.write(std::move(line), words.event, words.level, finding, EventLog::Form::kNested,
             action.outcome == Outcome::kSpared ? std::nullopt : std::optional(note));
  return !to_be_tried_again(action.outcome);
}

// A process that is protected may connect to a banned address for ever: it is told once.
bool FlowAudit::first_time(const FlowFinding& finding) {
  const std::lock_guard lock(told_mutex_);
  if (told_.size() >= kMaxTold) told_.clear();
  return told_.emplace(finding.pid, finding.start_ticks, finding.reason).second;
}

EventRecord FlowAudit::record_of(const FlowFinding& finding, std::uint64_t signal_ns) {
  const bool scan = finding.reason == FlowFinding::Reason::kScan;
  return {.detector = "tcpflowkiller",
          .rule = std::string(reason_name(finding.reason)),
          .evidence = scan ? fmt::format(R"({{"kind": "destinations", "count": {}}})",
                                         finding.destinations.size())
                           : R"({"kind": "address"})",
          .event_ns = finding.time_ns,
          .signal_ns = signal_ns};
}

void FlowAudit::add_fields(JsonLine& line, const FlowFinding& finding, std::string_view action,
                           const EventRecord& record, Redactor& redactor) const {
  const std::size_t limit = max_command_line_bytes_;
  std::string area = redactor.arguments(finding, limit);
  const bool cut = cut_for_log(area, limit) || finding.argv.size() < finding.argv_bytes ||
                   finding.argv.size() > limit;
  line.add("pid", finding.pid).add("cmdline", arguments_of(area));
  if (cut) line.add("truncated", true).add("cmdline_bytes", finding.argv_bytes);
  line.add_json("connections", connections(finding));
  if (finding.reason == FlowFinding::Reason::kScan) {
    line.add_json("addresses", addresses(finding));
  } else {
    line.add("banned-ip", config::address_text(finding.destination.address));
  }
  line.add("action", action)
      .add("reason", reason_name(finding.reason))
      .add("source", "flowkiller.bpf");
  if (finding.time_ns != 0) {
    line.add("address", config::address_text(finding.destination.address))
        .add("port", std::uint64_t{finding.destination.port})
        .add("protocol", protocol_name(finding.destination.protocol))
        .add("refused", finding.refused);
  }
  add_record(line, finding, record, redactor);
}

void FlowAudit::log_seen(const FlowFinding& finding) {
  if (log_level_ > config::LogLevel::kInfo) return;
  JsonLine line;
  line.add("pid", finding.pid)
      .add_json("addresses", addresses(finding))
      .add("action", "connect")
      .add("detector", "tcpflowkiller");
  log_.write(std::move(line), "Connection established", "info", finding, EventLog::Form::kNested);
}

void FlowAudit::collect(const Outcomes::Untold& untold, metrics::Exposition& out) const {
  using metrics::Metric;
  const auto counts = outcomes_.collect("tcpflowkiller", untold, out);
  for (const auto reason : {FlowFinding::Reason::kBannedAddress, FlowFinding::Reason::kScan}) {
    const Outcomes::Counts& each = counts.at(static_cast<std::size_t>(reason));
    out.add(Metric::kFlowKilled, {reason_name(reason)}, each.killed);
    out.add(Metric::kFlowMissed, {reason_name(reason)}, each.missed);
  }
  out.add(Metric::kFlowLogAndKillSeconds, {}, log_and_kill_seconds_);
}

}  // namespace cryptnono::app
