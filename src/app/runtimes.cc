#include "app/runtimes.h"

#include <unistd.h>

#include <utility>

#include "app/event_log.h"

namespace cryptnono::app {

namespace {

std::vector<std::string> there_are(std::vector<std::string> endpoints) {
  std::erase_if(endpoints, [](const std::string& path) { return access(path.c_str(), F_OK) != 0; });
  return endpoints;
}

}  // namespace

container::StandingSettings standing_settings(const config::Config& config) {
  container::StandingSettings out = container::standing_settings(config);
  out.endpoints = EventLog::settings_of(config.containers).endpoints;
  return out;
}

runtime::CriClient& Runtimes::client(const std::string& path) {
  auto& known = clients_[path];
  if (!known) known = std::make_unique<runtime::CriClient>(path);
  return *known;
}

container::Told Runtimes::ask(std::vector<std::string> endpoints, int timeout_ms) {
  container::Told told;
  told.all_answered = true;
  for (const std::string& path : there_are(std::move(endpoints))) {
    runtime::CriClient& asked = client(path);
    const auto pods = asked.pods(timeout_ms);
    const auto containers =
        pods ? asked.containers(timeout_ms)
             : Result<std::vector<runtime::ContainerInfo>>(fail("the pods are not known"));
    if (!pods || !containers) {
      told.all_answered = false;
      continue;
    }
    for (const runtime::PodInfo& pod : *pods) {
      told.pods.insert_or_assign(
          pod.uid, container::Pod{
                       .pod_namespace = pod.pod_namespace, .name = pod.name, .labels = pod.labels});
      told.containers.insert_or_assign(pod.sandbox_id, std::pair(std::string(), pod.uid));
    }
    for (const runtime::ContainerInfo& each : *containers)
      told.containers.insert_or_assign(each.id, std::pair(each.name, each.pod_uid));
    if (const std::uint32_t mount = container::mount_namespace_of(asked.peer_pid()); mount != 0)
      told.mounts.insert(mount);
  }
  return told;
}

std::optional<runtime::ContainerDetails> Runtimes::details(std::vector<std::string> endpoints,
                                                           const std::string& container_id,
                                                           int timeout_ms) {
  for (const std::string& path : there_are(std::move(endpoints))) {
    auto answer = client(path).container(container_id, {}, timeout_ms);
    if (answer && *answer) return std::move(**answer);
  }
  return std::nullopt;
}

}  // namespace cryptnono::app
