// libFuzzer target: the bytes that any user of the node chooses and the daemon reads as root:
// command lines, process names, names of cgroups. Beyond the sanitizers it checks what the
// functions promise about any bytes.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_line.h"
#include "base/shell_quote.h"
#include "base/utf8.h"
#include "container/cgroup_parse.h"
#include "container/scope.h"
#include "proc/process.h"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

// The words of a command line as a POSIX shell takes them, for the quotes that quoting writes.
// Nothing if one is left open.
std::optional<std::vector<std::string>> shell_words(std::string_view text) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (const char c : text) {
    if (quote == 0 && c == ' ') {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (quote == c) {
      quote = 0;
    } else {
      words.back() += c;
    }
  }
  if (quote != 0) return std::nullopt;
  return words;
}

void check_command_line(std::string_view area) {
  const std::vector<std::string_view> arguments = cryptnono::split_cmdline(area);
  std::string whole;
  for (const std::string_view argument : arguments) whole.append(argument).push_back('\0');
  if (!area.empty() && area.back() != '\0') whole.pop_back();
  require(whole == area, "splitting loses nothing");

  const auto words = shell_words(cryptnono::shell_join(arguments));
  require(words.has_value(), "every quote is closed");
  require(words->size() == arguments.size(), "a shell sees as many words as there are arguments");
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    require((*words)[i] == arguments[i], "a shell sees the arguments");
  }
}

void check_text(std::string_view text) {
  const std::string clean = cryptnono::replace_invalid_utf8(text);
  require(cryptnono::replace_invalid_utf8(clean) == clean, "what was replaced is UTF-8");
  const std::string lower = cryptnono::ascii_lower(text);
  require(lower.size() == text.size() && cryptnono::ascii_lower(lower) == lower,
          "lower case stays so");
  require(nlohmann::json::parse(cryptnono::json_string(clean)) == clean,
          "UTF-8 comes back from JSON");

  const std::string line = cryptnono::JsonLine().add("pid", 1).add(text, text).finish(text, "info");
  require(line.find('\n') == line.size() - 1, "a record is one line");
  for (const char c : std::string_view(line).substr(0, line.size() - 1)) {
    require(c >= ' ' && c <= '~', "a record is printable ASCII");
  }
  require(nlohmann::json::accept(line), "a record is JSON");
}

void check_cgroup(std::string_view text) {
  namespace container = cryptnono::container;
  for (const std::string_view controllers : {"", "pids", "name=systemd"}) {
    const std::string_view path = container::cgroup_path(text, controllers);
    require(path.find('\n') == std::string_view::npos, "a path ends with its line");
  }
  const container::CgroupIdentity found = container::identify_cgroup(text);
  require(text.starts_with(found.through), "the part that told is of the path");
  require(found.through.empty() == found.id.empty(), "where there is an id, something told it");
  require(found.id.empty() || found.through.find(found.id) != std::string_view::npos,
          "the id is of the path");
  require(found.runtime == container::Runtime::kNone || !found.id.empty(), "a container has an id");
  for (const std::string& other : {std::string(found.through), std::string(text) + "/child"}) {
    const container::CgroupIdentity same = container::identify_cgroup(other);
    require(same.runtime == found.runtime && same.id == found.id && same.through == found.through,
            "what is below belongs to the container");
  }

  const container::PodCgroup pod = container::pod_of(text);
  const std::string& uid = pod.uid;
  require(uid.empty() || uid.size() == 36 || uid.size() == 32, "a pod's uid is whole");
  require(uid.find_first_not_of("0123456789abcdef-") == std::string::npos, "a pod's uid is plain");
  require(container::pod_uid_of(std::string(text) + "/child") == uid,
          "what is below belongs to the pod");
  require(pod.container.empty() || !uid.empty(), "a pod's container is in a pod");
  require(uid == container::pod_uid_of(text), "one uid");
  // Whatever it calls the cgroups below its own: who is in a pod's container stays there.
  const std::string other = "podffffffff-0000-4000-8000-000000000000";
  const std::string id(64, 'f');
  for (const std::string& below : {"/" + other, "/" + other + "/" + id, "/docker/" + id,
                                   "/kubepods-" + other + ".slice:cri-containerd:" + id}) {
    if (pod.container.empty()) break;
    const container::PodCgroup same = container::pod_of(std::string(text) + below);
    require(same.uid == uid && same.container == pod.container, "nobody leaves a pod's container");
  }
}

void check_stat(std::string_view text) {
  (void)cryptnono::proc::parse_stat(text);
  const std::string line =
      "12 (" + std::string(text) + ") R 7 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 98765 1 1\n";
  const auto stat = cryptnono::proc::parse_stat(line);
  require(stat.has_value() && stat->comm == text, "a name may be anything");
  require(
      stat->state == 'R' && stat->ppid == 7 && stat->flags == 4194304 && stat->start_ticks == 98765,
      "a name does not change what follows");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_command_line(text);
  check_text(text);
  check_cgroup(text);
  check_stat(text);
  return 0;
}
