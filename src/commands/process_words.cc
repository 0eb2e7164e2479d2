#include "commands/process_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/timestamp.h"
#include "base/utf8.h"
#include "detect/exec/exec_rules.h"

namespace cryptnono::commands {

namespace {

using container::CgroupOwner;

std::string join(const std::map<std::string, std::string>& labels) {
  std::string out;
  for (const auto& [key, value] : labels)
    out += fmt::format("{}{}={}", out.empty() ? "" : ", ", key, value);
  return out.empty() ? "none" : out;
}

std::string_view runtime_name(container::Runtime runtime) {
  switch (runtime) {
    case container::Runtime::kCri:
      return "containerd or CRI-O";
    case container::Runtime::kDocker:
      return "Docker";
    case container::Runtime::kBuildkit:
      return "BuildKit";
    case container::Runtime::kPodman:
      return "Podman";
    default:
      return "unknown";
  }
}

void say_pod(const ProcessFacts& facts, const std::string& uid, std::string_view how,
             std::ostream& out) {
  say(out, "pod uid", fmt::format("{}{}", uid, how));
  const auto pod = facts.book.pod(uid);
  const bool told = facts.book.told().pods.contains(uid);
  const std::string source = told ? "the runtime" : facts.book.settings().pod_logs;
  if (!pod) {
    say(out, "pod",
        "not known: neither the runtime nor " + facts.book.settings().pod_logs +
            " says what it is");
    return;
  }
  say(out, "namespace", fmt::format("{} (by {})", pod->pod_namespace, source));
  say(out, "pod", fmt::format("{} (by {})", pod->name, source));
  if (pod->labels) say(out, "pod labels", join(*pod->labels));
}

void say_container(const ProcessFacts& facts, const CgroupOwner& owner, std::ostream& out) {
  say(out, "container id", owner.container_id);
  say(out, "runtime", runtime_name(owner.runtime));
  const auto known = facts.book.told().containers.find(owner.container_id);
  if (known != facts.book.told().containers.end())
    say(out, "container", known->second.first.empty() ? "the pod's sandbox" : known->second.first);
  if (facts.details) {
    say(out, "image", facts.details->image);
    say(out, "labels", join(facts.details->labels));
  } else if (owner.runtime == container::Runtime::kCri) {
    say(out, "image",
        facts.runtimes_answered ? "not known: no runtime knows this container"
                                : "not known: a runtime does not answer");
  }
}

}  // namespace

void say(std::ostream& out, std::string_view what, std::string_view text) {
  out << what << ": " << for_terminal(text) << '\n';
}

void say_who(const ProcessFacts& facts, const config::Log& log, app::Redactor& redactor,
             std::ostream& out) {
  const detect::Subject& who = facts.who;
  const std::size_t limit = log.max_command_line_bytes;
  // First: what is found in it is masked in the others too.
  std::string line = redactor.command_line(who, {}, limit);
  const std::string path = redactor.text(who.path);
  say(out, "process", fmt::format("{} ({})", who.pid, redactor.name(who.comm)));
  say(out, "started", timestamp_of_start(who.start_ticks));
  say(out, "user", std::to_string(who.uid));
  say(out, "executable",
      path.empty()               ? "none, or not readable"
      : facts.executable_trusted ? path
                                 : path + " (others than root could have written it)");
  if (line.size() > limit || (!redactor.reveals() && who.argv.size() > limit)) {
    line.resize(std::min(line.size(), limit));
    line += fmt::format("... (cut; {} bytes in all)", who.argv_bytes);
  }
  say(out, "command line", line.empty() ? "none" : line);
  std::string ancestors;
  for (const detect::Ancestor& each : who.origin.ancestors)
    ancestors += fmt::format("{}{} {} (user {})", ancestors.empty() ? "" : ", ", each.pid,
                             redactor.name(each.comm), each.uid);
  say(out, "ancestors", ancestors.empty() ? "none" : ancestors);
}

void say_where(const ProcessFacts& facts, std::ostream& out) {
  const CgroupOwner* owner = facts.book.owner_of(facts.cgroup);
  const detect::Origin& origin = facts.who.origin;
  say(out, "cgroup v2", origin.cgroup.empty() ? "none" : origin.cgroup);
  if (!facts.book.v1_controllers().empty())
    say(out, "cgroup v1",
        fmt::format("{} ({})", origin.cgroup_v1.empty() ? "none" : origin.cgroup_v1,
                    facts.book.v1_controllers()));
  if (owner == nullptr || owner->kind == CgroupOwner::Kind::kUser) {
    say(out, "container", "none");
    return;
  }
  if (owner->kind == CgroupOwner::Kind::kContainer) say_container(facts, *owner, out);
  const std::string uid = facts.book.pod_uid_of(*owner);
  if (!uid.empty()) {
    say_pod(facts, uid, "", out);
  } else if (!facts.outer_pod.empty()) {
    say_pod(facts, facts.outer_pod, " (an ancestor's: nothing of it protects)", out);
  } else {
    say(out, "pod", "none");
  }
}

}  // namespace cryptnono::commands
