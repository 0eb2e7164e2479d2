// Directories of configuration files, as Kubernetes mounts a Secret, or as conf.d.
#pragma once

#include <string>
#include <vector>

namespace cryptnono::config {

// `paths`, where each directory is replaced by its files: whatever is no directory and has a name
// that does not begin with a dot (Kubernetes' ..data), sorted by name; links are followed, and one
// that leads nowhere is a file, so reading it is an error. There may be none. A directory that
// cannot be listed stays as it is: reading it says why.
[[nodiscard]] std::vector<std::string> expand_directories(const std::vector<std::string>& paths);

// What a FileWatcher has to watch for changes of these, and for files that come and go.
[[nodiscard]] std::vector<std::string> watch_patterns(const std::vector<std::string>& paths);

}  // namespace cryptnono::config
