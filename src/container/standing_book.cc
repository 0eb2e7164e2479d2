#include "container/standing_book.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "container/pod_logs.h"
#include "container/scope.h"
#include "proc/proc_reader.h"

namespace cryptnono::container {

namespace {

// A daemon that runs in a pod keeps to containers, unless it is told otherwise.
bool containers_only(config::Processes processes) {
  if (processes != config::Processes::kAuto) return processes == config::Processes::kContainers;
  return runs_in_pod();
}

// What a controller's pods are all called, without the five characters that it adds to each
// (k8s.io/apimachinery, names.SimpleNameGenerator: no vowels, so no word such as "test"); "" if it
// is not such a name.
std::string_view set_of(std::string_view pod_name) {
  constexpr std::size_t kRandom = 5;
  const std::size_t dash = pod_name.rfind('-');
  if (dash == std::string_view::npos || pod_name.size() != dash + 1 + kRandom) return "";
  if (pod_name.find_first_not_of("bcdfghjklmnpqrstvwxz2456789", dash + 1) != std::string_view::npos)
    return "";
  return pod_name.substr(0, dash);
}

}  // namespace

StandingSettings standing_settings(const config::Config& config) {
  return {.protect = config.protect,
          // A dry run is one everywhere.
          .namespace_actions =
              config.dry_run ? decltype(config.namespace_actions){} : config.namespace_actions,
          .containers_only = containers_only(config.scope.processes),
          .pod_logs = config.containers.pod_logs,
          .endpoints = config.containers.endpoints};
}

std::uint32_t mount_namespace_of(pid_t pid) {
  struct stat status {};
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/mnt";
  return stat(path.c_str(), &status) == 0 ? static_cast<std::uint32_t>(status.st_ino) : 0;
}

std::optional<FileId> file_id_of(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return FileId{.inode = status.st_ino,
                .device = major(status.st_dev) << 20U | minor(status.st_dev)};
}

Person person_of(pid_t pid) {
  return {.uid = proc::ProcReader().read_uid(pid),
          .executable = file_id_of("/proc/" + std::to_string(pid) + "/exe"),
          .mount = mount_namespace_of(pid)};
}

bool runs_in_pod() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it
  return std::getenv("KUBERNETES_SERVICE_HOST") != nullptr;
}

std::string own_pod() {
  const std::string text = proc::ProcReader().read_cgroup(getpid());
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string uid = container::pod_uid_of(text.substr(begin, end - begin));
    if (!uid.empty()) return uid;
    begin = end + 1;
  }
  const char* said = std::getenv("POD_UID");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return said == nullptr ? std::string() : said;
}

void StandingBook::use(StandingSettings settings) {
  own_pod_ = own_pod();
  protection_.emplace(settings.protect, settings.namespace_actions, own_pod_);
  executables_.clear();
  for (const std::string& path : settings.protect.executables) {
    if (const auto id = file_id_of(path)) executables_.push_back(*id);
  }
  settings_ = std::move(settings);
}

void StandingBook::take(Told told) {
  if (told.all_answered) {
    told_ = std::move(told);
    return;
  }
  // What a runtime said that does not answer now still holds.
  for (auto& [uid, pod] : told.pods) told_.pods.insert_or_assign(uid, std::move(pod));
  for (auto& [id, each] : told.containers) told_.containers.insert_or_assign(id, std::move(each));
  told_.mounts.merge(told.mounts);
}

void StandingBook::read_logs_if_unknown(const std::string& pod_uid) {
  if (pod_uid.empty() || log_pods_.contains(pod_uid) || settings_.pod_logs.empty()) return;
  log_pods_ = read_pod_logs(settings_.pod_logs);
}

std::vector<std::uint32_t> StandingBook::node_mounts() const {
  std::vector<std::uint32_t> out{own_mount_};
  out.insert(out.end(), told_.mounts.begin(), told_.mounts.end());
  return out;
}

const CgroupOwner* StandingBook::owner_of(std::string_view proc_cgroup) const {
  if (const CgroupOwner* owner = table_.owner_of(cgroup_path(proc_cgroup, ""))) return owner;
  if (v1_controllers_.empty()) return nullptr;
  return table_.owner_of(cgroup_path(proc_cgroup, v1_controllers_));
}

std::string StandingBook::pod_uid_of(const CgroupOwner& owner) const {
  if (!owner.pod_uid.empty() || owner.container_id.empty() || owner.nested) return owner.pod_uid;
  const auto told = told_.containers.find(owner.container_id);
  return told == told_.containers.end() ? std::string() : told->second.second;
}

Standing StandingBook::standing_of(const CgroupOwner& owner) const {
  if (owner.kind == CgroupOwner::Kind::kUser || !protection_) return {};
  const std::string uid = pod_uid_of(owner);
  std::optional<std::string> name;
  const auto told = told_.containers.find(
      owner.pod_uid.empty() && !owner.nested ? owner.container_id : owner.pod_container);
  if (told != told_.containers.end()) name = told->second.first;
  // Not a pod's: there is nothing more to be known of it.
  const bool podless = uid.empty() && owner.kind == CgroupOwner::Kind::kContainer &&
                       (owner.nested || owner.runtime != Runtime::kCri);
  if (podless) return Standing{.container = true};
  const std::optional<Pod> known = pod(uid);
  Standing out = protection_->of_pod(uid, known ? &*known : nullptr, name);
  if (out.why == Spared::kNot && of_own_set(uid)) out = {.container = true, .why = Spared::kOwnPod};
  return out;
}

// Who may make pods in the namespace of the daemon's could call one so, and it would be left alone.
bool StandingBook::of_own_set(const std::string& uid) const {
  const std::optional<Pod> own = pod(own_pod_);
  const std::optional<Pod> other = own ? pod(uid) : std::nullopt;
  if (!other || own->pod_namespace != other->pod_namespace) return false;
  const std::string_view set = set_of(own->name);
  return !set.empty() && set == set_of(other->name);
}

std::optional<Pod> StandingBook::pod(const std::string& uid) const {
  if (uid.empty()) return std::nullopt;
  if (const auto found = told_.pods.find(uid); found != told_.pods.end()) return found->second;
  if (const auto found = log_pods_.find(uid); found != log_pods_.end()) return found->second;
  return std::nullopt;
}

Permission StandingBook::permission(const CgroupOwner* owner, const Person& who) const {
  Permission out;
  const Standing standing = owner == nullptr ? Standing{} : standing_of(*owner);
  const auto& users = settings_.protect.users;
  out.report = standing.report ||
               (standing.unknown && settings_.protect.unclassified == config::Action::kReport);
  out.kill = standing.kill;
  if (standing.why != Spared::kNot) {
    out.spared = standing.why;
  } else if (settings_.containers_only &&
             (!standing.container || who.mount == own_mount_ || told_.mounts.contains(who.mount))) {
    out.spared = Spared::kNode;
  } else if (who.uid && std::find(users.begin(), users.end(), *who.uid) != users.end()) {
    out.spared = Spared::kUser;
  } else if (who.executable && std::find(executables_.begin(), executables_.end(),
                                         *who.executable) != executables_.end()) {
    out.spared = Spared::kExecutable;
  }
  return out;
}

}  // namespace cryptnono::container
