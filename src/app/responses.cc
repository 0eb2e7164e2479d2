#include "app/responses.h"

#include <optional>

#include "app/event_record.h"
#include "config/actions.h"
#include "enforce/action_plan.h"
#include "proc/proc_reader.h"

namespace cryptnono::app {

using config::Action;

Responses::Responses(EventLog& log, const PodWatch& pods, const enforce::Protection& protection)
    : log_(log), pods_(pods), responder_(std::make_unique<enforce::Responder>(protection)) {}

void Responses::use(const config::Config& config) {
  escalation_.set(config.escalation);
  const std::lock_guard lock(mutex_);
  namespace_actions_ = config.namespace_actions;
  escalated_ = config.escalation.value_or(config::Escalation{}).action;
}

void Responses::stop() {
  std::unique_ptr<enforce::Responder> ending;
  const std::lock_guard lock(mutex_);
  ending = std::move(responder_);
}

Action Responses::after_kill(const detect::Subject& who, std::string_view detector, Action said) {
  const EventLog::Where where = log_.where(who);
  enforce::ActionInputs inputs{.detector = said,
                               .group = std::nullopt,
                               .namespace_action = std::nullopt,
                               .escalation = std::nullopt};
  const bool escalates = escalation_.count(who.unit);
  const std::optional<container::Pod> pod = pods_.pod(where.pod_uid);
  const std::lock_guard lock(mutex_);
  if (escalates) inputs.escalation = escalated_;
  if (pod) {
    const auto action = namespace_actions_.find(pod->pod_namespace);
    if (action != namespace_actions_.end()) inputs.namespace_action = action->second;
  }
  const Action action = enforce::effective_action(inputs);
  if (action < Action::kKillTree || !responder_) return action;
  responder_->respond(
      {.action = action,
       .tree_roots = tree_of(who),
       .container_cgroup = where.directory,
       .done = [this, who, detector = std::string(detector)](const enforce::Response& response) {
         tell(who, detector, response);
       }});
  return action;
}

// The process, which is gone, and the ancestors up to the top of its tree, as the event has them:
// same cgroup, same pid namespace, less that namespace's init (enforce/tree_killer.h).
std::vector<enforce::ProcessId> Responses::tree_of(const detect::Subject& who) const {
  std::vector<enforce::ProcessId> out{{.pid = who.pid, .start_ticks = who.start_ticks}};
  const proc::ProcReader reader;
  for (const detect::Ancestor& each : who.origin.ancestors) {
    if (each.cgroup_id != who.cgroup_id || each.level != who.origin.level ||
        each.innermost_pid == 1)
      break;
    // With cgroup v1 alone all are in the root of v2: there the other hierarchy tells them apart.
    if (!who.origin.cgroup_v1.empty()) {
      detect::Subject now;
      pods_.locate(reader.read_cgroup(each.pid), now);
      if (now.origin.cgroup_v1 != who.origin.cgroup_v1) break;
    }
    out.push_back({.pid = each.pid, .start_ticks = each.start_ticks});
  }
  return out;
}

void Responses::tell(const detect::Subject& who, const std::string& detector,
                     const enforce::Response& response) {
  JsonLine line;
  Redactor redactor = log_.redactor();
  static_cast<void>(redactor.arguments(who, RecentKills::kMaxText));  // learns what is in them
  line.add("pid", who.pid)
      .add("action", response.complete ? "responded" : "response-failed")
      .add("response", config::action_word(response.action))
      .add("processes_killed", std::uint64_t{response.killed});
  if (!response.failed_why.empty()) line.add("reason", response.failed_why);
  add_record(line, who,
             {.detector = detector, .rule = {}, .evidence = {}, .event_ns = 0, .signal_ns = 0},
             redactor);
  log_.write(std::move(line),
             response.complete ? "Killed what the process belonged to"
                               : "Not all that the process belonged to is dead",
             response.complete ? "info" : "error", who);
}

void Responses::collect(metrics::Exposition& out) const {
  using metrics::Metric;
  const std::lock_guard lock(mutex_);
  if (!responder_) return;
  const enforce::Responder::Counters counters = responder_->counters();
  for (const Action action : {Action::kKillTree, Action::kKillContainer}) {
    out.add(Metric::kResponses, {config::action_word(action)},
            counters.responses.at(static_cast<std::size_t>(action)));
  }
  out.add(Metric::kResponseKilled, {}, counters.killed);
  out.add(Metric::kResponsesFailed, {"failed"}, counters.failures);
  out.add(Metric::kResponsesFailed, {"dropped"}, counters.dropped);
}

}  // namespace cryptnono::app
