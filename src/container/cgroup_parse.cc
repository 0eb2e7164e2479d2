#include "container/cgroup_parse.h"

#include <algorithm>
#include <array>
#include <optional>

namespace cryptnono::container {

namespace {

constexpr std::size_t kIdLength = 64;         // a container id: SHA-256 in hex
constexpr std::size_t kBuilderIdLength = 25;  // BuildKit: base 36

bool is_container_id(std::string_view text) {
  return text.size() == kIdLength &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The id between a prefix and an optional ".scope".
std::optional<std::string_view> scope_id(std::string_view component, std::string_view prefix) {
  if (!component.starts_with(prefix)) return std::nullopt;
  component.remove_prefix(prefix.size());
  if (component.ends_with(".scope")) component.remove_suffix(6);
  if (!is_container_id(component)) return std::nullopt;
  return component;
}

struct Prefix {
  std::string_view text;
  Runtime runtime;
};
constexpr std::array<Prefix, 7> kPrefixes{{{"cri-containerd-", Runtime::kCri},
                                           {"crio-conmon-", Runtime::kNone},
                                           {"crio-", Runtime::kCri},
                                           {"docker-", Runtime::kDocker},
                                           {"nerdctl-", Runtime::kCri},
                                           {"libpod-payload-", Runtime::kPodman},
                                           {"libpod-", Runtime::kPodman}}};

// A UUID with `-` or, from the systemd driver, `_`; or 32 digits: the hash of a static pod's
// manifest.
bool is_pod_uid(std::string_view text) {
  constexpr std::string_view kUuid = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  constexpr std::size_t kHashLength = 32;
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (text.size() == kHashLength) return std::all_of(text.begin(), text.end(), is_hex);
  if (text.size() != kUuid.size()) return false;
  const char separator = text[kUuid.find('-')];
  if (separator != '-' && separator != '_') return false;
  for (std::size_t i = 0; i < kUuid.size(); ++i) {
    if (kUuid[i] == '-' ? text[i] != separator : !is_hex(text[i])) return false;
  }
  return true;
}

// The uid of the pod whose cgroup `component` is; "" if it is none.
std::string_view pod_uid_in(std::string_view component) {
  constexpr std::string_view kPod = "pod";
  constexpr std::string_view kSlice = ".slice";
  component = component.substr(0, component.find(':'));  // "<slice>:cri-containerd:<id>"
  if (component.ends_with(kSlice)) {
    component.remove_suffix(kSlice.size());
    const std::size_t dash = component.rfind("-pod");
    if (dash == std::string_view::npos) return {};
    component.remove_prefix(dash + 1);
  }
  if (!component.starts_with(kPod)) return {};
  component.remove_prefix(kPod.size());
  return is_pod_uid(component) ? component : std::string_view{};
}

// `component`, below `parent`.
std::optional<CgroupIdentity> identify_component(std::string_view component,
                                                 std::string_view parent) {
  for (const Prefix& prefix : kPrefixes) {
    if (const auto id = scope_id(component, prefix.text)) {
      return CgroupIdentity{.runtime = prefix.runtime, .id = std::string(*id), .through = {}};
    }
  }
  // containerd under a kubelet with the systemd driver, itself without:
  // "<slice>:cri-containerd:<id>".
  if (const std::size_t colon = component.rfind(':'); colon != std::string_view::npos) {
    const std::string_view id = component.substr(colon + 1);
    if (is_container_id(id))
      return CgroupIdentity{.runtime = Runtime::kCri, .id = std::string(id), .through = {}};
  }
  if (is_container_id(component)) {
    const bool pod = parent.starts_with("pod") || parent.find("-pod") != std::string_view::npos;
    const Runtime runtime = pod ? Runtime::kCri : Runtime::kDocker;
    return CgroupIdentity{.runtime = runtime, .id = std::string(component), .through = {}};
  }
  if (parent == "buildkit" && component.size() == kBuilderIdLength) {
    return CgroupIdentity{
        .runtime = Runtime::kBuildkit, .id = std::string(component), .through = {}};
  }
  constexpr std::string_view kUserPrefix = "user-";
  constexpr std::string_view kSlice = ".slice";
  if (component.starts_with(kUserPrefix) && component.ends_with(kSlice)) {
    const std::string_view uid =
        component.substr(kUserPrefix.size(), component.size() - kUserPrefix.size() - kSlice.size());
    if (!uid.empty() && uid.find_first_not_of("0123456789") == std::string_view::npos) {
      return CgroupIdentity{.runtime = Runtime::kUser, .id = std::string(uid), .through = {}};
    }
  }
  return std::nullopt;
}

}  // namespace

CgroupIdentity identify_cgroup(std::string_view path) {
  CgroupIdentity found;
  std::string_view parent;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t slash = path.find('/', begin);
    const std::size_t end = slash == std::string_view::npos ? path.size() : slash;
    const std::string_view component = path.substr(begin, end - begin);
    // Below a container, only another container tells more: who may create cgroups there must not
    // be able to leave it by calling one as a user's slice or as a helper of the host.
    auto identity = identify_component(component, parent);
    const bool container =
        identity && identity->runtime != Runtime::kNone && identity->runtime != Runtime::kUser;
    if (identity &&
        (container || found.runtime == Runtime::kNone || found.runtime == Runtime::kUser)) {
      found = std::move(*identity);
      found.through = path.substr(0, end);
    }
    if (!component.empty()) parent = component;
    begin = end + 1;
  }
  return found;
}

PodCgroup pod_of(std::string_view path) {
  PodCgroup out;
  std::string_view found;
  std::string_view parent;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view component = path.substr(begin, end - begin);
    if (const std::string_view uid = pod_uid_in(component); !uid.empty()) found = uid;
    auto identity = identify_component(component, parent);
    if (identity && (!found.empty() || identity->runtime == Runtime::kCri)) {
      if (!found.empty() && identity->runtime != Runtime::kNone) out.container = identity->id;
      break;
    }
    if (!component.empty()) parent = component;
    begin = end + 1;
  }
  out.uid = found;
  std::replace(out.uid.begin(), out.uid.end(), '_', '-');
  return out;
}

std::string pod_uid_of(std::string_view path) { return pod_of(path).uid; }

}  // namespace cryptnono::container
