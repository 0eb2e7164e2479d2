#include "app/event_log.h"

#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "container/cgroup_parse.h"
#include "runtime/sockets.h"

namespace cryptnono::app {

namespace {

std::string json_map(const std::map<std::string, std::string>& map) {
  std::string out;
  for (const auto& [key, value] : map)
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", json_string(key), json_string(value));
  return "{" + out + "}";
}

// Which runtime can be asked about a container; none: no call is made.
std::optional<runtime::RuntimeKind> kind_of(container::Runtime runtime) {
  if (runtime == container::Runtime::kCri) return runtime::RuntimeKind::kCri;
  if (runtime == container::Runtime::kDocker) return runtime::RuntimeKind::kDocker;
  return std::nullopt;
}

// The predecessor's fields, as members of a JSON object.
std::string members(const runtime::ContainerDetails& details) {
  std::string out =
      fmt::format(R"("container_type": {}, "labels": {}, "image": {})", json_string(details.type),
                  json_map(details.labels), json_string(details.image));
  if (!details.environment.empty()) out += ", \"env\": " + json_map(details.environment);
  return out;
}

void add_container(JsonLine& line, const runtime::ContainerDetails& details, EventLog::Form form) {
  if (form == EventLog::Form::kNested) line.add_json("container", "{" + members(details) + "}");
  line.add("container_type", details.type)
      .add_json("labels", json_map(details.labels))
      .add("image", details.image);
  if (!details.environment.empty()) line.add_json("env", json_map(details.environment));
  line.add("container_name", details.name);
}

void add_builder(JsonLine& line, const std::string& id, EventLog::Form form) {
  if (form == EventLog::Form::kNested) {
    line.add_json("container", fmt::format(R"({{"container_type": "buildkit", "builder_id": {}}})",
                                           json_string(id)));
  }
  line.add("container_type", "buildkit").add("builder_id", id);
}

void add_cgroup_only(JsonLine& line, const std::string& cgroup, EventLog::Form form) {
  const std::string proc_line = "0::" + cgroup;  // as in /proc/PID/cgroup
  if (form == EventLog::Form::kNested) {
    line.add_json("container", cgroup.empty()
                                   ? "{}"
                                   : fmt::format("{{\"cgroupline\": {}}}", json_string(proc_line)));
  } else if (!cgroup.empty()) {
    line.add("cgroupline", proc_line);
  }
}

// A container, not a service of the host or a user's session.
bool is_container(const container::CgroupIdentity& identity) {
  return identity.runtime != container::Runtime::kNone &&
         identity.runtime != container::Runtime::kUser;
}

void add(runtime::ContainerLookup::Counters& sum, const runtime::ContainerLookup::Counters& more) {
  sum.found += more.found;
  sum.unknown += more.unknown;
  sum.failed += more.failed;
  sum.dropped += more.dropped;
}

// An image may be built from a stranger's repository, and its variables name that.
runtime::ContainerDetails redacted(runtime::ContainerDetails details, Redactor& redactor) {
  details.image = redactor.text(details.image);
  for (auto& [name, value] : details.environment) value = redactor.text(value);
  return details;
}

// Of a reading of CLOCK_MONOTONIC; 0: now.
double unix_time_of(std::uint64_t ns) {
  return unix_time() - (ns == 0 ? 0 : seconds_between(ns, monotonic_ns()));
}

status::Kill kill_of(std::string_view action, const detect::Subject& who,
                     const EventLog::Note& note) {
  const EventRecord& record = note.record;
  return {.at = unix_time_of(record.signal_ns != 0 ? record.signal_ns : record.event_ns),
          .detector = std::string(record.detector),
          .action = std::string(action),
          .rule = record.rule,
          .latency_us = note.latency_us,
          .who = {.cmdline = RecentKills::cut(note.command_line),
                  .pid = who.pid,
                  .uid = who.uid,
                  .executable = RecentKills::cut(note.executable)}};
}

void add_pod(JsonLine& line, const std::string& pod_namespace, const std::string& name) {
  line.add("pod_namespace", pod_namespace).add("pod_name", name);
}

}  // namespace

// Where a process was: by what the kernel side wrote down, else by what is known of its cgroup now.
EventLog::Where EventLog::where(const detect::Subject& who) const {
  Where out;
  const auto consider = [&](const std::string& path, bool v1) {
    if (path.empty()) return;
    container::CgroupIdentity identity = container::identify_cgroup(path);
    const bool better = is_container(identity) && !is_container(out.identity);
    if (!out.cgroup.empty() && out.cgroup != "/" && !better) return;
    out.cgroup = path;
    out.directory =
        is_container(identity) ? pods_.directory_of(std::string(identity.through), v1) : "";
    out.identity = std::move(identity);
    out.identity.through = {};  // pointed into the path
  };
  consider(who.origin.cgroup, false);
  consider(who.origin.cgroup_v1, true);
  if (out.cgroup.empty() || out.cgroup == "/") consider(pods_.path_of(who.cgroup_id), false);
  out.pod_uid = container::pod_uid_of(out.cgroup);
  if (!out.pod_uid.empty() || !is_container(out.identity)) return out;
  // Docker in a pod makes its containers in the root of cgroup v2: the pod is that of its daemon,
  // which is among the ancestors.
  for (const detect::Ancestor& each : who.origin.ancestors) {
    const std::string path = pods_.path_of(each.cgroup_id);
    out.pod_uid = container::pod_uid_of(path);
    if (out.pod_uid.empty()) continue;
    out.outer_container = container::identify_cgroup(path).id;
    return out;
  }
  return out;
}

runtime::LookupSettings EventLog::settings_of(const config::Containers& containers) {
  // NOLINTBEGIN(concurrency-mt-unsafe): nothing here sets variables
  return {
      .endpoints = runtime::sockets(containers.endpoints, std::getenv("CONTAINER_RUNTIME_ENDPOINT"),
                                    runtime::kKnownEndpoints),
      .docker_endpoints = runtime::sockets(containers.docker_endpoints, std::getenv("DOCKER_HOST"),
                                           runtime::kKnownDockerEndpoints),
      .environment = containers.environment};
  // NOLINTEND(concurrency-mt-unsafe)
}

void EventLog::use(const config::Containers& containers) {
  const runtime::LookupSettings settings = settings_of(containers);
  std::shared_ptr<runtime::ContainerLookup> old;  // ends when the last that uses it has
  const std::lock_guard lock(mutex_);
  if (lookup_ && settings == settings_) return;
  if (lookup_) add(past_, lookup_->counters());
  old = std::exchange(lookup_, std::make_shared<runtime::ContainerLookup>(settings));
  settings_ = settings;
}

void EventLog::use_rules(std::shared_ptr<const detect::ExecRules> rules, bool reveal) {
  const std::lock_guard lock(mutex_);
  rules_.swap(rules);  // the old ones go after the lock
  reveal_ = reveal;
}

Redactor EventLog::redactor(std::shared_ptr<const detect::ExecRules> judged_by) const {
  const std::lock_guard lock(mutex_);
  return reveal_ ? Redactor() : Redactor(rules_, std::move(judged_by));
}

void EventLog::stop() {
  std::shared_ptr<runtime::ContainerLookup> lookup;
  const std::lock_guard lock(mutex_);
  lookup_.swap(lookup);
}

void EventLog::send_to(Receive receive) {
  const std::lock_guard lock(receive_mutex_);
  receive_ = std::move(receive);
}

void EventLog::hand_out(std::string_view action, std::string line) {
  {
    const std::lock_guard lock(receive_mutex_);
    if (receive_) receive_(action, line.substr(0, line.size() - 1));
  }
  log_.write(std::move(line));
}

void EventLog::prefetch(std::string_view cgroup_path) {
  const container::CgroupIdentity identity = container::identify_cgroup(cgroup_path);
  const auto kind = kind_of(identity.runtime);
  if (!kind) return;
  const std::lock_guard lock(mutex_);
  if (lookup_) lookup_->prefetch(identity.id, *kind);
}

void EventLog::ask(const Where& place, Finish finish) {
  const auto kind = kind_of(place.identity.runtime);
  std::shared_ptr<runtime::ContainerLookup> lookup;
  if (kind) {
    const std::lock_guard lock(mutex_);
    lookup = lookup_;
  }
  if (!lookup) return finish(nullptr);
  lookup->find(place.identity.id, *kind,
               [this, finish = std::move(finish)](const runtime::ContainerDetails* details) {
                 Redactor hide = redactor();
                 if (details == nullptr || hide.reveals()) return finish(details);
                 const runtime::ContainerDetails shown = redacted(*details, hide);
                 finish(&shown);
               });
}

void EventLog::write(JsonLine line, std::string_view event, std::string_view level,
                     const detect::Subject& who, Form form, const std::optional<Note>& note) {
  const Where place = where(who);
  if (!place.cgroup.empty()) line.add("cgroup", place.cgroup);
  // A builder's id is not one.
  if (is_container(place.identity) && place.identity.runtime != container::Runtime::kBuildkit)
    line.add("container_id", place.identity.id);
  if (!place.outer_container.empty()) line.add("outer_container_id", place.outer_container);
  if (!place.pod_uid.empty()) line.add("pod_uid", place.pod_uid);
  const std::optional<container::Pod> pod = pods_.pod(place.pod_uid);
  std::optional<status::Kill> kill;
  if (note) kill = kill_of(line.action(), who, *note);
  ask(place, [this, line = std::make_shared<JsonLine>(std::move(line)), event = std::string(event),
              level = std::string(level), place, pod, form,
              kill = std::move(kill)](const runtime::ContainerDetails* details) {
    // The kubelet's directories know the pod, whatever the runtime does.
    const bool told = details != nullptr && !details->pod().empty();
    if (told || pod)
      add_pod(*line, told ? details->pod_namespace() : pod->pod_namespace,
              told ? details->pod() : pod->name);
    if (details != nullptr) {
      add_container(*line, *details, form);
    } else if (place.identity.runtime == container::Runtime::kBuildkit) {
      add_builder(*line, place.identity.id, form);
    } else {
      add_cgroup_only(*line, place.cgroup, form);
    }
    hand_out(line->action(), line->finish(event, level));
    if (kill) remember(*kill, pod, details);
  });
}

void EventLog::remember(std::string_view action, const detect::Subject& who, const Note& note) {
  const Where place = where(who);
  ask(place, [this, pod = pods_.pod(place.pod_uid), kill = kill_of(action, who, note)](
                 const runtime::ContainerDetails* details) { remember(kill, pod, details); });
}

void EventLog::remember(status::Kill kill, const std::optional<container::Pod>& pod,
                        const runtime::ContainerDetails* details) {
  if (pod) {
    kill.who.pod_namespace = pod->pod_namespace;
    kill.who.pod = pod->name;
  }
  if (details != nullptr) {
    if (!details->pod().empty()) {
      kill.who.pod_namespace = details->pod_namespace();
      kill.who.pod = details->pod();
    }
    kill.who.container = details->name;
    kill.who.image = details->image;
  }
  kills_.add(std::move(kill));
}

runtime::ContainerLookup::Counters EventLog::counters() const {
  const std::lock_guard lock(mutex_);
  runtime::ContainerLookup::Counters out = past_;
  if (lookup_) add(out, lookup_->counters());
  return out;
}

}  // namespace cryptnono::app
