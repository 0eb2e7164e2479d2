#include "runtime/cri_client.h"

#include <cri.pb.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace cryptnono::runtime {

namespace {

constexpr int kNotFound = 5;  // gRPC's NOT_FOUND

// containerd writes the container's configuration into info["info"], a JSON document:
// {"config": {"envs": [{"key": ..., "value": ...}]}}; CRI-O has none, so there are no variables.
void read_environment(const std::string& document, const std::vector<std::string>& wanted,
                      std::map<std::string, std::string>& out) {
  const auto info = nlohmann::json::parse(document, nullptr, false);
  if (!info.is_object() || !info.contains("config") || !info["config"].is_object()) return;
  const auto& config = info["config"];
  if (!config.contains("envs") || !config["envs"].is_array()) return;
  for (const auto& each : config["envs"]) {
    if (!each.is_object()) continue;
    const auto key = each.find("key");
    const auto value = each.find("value");
    if (key == each.end() || value == each.end() || !key->is_string() || !value->is_string())
      continue;
    const auto name = key->get<std::string>();
    if (std::find(wanted.begin(), wanted.end(), name) != wanted.end())
      out[name] = value->get<std::string>();
  }
}

}  // namespace

Result<ContainerDetails> parse_container_status(std::string_view body,
                                                const std::vector<std::string>& environment) {
  cri::ContainerStatusResponse response;
  if (!response.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return fail("the runtime's answer cannot be read");
  const cri::ContainerStatus& status = response.status();
  ContainerDetails details;
  details.name = status.metadata().name();
  details.image = status.image().image().empty() ? status.image_ref() : status.image().image();
  details.labels.insert(status.labels().begin(), status.labels().end());
  const auto info = response.info().find("info");
  if (!environment.empty() && info != response.info().end())
    read_environment(info->second, environment, details.environment);
  return details;
}

Result<std::vector<PodInfo>> parse_pods(std::string_view body) {
  cri::ListPodSandboxResponse response;
  if (!response.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return fail("the runtime's answer cannot be read");
  std::vector<PodInfo> out;
  for (const cri::PodSandbox& each : response.items()) {
    out.push_back({.uid = each.metadata().uid(),
                   .name = each.metadata().name(),
                   .pod_namespace = each.metadata().namespace_(),
                   .sandbox_id = each.id(),
                   .labels = {each.labels().begin(), each.labels().end()}});
  }
  return out;
}

Result<std::vector<ContainerInfo>> parse_containers(std::string_view body) {
  cri::ListContainersResponse response;
  if (!response.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return fail("the runtime's answer cannot be read");
  std::vector<ContainerInfo> out;
  for (const cri::Container& each : response.containers()) {
    const auto uid = each.labels().find("io.kubernetes.pod.uid");
    out.push_back({.id = each.id(),
                   .name = each.metadata().name(),
                   .sandbox_id = each.pod_sandbox_id(),
                   .pod_uid = uid == each.labels().end() ? std::string() : uid->second,
                   .labels = {each.labels().begin(), each.labels().end()}});
  }
  return out;
}

namespace {

// The reply of a method whose request has no fields that matter here.
Result<std::string> list(GrpcChannel& channel, std::string_view method, int timeout_ms) {
  GrpcAnswer answer = TRY(channel.call(method, {}, timeout_ms));
  if (answer.status == 0) return std::move(answer.body);
  return fail("the runtime refused: " + answer.message + " (" + std::to_string(answer.status) +
              ")");
}

}  // namespace

Result<std::vector<PodInfo>> CriClient::pods(int timeout_ms) {
  return parse_pods(TRY(list(channel_, "/runtime.v1.RuntimeService/ListPodSandbox", timeout_ms)));
}

Result<std::vector<ContainerInfo>> CriClient::containers(int timeout_ms) {
  return parse_containers(
      TRY(list(channel_, "/runtime.v1.RuntimeService/ListContainers", timeout_ms)));
}

Result<std::optional<ContainerDetails>> CriClient::container(
    std::string_view id, const std::vector<std::string>& environment, int timeout_ms) {
  cri::ContainerStatusRequest request;
  request.set_container_id(std::string(id));
  request.set_verbose(!environment.empty());  // ten times as large an answer
  const GrpcAnswer answer = TRY(channel_.call("/runtime.v1.RuntimeService/ContainerStatus",
                                              request.SerializeAsString(), timeout_ms));
  if (answer.status == kNotFound) return std::optional<ContainerDetails>();
  if (answer.status != 0) {
    return fail("the runtime refused: " + answer.message + " (" + std::to_string(answer.status) +
                ")");
  }
  return std::optional<ContainerDetails>(TRY(parse_container_status(answer.body, environment)));
}

}  // namespace cryptnono::runtime
