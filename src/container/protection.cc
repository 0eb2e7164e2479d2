#include "container/protection.h"

#include <algorithm>
#include <array>

namespace cryptnono::container {

std::string_view word_of(Spared why) {
  static constexpr std::array<std::string_view, 9> kWords{
      "not",       "process",   "node",           "user",   "executable",
      "namespace", "pod-label", "container-name", "own-pod"};
  return kWords.at(static_cast<std::size_t>(why));
}

Protection::Protection(config::Protect protect,
                       std::map<std::string, config::Action> namespace_actions, std::string own_pod)
    : protect_(std::move(protect)),
      namespace_actions_(std::move(namespace_actions)),
      own_pod_(std::move(own_pod)) {}

bool Protection::label_protects(const std::map<std::string, std::string>& labels) const {
  return std::any_of(
      protect_.pod_labels.begin(), protect_.pod_labels.end(), [&](const std::string& wanted) {
        const std::size_t equals = wanted.find('=');
        const auto found = labels.find(wanted.substr(0, equals));
        return found != labels.end() &&
               (equals == std::string::npos || found->second == wanted.substr(equals + 1));
      });
}

Standing Protection::of_pod(const std::string& uid, const Pod* pod,
                            const std::optional<std::string>& container_name) const {
  Standing out{.container = true};
  if (!own_pod_.empty() && uid == own_pod_) {
    out.why = Spared::kOwnPod;
    return out;
  }
  const auto& names = protect_.container_names;
  if (container_name && std::find(names.begin(), names.end(), *container_name) != names.end())
    out.why = Spared::kContainerName;
  out.unknown = !names.empty() && !container_name;
  if (pod == nullptr) {
    out.unknown = out.unknown || !protect_.namespaces.empty() || !protect_.pod_labels.empty() ||
                  !namespace_actions_.empty();
    return out;
  }
  const auto& namespaces = protect_.namespaces;
  if (std::find(namespaces.begin(), namespaces.end(), pod->pod_namespace) != namespaces.end())
    out.why = Spared::kNamespace;
  if (!protect_.pod_labels.empty()) {
    if (!pod->labels) {
      out.unknown = true;
    } else if (label_protects(*pod->labels)) {
      out.why = Spared::kPodLabel;
    }
  }
  const auto action = namespace_actions_.find(pod->pod_namespace);
  if (action != namespace_actions_.end()) {
    out.kill = kills(action->second);
    out.report = !out.kill;
  }
  if (out.why != Spared::kNot) out.unknown = false;
  return out;
}

}  // namespace cryptnono::container
