#include "app/event_log.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "container/cgroup_parse.h"

namespace cryptnono::app {

namespace {

std::string json_map(const std::map<std::string, std::string>& map) {
  std::string out;
  for (const auto& [key, value] : map)
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", json_string(key), json_string(value));
  return "{" + out + "}";
}

// The predecessor's fields, as members of a JSON object.
std::string members(const runtime::ContainerDetails& details) {
  std::string out = fmt::format(R"("container_type": "cri", "labels": {}, "image": {})",
                                json_map(details.labels), json_string(details.image));
  if (!details.environment.empty()) out += ", \"env\": " + json_map(details.environment);
  return out;
}

void add_container(JsonLine& line, const runtime::ContainerDetails& details, EventLog::Form form) {
  if (form == EventLog::Form::kNested) line.add_json("container", "{" + members(details) + "}");
  line.add("container_type", "cri")
      .add_json("labels", json_map(details.labels))
      .add("image", details.image);
  if (!details.environment.empty()) line.add_json("env", json_map(details.environment));
  line.add("pod_namespace", details.pod_namespace())
      .add("pod_name", details.pod())
      .add("container_name", details.name);
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

void EventLog::use(const runtime::LookupSettings& settings) {
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
  if (identity.runtime != container::Runtime::kCri) return;
  const std::lock_guard lock(mutex_);
  if (lookup_) lookup_->prefetch(identity.id);
}

void EventLog::write(JsonLine line, std::string_view event, std::string_view level,
                     std::uint64_t cgroup_id, Form form) {
  const std::string cgroup = cgroup_path_(cgroup_id);
  if (!cgroup.empty()) line.add("cgroup", cgroup);
  const container::CgroupIdentity identity = container::identify_cgroup(cgroup);
  std::shared_ptr<runtime::ContainerLookup> lookup;
  if (identity.runtime == container::Runtime::kCri) {
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
    hand_out(line->action(), line->finish(event, level));
  };
  if (lookup) {
    lookup->find(identity.id, finish);
  } else {
    finish(nullptr);
  }
}

runtime::ContainerLookup::Counters EventLog::counters() const {
  const std::lock_guard lock(mutex_);
  return lookup_ ? lookup_->counters() : runtime::ContainerLookup::Counters{};
}

}  // namespace cryptnono::app
