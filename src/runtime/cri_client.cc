#include "runtime/cri_client.h"

#include <cri.pb.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace cryptnono::runtime {

namespace {

constexpr int kNotFound = 5;  // gRPC's NOT_FOUND

template <typename Message>
Result<Message> parsed(std::string_view body) {
  Message message;
  if (body.size() > GrpcChannel::kMaxAnswerBytes ||
      !message.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return fail("the runtime's answer cannot be read");
  }
  return message;
}

Error refused(const GrpcAnswer& answer) {
  return Error{"the runtime refused: " + answer.message + " (" + std::to_string(answer.status) +
               ")"};
}

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
  const auto response = TRY(parsed<cri::ContainerStatusResponse>(body));
  const cri::ContainerStatus& status = response.status();
  ContainerDetails details;
  details.type = "cri";
  details.name = status.metadata().name();
  details.image = status.image().image().empty() ? status.image_ref() : status.image().image();
  details.labels.insert(status.labels().begin(), status.labels().end());
  const auto info = response.info().find("info");
  if (!environment.empty() && info != response.info().end())
    read_environment(info->second, environment, details.environment);
  return details;
}

Result<std::vector<PodInfo>> parse_pods(std::string_view body) {
  const auto response = TRY(parsed<cri::ListPodSandboxResponse>(body));
  std::vector<PodInfo> out;
  for (const cri::PodSandbox& each : response.items()) {
    PodInfo pod{.uid = each.metadata().uid(),
                .name = each.metadata().name(),
                .pod_namespace = each.metadata().namespace_(),
                .sandbox_id = each.id(),
                .labels = {}};
    pod.labels.insert(each.labels().begin(), each.labels().end());
    out.push_back(std::move(pod));
  }
  return out;
}

Result<std::vector<ContainerInfo>> parse_containers(std::string_view body) {
  const auto response = TRY(parsed<cri::ListContainersResponse>(body));
  std::vector<ContainerInfo> out;
  for (const cri::Container& each : response.containers()) {
    ContainerInfo container{.id = each.id(),
                            .name = each.metadata().name(),
                            .sandbox_id = each.pod_sandbox_id(),
                            .pod_uid = {},
                            .labels = {}};
    container.labels.insert(each.labels().begin(), each.labels().end());
    const auto uid = container.labels.find("io.kubernetes.pod.uid");
    if (uid != container.labels.end()) container.pod_uid = uid->second;
    out.push_back(std::move(container));
  }
  return out;
}

Result<std::optional<ContainerDetails>> CriClient::container(
    std::string_view id, const std::vector<std::string>& environment, int timeout_ms) {
  cri::ContainerStatusRequest request;
  request.set_container_id(std::string(id));
  request.set_verbose(!environment.empty());  // ten times as large an answer
  const GrpcAnswer answer = TRY(channel_.call("/runtime.v1.RuntimeService/ContainerStatus",
                                              request.SerializeAsString(), timeout_ms));
  if (answer.status == kNotFound) return std::optional<ContainerDetails>();
  if (answer.status != 0) return tl::unexpected(refused(answer));
  return std::optional<ContainerDetails>(TRY(parse_container_status(answer.body, environment)));
}

Result<GrpcAnswer> CriClient::list(std::string_view method, int timeout_ms) {
  GrpcAnswer answer = TRY(channel_.call(method, {}, timeout_ms));  // no filter
  if (answer.status != 0) return tl::unexpected(refused(answer));
  return answer;
}

Result<std::vector<PodInfo>> CriClient::pods(int timeout_ms) {
  return parse_pods(TRY(list("/runtime.v1.RuntimeService/ListPodSandbox", timeout_ms)).body);
}

Result<std::vector<ContainerInfo>> CriClient::containers(int timeout_ms) {
  return parse_containers(TRY(list("/runtime.v1.RuntimeService/ListContainers", timeout_ms)).body);
}

}  // namespace cryptnono::runtime
