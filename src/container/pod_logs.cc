#include "container/pod_logs.h"

#include <filesystem>

namespace cryptnono::container {

std::unordered_map<std::string, Pod> read_pod_logs(const std::string& directory) {
  std::unordered_map<std::string, Pod> out;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    // Neither a namespace nor a pod's name may hold a "_".
    const std::string name = it->path().filename().string();
    const std::size_t first = name.find('_');
    const std::size_t second = first == std::string::npos ? first : name.find('_', first + 1);
    if (second == std::string::npos || first == 0 || second == first + 1 ||
        second + 1 == name.size() || name.find('_', second + 1) != std::string::npos)
      continue;
    out.insert_or_assign(name.substr(second + 1),
                         Pod{.pod_namespace = name.substr(0, first),
                             .name = name.substr(first + 1, second - first - 1),
                             .labels = std::nullopt});
  }
  return out;
}

}  // namespace cryptnono::container
