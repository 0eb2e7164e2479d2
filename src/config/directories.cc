#include "config/directories.h"

#include <algorithm>
#include <filesystem>
#include <iterator>

namespace cryptnono::config {

namespace {

bool names_directory(const std::filesystem::path& path) {
  std::error_code none;
  return std::filesystem::is_directory(path, none);
}

// Appends the files of `directory`; false if it cannot be listed.
bool list(const std::string& directory, std::vector<std::string>& out) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::filesystem::path& path = entry->path();
    if (!path.filename().string().starts_with('.') && !names_directory(path))
      files.push_back(path.string());
  }
  if (error) return false;
  std::sort(files.begin(), files.end());
  std::move(files.begin(), files.end(), std::back_inserter(out));
  return true;
}

}  // namespace

std::vector<std::string> expand_directories(const std::vector<std::string>& paths) {
  std::vector<std::string> out;
  for (const std::string& path : paths) {
    if (!names_directory(path) || !list(path, out)) out.push_back(path);
  }
  return out;
}

std::vector<std::string> watch_patterns(const std::vector<std::string>& paths) {
  std::vector<std::string> out;
  std::transform(paths.begin(), paths.end(), std::back_inserter(out),
                 [](const auto& path) { return names_directory(path) ? path + "/*" : path; });
  return out;
}

}  // namespace cryptnono::config
