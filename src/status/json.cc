#include "status/json.h"

#include <nlohmann/json.hpp>

namespace cryptnono::status {

namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Canary& canary) {
  return {{"result", canary.result},
          {"at", canary.at},
          {"passed_at", canary.passed_at},
          {"lived_ms", canary.lived_ms},
          {"why", canary.why}};
}

Json json_of(const Counts& counts) {
  return {{"checked", counts.checked},    {"killed", counts.killed},
          {"reported", counts.reported},  {"spared", counts.spared},
          {"protected", counts.protects}, {"missed", counts.missed},
          {"failed", counts.failed},      {"suppressed", counts.suppressed}};
}

Json json_of(const Rollout& rollout) {
  return {{"group", rollout.group},
          {"would", rollout.would},
          {"reports", rollout.reports},
          {"until", rollout.until},
          {"clean_days", rollout.clean_days},
          {"clean_s", rollout.clean_s},
          {"would_have_killed", rollout.would_have_killed},
          {"last_would_at", rollout.last_would_at}};
}

Json json_of(const Limit& limit) {
  return {{"targets", limit.targets ? Json(*limit.targets) : Json()},
          {"max_targets", limit.max_targets},
          {"window_s", limit.window_s},
          {"reached", limit.reached}};
}

Json json_of(const Detector& detector) {
  return {{"name", detector.name},
          {"enabled", detector.enabled},
          {"up", detector.up},
          {"hook", detector.hook},
          {"why", detector.why},
          {"rules", detector.rules},
          {"canary", json_of(detector.canary)},
          {"counts", json_of(detector.counts)},
          {"lost", detector.lost},
          {"limit", json_of(detector.limit)}};
}

Json json_of(const Who& who) {
  Json out{
      {"cmdline", who.cmdline}, {"pid", who.pid}, {"uid", who.uid}, {"executable", who.executable}};
  for (const auto& [name, value] : {std::pair("namespace", &who.pod_namespace),
                                    {"pod", &who.pod},
                                    {"container", &who.container},
                                    {"image", &who.image}}) {
    if (!value->empty()) out[name] = *value;
  }
  return out;
}

Json json_of(const Kill& kill, bool details) {
  Json out{{"at", kill.at},
           {"detector", kill.detector},
           {"action", kill.action},
           {"rule", kill.rule},
           {"latency_us", kill.latency_us ? Json(*kill.latency_us) : Json()}};
  if (details) out["details"] = json_of(kill.who);
  return out;
}

Json json_of(const History& history) {
  Json series = Json::object();
  for (const auto& [detector, values] : history.series) {
    series[detector] = {
        {"killed", values.killed}, {"reported", values.reported}, {"lost", values.lost}};
  }
  return {{"step_s", history.step_s}, {"until", history.until}, {"series", std::move(series)}};
}

Json json_of(const Configuration& config) {
  return {{"generation", config.generation},
          {"loaded_at", config.loaded_at},
          {"last_reload_ok", config.last_reload_ok},
          {"last_reload_errors", config.last_reload_errors},
          {"files", config.files},
          {"dry_run", config.dry_run},
          {"scope_cgroups", config.scope_cgroups}};
}

// Reads `out` from the member `name`, if there is one of its type.
template <typename T>
void read(const Json& object, const char* name, T& out) {
  const auto member = object.find(name);
  if (member == object.end() || member->is_null()) return;
  out = member->template get<T>();
}

template <typename T>
void read(const Json& object, const char* name, std::optional<T>& out) {
  const auto member = object.find(name);
  if (member != object.end() && !member->is_null()) out = member->template get<T>();
}

// The member `name` as a list or a mapping; empty if it is missing.
Json part(const Json& object, const char* name) { return object.value(name, Json::object()); }

Detector detector_of(const Json& json) {
  Detector out;
  read(json, "name", out.name);
  read(json, "enabled", out.enabled);
  read(json, "up", out.up);
  read(json, "hook", out.hook);
  read(json, "why", out.why);
  read(json, "rules", out.rules);
  read(json, "lost", out.lost);
  const Json canary = part(json, "canary");
  read(canary, "result", out.canary.result);
  read(canary, "at", out.canary.at);
  read(canary, "passed_at", out.canary.passed_at);
  read(canary, "lived_ms", out.canary.lived_ms);
  read(canary, "why", out.canary.why);
  const Json counts = part(json, "counts");
  read(counts, "checked", out.counts.checked);
  read(counts, "killed", out.counts.killed);
  read(counts, "reported", out.counts.reported);
  read(counts, "spared", out.counts.spared);
  read(counts, "protected", out.counts.protects);
  read(counts, "missed", out.counts.missed);
  read(counts, "failed", out.counts.failed);
  read(counts, "suppressed", out.counts.suppressed);
  const Json limit = part(json, "limit");
  read(limit, "targets", out.limit.targets);
  read(limit, "max_targets", out.limit.max_targets);
  read(limit, "window_s", out.limit.window_s);
  read(limit, "reached", out.limit.reached);
  return out;
}

Rollout rollout_of(const Json& json) {
  Rollout out;
  read(json, "group", out.group);
  read(json, "would", out.would);
  read(json, "reports", out.reports);
  read(json, "until", out.until);
  read(json, "clean_days", out.clean_days);
  read(json, "clean_s", out.clean_s);
  read(json, "would_have_killed", out.would_have_killed);
  read(json, "last_would_at", out.last_would_at);
  return out;
}

Kill kill_of(const Json& json) {
  Kill out;
  read(json, "at", out.at);
  read(json, "detector", out.detector);
  read(json, "action", out.action);
  read(json, "rule", out.rule);
  read(json, "latency_us", out.latency_us);
  const Json details = part(json, "details");
  read(details, "cmdline", out.who.cmdline);
  read(details, "pid", out.who.pid);
  read(details, "uid", out.who.uid);
  read(details, "executable", out.who.executable);
  read(details, "namespace", out.who.pod_namespace);
  read(details, "pod", out.who.pod);
  read(details, "container", out.who.container);
  read(details, "image", out.who.image);
  return out;
}

Configuration configuration_of(const Json& json) {
  Configuration out;
  read(json, "generation", out.generation);
  read(json, "loaded_at", out.loaded_at);
  read(json, "last_reload_ok", out.last_reload_ok);
  read(json, "last_reload_errors", out.last_reload_errors);
  read(json, "files", out.files);
  read(json, "dry_run", out.dry_run);
  read(json, "scope_cgroups", out.scope_cgroups);
  return out;
}

History history_of(const Json& json) {
  History out;
  read(json, "step_s", out.step_s);
  read(json, "until", out.until);
  const Json series_of = part(json, "series");  // items() refers to it
  for (const auto& [detector, values] : series_of.items()) {
    Series& series = out.series[detector];
    read(values, "killed", series.killed);
    read(values, "reported", series.reported);
    read(values, "lost", series.lost);
  }
  return out;
}

}  // namespace

std::string to_json(const Status& status) {
  Json detectors = Json::array();
  for (const Detector& each : status.detectors) detectors.push_back(json_of(each));
  Json missing = Json::array();
  for (const Missing& each : status.missing) {
    missing.push_back(
        {{"what", each.what}, {"effect", each.effect}, {"remedy", each.remedy}, {"why", each.why}});
  }
  Json rollouts = Json::array();
  for (const Rollout& each : status.rollouts) rollouts.push_back(json_of(each));
  Json kills = Json::array();
  for (const Kill& each : status.kills) kills.push_back(json_of(each, status.details));
  const Json out{{"version", status.version},         {"node", status.node},
                 {"kernel", status.kernel},           {"now", status.now},
                 {"started_at", status.started_at},   {"uptime_s", status.uptime_s},
                 {"ready", status.not_ready.empty()}, {"not_ready", status.not_ready},
                 {"config", json_of(status.config)},  {"detectors", std::move(detectors)},
                 {"missing", std::move(missing)},     {"rollouts", std::move(rollouts)},
                 {"kills", std::move(kills)},         {"history", json_of(status.history)},
                 {"details", status.details}};
  return out.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

Result<Status> from_json(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    if (!json.is_object() || !json.contains("detectors")) return fail("this is no status");
    Status out;
    read(json, "version", out.version);
    read(json, "node", out.node);
    read(json, "kernel", out.kernel);
    read(json, "now", out.now);
    read(json, "started_at", out.started_at);
    read(json, "uptime_s", out.uptime_s);
    read(json, "not_ready", out.not_ready);
    read(json, "details", out.details);
    out.config = configuration_of(part(json, "config"));
    for (const Json& each : json.at("detectors")) out.detectors.push_back(detector_of(each));
    for (const Json& each : part(json, "missing")) {
      Missing& missing = out.missing.emplace_back();
      read(each, "what", missing.what);
      read(each, "effect", missing.effect);
      read(each, "remedy", missing.remedy);
      read(each, "why", missing.why);
    }
    for (const Json& each : part(json, "rollouts")) out.rollouts.push_back(rollout_of(each));
    for (const Json& each : part(json, "kills")) out.kills.push_back(kill_of(each));
    out.history = history_of(part(json, "history"));
    return out;
  } catch (const Json::exception& error) {
    return fail(std::string("this is no status: ") + error.what());
  }
}

}  // namespace cryptnono::status
