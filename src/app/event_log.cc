#include "app/event_log.h"

#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

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
  if (!details.pod().empty())
    line.add("pod_namespace", details.pod_namespace()).add("pod_name", details.pod());
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

}  // namespace

void EventLog::use(const config::Containers& containers) {
  // NOLINTBEGIN(concurrency-mt-unsafe): nothing here sets variables
  const runtime::LookupSettings settings{
      .endpoints = runtime::sockets(containers.endpoints, std::getenv("CONTAINER_RUNTIME_ENDPOINT"),
                                    runtime::kKnownEndpoints),
      .docker_endpoints = runtime::sockets(containers.docker_endpoints, std::getenv("DOCKER_HOST"),
                                           runtime::kKnownDockerEndpoints),
      .environment = containers.environment};
  // NOLINTEND(concurrency-mt-unsafe)
  std::shared_ptr<runtime::ContainerLookup> old;  // ends when the last that uses it has
  const std::lock_guard lock(mutex_);
  if (lookup_ && settings == settings_) return;
  old = std::exchange(lookup_, std::make_shared<runtime::ContainerLookup>(settings));
  settings_ = settings;
}

void EventLog::stop() {
  std::shared_ptr<runtime::ContainerLookup> lookup;
  const std::lock_guard lock(mutex_);
  lookup_.swap(lookup);
}

void EventLog::prefetch(std::string_view cgroup_path) {
  const container::CgroupIdentity identity = container::identify_cgroup(cgroup_path);
  const auto kind = kind_of(identity.runtime);
  if (!kind) return;
  const std::lock_guard lock(mutex_);
  if (lookup_) lookup_->prefetch(identity.id, *kind);
}

void EventLog::write(JsonLine line, std::string_view event, std::string_view level,
                     std::uint64_t cgroup_id, Form form) {
  const std::string cgroup = cgroup_path_(cgroup_id);
  if (!cgroup.empty()) line.add("cgroup", cgroup);
  const container::CgroupIdentity identity = container::identify_cgroup(cgroup);
  if (identity.runtime == container::Runtime::kBuildkit) {
    add_builder(line, identity.id, form);
    log_.write(line.finish(event, level));
    return;
  }
  const auto kind = kind_of(identity.runtime);
  std::shared_ptr<runtime::ContainerLookup> lookup;
  if (kind) {
    const std::lock_guard lock(mutex_);
    lookup = lookup_;
  }
  if (!identity.id.empty() && identity.runtime != container::Runtime::kUser)
    line.add("container_id", identity.id);
  const auto finish = [this, line = std::make_shared<JsonLine>(std::move(line)),
                       event = std::string(event), level = std::string(level), cgroup,
                       form](const runtime::ContainerDetails* details) {
    if (details != nullptr) {
      add_container(*line, *details, form);
    } else {
      add_cgroup_only(*line, cgroup, form);
    }
    log_.write(line->finish(event, level));
  };
  if (lookup) {
    lookup->find(identity.id, *kind, finish);
  } else {
    finish(nullptr);
  }
}

runtime::ContainerLookup::Counters EventLog::counters() const {
  const std::lock_guard lock(mutex_);
  return lookup_ ? lookup_->counters() : runtime::ContainerLookup::Counters{};
}

}  // namespace cryptnono::app
