#include "proc/cgroup_view.h"

#include <utility>

namespace cryptnono::proc {

namespace {

std::string& namespace_root() {
  static std::string root;
  return root;
}

}  // namespace

std::string absolute_cgroup(std::string_view root, std::string_view path) {
  if (root.empty()) return std::string(path);
  std::string out(root == "/" ? "" : root);
  while (!path.empty()) {
    const std::size_t begin = path.find_first_not_of('/');
    if (begin == std::string_view::npos) break;
    path.remove_prefix(begin);
    const std::string_view component = path.substr(0, path.find('/'));
    path.remove_prefix(component.size());
    if (component == "..") {
      out.resize(out.empty() ? 0 : out.rfind('/'));
    } else {
      out += '/';
      out += component;
    }
  }
  return out.empty() ? "/" : out;
}

std::string absolute_cgroups(std::string_view root, std::string text) {
  if (root.empty()) return text;
  constexpr std::string_view kV2 = "0::";
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (std::string_view(text).substr(begin, kV2.size()) == kV2) {
      const std::size_t from = begin + kV2.size();
      const std::string path =
          absolute_cgroup(root, std::string_view(text).substr(from, end - from));
      return text.replace(from, end - from, path);
    }
    begin = end + 1;
  }
  return text;
}

void set_cgroup_namespace_root(std::string root) { namespace_root() = std::move(root); }
const std::string& cgroup_namespace_root() { return namespace_root(); }

}  // namespace cryptnono::proc
