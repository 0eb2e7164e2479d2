#include "runtime/docker_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace cryptnono::runtime {

namespace {

using Json = nlohmann::json;

// {"Config": {"Labels": {"name": "value"}, "Env": ["NAME=value"]}}: nothing deeper is kept, so that
// no answer can fill the memory with lists of lists.
constexpr int kMaxDepth = 3;

const Json& member(const Json& object, const char* name) {
  static const Json none;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() ? *found : none;
}

std::string text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

// All that the client needs of libcurl, once. No TLS: sockets of this machine.
bool start_curl() {
  static const bool started = curl_global_init(CURL_GLOBAL_NOTHING) == CURLE_OK;
  return started;
}

std::size_t append(const char* data, std::size_t /*one*/, std::size_t size, void* user) {
  auto& body = *static_cast<std::string*>(user);
  if (body.size() + size > DockerClient::kMaxAnswerBytes) return 0;  // ends the transfer
  body.append(data, size);
  return size;
}

}  // namespace

Result<ContainerDetails> parse_docker_container(std::string_view body,
                                                const std::vector<std::string>& environment) {
  const auto keep = [](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1)
      return parsed == "Name" || parsed == "Image" || parsed == "Config";
    return depth <= kMaxDepth;
  };
  const auto document = Json::parse(body, keep, false);
  if (!document.is_object() || !member(document, "Image").is_string() ||
      !member(document, "Config").is_object()) {
    return fail("what Docker answers is not a container");
  }
  ContainerDetails details;
  details.type = "docker";
  details.name = text(member(document, "Name"));
  if (details.name.starts_with('/')) details.name.erase(0, 1);
  details.image = text(member(document, "Image"));
  const Json& config = member(document, "Config");
  const Json& labels = member(config, "Labels");  // null if there are none
  if (labels.is_object()) {
    for (const auto& [key, value] : labels.items())
      if (value.is_string()) details.labels[key] = value.get<std::string>();
  }
  const Json& variables = member(config, "Env");
  if (!variables.is_array()) return details;
  for (const Json& each : variables) {
    const std::string variable = text(each);
    const std::size_t equals = variable.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = variable.substr(0, equals);
    if (std::find(environment.begin(), environment.end(), name) != environment.end())
      details.environment[name] = variable.substr(equals + 1);
  }
  return details;
}

DockerClient::DockerClient(std::string socket_path)
    : socket_path_(std::move(socket_path)),
      curl_(start_curl() ? curl_easy_init() : nullptr, curl_easy_cleanup) {}

Result<std::optional<ContainerDetails>> DockerClient::container(
    std::string_view id, const std::vector<std::string>& environment, int timeout_ms) {
  const bool plain = !id.empty() && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  if (!plain) return std::optional<ContainerDetails>();  // and would be another address
  if (!curl_) return fail(socket_path_ + ": libcurl cannot be used");
  CURL* curl = curl_.get();
  std::string body;
  std::array<char, CURL_ERROR_SIZE> why{};
  const std::string url = "http://localhost/containers/" + std::string(id) + "/json";
  curl_easy_reset(curl);  // keeps the connection
  const std::array<CURLcode, 11> settings{
      curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path_.c_str()),
      curl_easy_setopt(curl, CURLOPT_URL, url.c_str()),
      curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http"),
      curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1),
      curl_easy_setopt(curl, CURLOPT_PROXY, ""),  // else the environment may name one
      curl_easy_setopt(curl, CURLOPT_USERAGENT, "cryptnono"),
      curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms)),
      curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L),
      curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why.data()),
      curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append),
      curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body)};
  for (const CURLcode set : settings)
    if (set != CURLE_OK) return fail(socket_path_ + ": " + curl_easy_strerror(set));
  const CURLcode done = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  if (done == CURLE_OPERATION_TIMEDOUT) return fail(socket_path_ + ": no answer in time");
  if (done == CURLE_WRITE_ERROR) return fail(socket_path_ + ": the answer is too large");
  if (done != CURLE_OK) {
    return fail(socket_path_ + ": " +
                (why.front() != '\0' ? why.data() : curl_easy_strerror(done)));
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status == 404) return std::optional<ContainerDetails>();
  if (status != 200) return fail(socket_path_ + ": HTTP status " + std::to_string(status));
  Result<ContainerDetails> details = parse_docker_container(body, environment);
  if (!details) return tl::unexpected(with_context(socket_path_, std::move(details).error()));
  return std::optional<ContainerDetails>(*std::move(details));
}

}  // namespace cryptnono::runtime
