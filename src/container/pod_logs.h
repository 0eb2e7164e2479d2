// What the kubelet's directories of logs say of pods: their namespace and name, without any
// runtime.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "container/protection.h"

namespace cryptnono::container {

// By uid, of the directories NAMESPACE_NAME_UID in `directory` (/var/log/pods, which the kubelet
// makes before the first container of a pod); others are left out. Empty if it cannot be read.
std::unordered_map<std::string, Pod> read_pod_logs(const std::string& directory);

}  // namespace cryptnono::container
