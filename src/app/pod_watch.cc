#include "app/pod_watch.h"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

#include "container/cgroup_id.h"
#include "container/pod_logs.h"
#include "container/scope.h"
#include "kernel/cgroup_subsys.h"
#include "proc/proc_reader.h"
#include "runtime/container_lookup.h"

namespace cryptnono::app {

namespace {

using container::CgroupOwner;
using container::Spared;
using container::Standing;

// start() waits so long for a runtime that says who is protected; one that answers needs a few
// milliseconds.
constexpr int kStartTimeoutMs = 250;
constexpr int kAskTimeoutMs = 2000;
// What is still unknown is asked for again after this, then after twice as long, and so on.
constexpr std::chrono::milliseconds kFirstPause{20};
constexpr std::chrono::milliseconds kLongestPause{30'000};

// The inode number of a mount namespace; 0 if the process is gone.
std::uint32_t mount_namespace_of(pid_t pid) {
  struct stat status {};
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/mnt";
  return stat(path.c_str(), &status) == 0 ? static_cast<std::uint32_t>(status.st_ino) : 0;
}

std::optional<file_key> key_of(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  file_key key{};
  key.inode = status.st_ino;
  key.device = major(status.st_dev) << 20U | minor(status.st_dev);  // MKDEV, include/linux/kdev_t.h
  return key;
}

// The number that /proc/PID/cgroup gives the hierarchy of these controllers.
int hierarchy_number(const std::string& controllers) {
  const std::string text = proc::ProcReader().read_cgroup(getpid());
  const std::size_t at = text.find(":" + controllers + ":");
  if (at == std::string::npos) return 0;
  const std::size_t begin = text.rfind('\n', at);
  return std::atoi(text.c_str() + (begin == std::string::npos ? 0 : begin + 1));
}

// The hierarchy of v1 that tells containers apart; every runtime uses these.
std::optional<container::Hierarchy> v1_hierarchy_with_containers() {
  const auto all = container::mounted_hierarchies();
  for (const std::string_view wanted : {"pids", "memory", "devices", "freezer"}) {
    for (const container::Hierarchy& each : all) {
      if (("," + each.controllers + ",").find("," + std::string(wanted) + ",") != std::string::npos)
        return each;
    }
  }
  return std::nullopt;
}

// The daemon's own pod: by its cgroup, or as the downward API says.
std::string own_pod() {
  const std::string text = proc::ProcReader().read_cgroup(getpid());
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string uid = container::pod_uid_of(text.substr(begin, end - begin));
    if (!uid.empty()) return uid;
    begin = end + 1;
  }
  const char* said = std::getenv("POD_UID");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return said == nullptr ? std::string() : said;
}

}  // namespace

PodWatch::~PodWatch() { stop(); }

void PodWatch::start(kernel::Enforcement& owner) {
  owner_ = &owner;
  own_mount_ = mount_namespace_of(1);
  int number = 0;
  if (const auto v1 = v1_hierarchy_with_containers()) {
    if (const auto hierarchy = kernel::v1_hierarchy(v1->controllers)) {
      v1_controllers_ = v1->controllers;
      v1_mount_ = v1->mount_point;
      v1_hierarchy_ = *hierarchy;
      number = hierarchy_number(v1->controllers);
    }
  }
  // From before the first look on, so that nothing falls between.
  auto events = kernel::CgroupEvents::start(
      number, [this](std::uint64_t id, std::string_view path) { on_cgroup(id, path); });
  if (events) {
    events_ = std::move(*events);
  } else {
    why_no_events_ = events.error().message;
  }
  refresh();
  bool wanted = false;
  {
    const std::lock_guard lock(mutex_);
    wanted = ask_wanted_;
  }
  if (wanted) take(ask(kStartTimeoutMs));
  stop_fd_.reset(eventfd(0, EFD_CLOEXEC));
  if (events_) watch_thread_ = std::thread([this] { watch(); });
  ask_thread_ = std::thread([this] { ask_forever(); });
}

void PodWatch::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  const std::uint64_t one = 1;
  if (stop_fd_) [[maybe_unused]]
    const ssize_t written = write(stop_fd_.get(), &one, sizeof one);
  if (watch_thread_.joinable()) watch_thread_.join();
  if (ask_thread_.joinable()) ask_thread_.join();
}

Result<void> PodWatch::use(PodWatchSettings settings) {
  const std::lock_guard lock(mutex_);
  protection_.emplace(settings.protect, settings.namespace_actions, own_pod());
  executables_.clear();
  for (const std::string& path : settings.protect.executables) {
    if (const auto key = key_of(path)) executables_.push_back(*key);
  }
  settings_ = std::move(settings);
  if (owner_ == nullptr) return {};
  TRY(owner_->set_protected(settings_.protect.users, executables_));
  tell_rules();
  tell_kernel_all();
  return {};
}

void PodWatch::also(kernel::Enforcement* other) {
  const std::lock_guard lock(mutex_);
  other_ = other;
  tell_rules();
}

void PodWatch::tell_rules() {
  kernel::PlaceRules rules;
  rules.containers_only = settings_.containers_only;
  rules.unknown_reports = settings_.protect.unclassified == config::Action::kReport;
  rules.v1_hierarchy = v1_hierarchy_;
  rules.node_mounts.push_back(own_mount_);
  for (const std::uint32_t mount : told_.mounts) rules.node_mounts.push_back(mount);
  rules.users = !settings_.protect.users.empty();
  rules.executables = !executables_.empty();
  if (owner_ != nullptr) owner_->set_place(rules);
  if (other_ != nullptr) other_->set_place(rules);
}

void PodWatch::watch() {
  // What is in a new container is not known until this has run.
  const sched_param priority{.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO, &priority);
  std::uint64_t lost_before = 0;
  for (;;) {
    std::array<pollfd, 2> waited{pollfd{.fd = events_->epoll_fd(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = stop_fd_.get(), .events = POLLIN, .revents = 0}};
    poll(waited.data(), waited.size(), -1);
    if ((waited[1].revents & POLLIN) != 0) return;
    events_->consume();
    if (events_->lost() != lost_before) {
      lost_before = events_->lost();
      refresh();
    }
  }
}

void PodWatch::on_cgroup(std::uint64_t id, std::string_view path) {
  if (path.empty()) return;  // found by the next look
  bool container = false;
  {
    const std::lock_guard lock(mutex_);
    table_.add(id, std::string(path));
    const auto owner = table_.owners().find(id);
    if (owner == table_.owners().end()) return;
    container = owner->second.kind == CgroupOwner::Kind::kContainer;
    read_logs_if_unknown(pod_uid_of(owner->second));
    const kernel::UnitCgroup unit = unit_of(owner->second);
    [[maybe_unused]] const Result<void> told = owner_->set_unit(unit);
    if (unit.standing.unknown) {
      ask_wanted_ = true;
      wake_.notify_all();
    }
  }
  if (container && seen_) seen_(std::string(path));
}

void PodWatch::refresh() {
  std::vector<std::pair<std::uint64_t, std::string>> cgroups;
  if (!v1_mount_.empty()) {
    cgroups = container::read_cgroups(v1_mount_);
    for (auto& [id, path] : cgroups) id |= container::kCgroupIdV1;
  }
  const std::string v2 = container::cgroup2_mount_point();
  if (!v2.empty()) {
    auto more = container::read_cgroups(v2);
    cgroups.insert(cgroups.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
  }
  std::vector<std::string> containers;
  {
    const std::lock_guard lock(mutex_);
    table_.replace(std::move(cgroups));
    tell_kernel_all();
    for (const auto& [id, owner] : table_.owners()) {
      if (owner.kind == CgroupOwner::Kind::kContainer) containers.push_back(table_.path_of(id));
    }
  }
  if (!seen_) return;
  for (const std::string& path : containers) seen_(path);
}

void PodWatch::tell_kernel_all() {
  if (owner_ == nullptr || !protection_) return;
  std::vector<kernel::UnitCgroup> units;
  units.reserve(table_.owners().size());
  bool unknown = false;
  for (const auto& [id, owner] : table_.owners()) {
    read_logs_if_unknown(pod_uid_of(owner));
    units.push_back(unit_of(owner));
    unknown =
        unknown || (units.back().standing.unknown && owner.kind != CgroupOwner::Kind::kNursery);
  }
  // On failure the kernel knows less: it counts by user, and takes a container for its pod.
  [[maybe_unused]] const Result<void> told = owner_->set_units(units);
  if (unknown || (settings_.containers_only && told_.mounts.empty())) {
    ask_wanted_ = true;
    wake_.notify_all();
  }
}

void PodWatch::read_logs_if_unknown(const std::string& uid) {
  if (uid.empty() || log_pods_.contains(uid) || settings_.pod_logs.empty()) return;
  log_pods_ = container::read_pod_logs(settings_.pod_logs);
}

std::string PodWatch::pod_uid_of(const CgroupOwner& owner) const {
  if (!owner.pod_uid.empty() || owner.container_id.empty() || owner.nested) return owner.pod_uid;
  const auto told = told_.containers.find(owner.container_id);
  return told == told_.containers.end() ? std::string() : told->second.second;
}

Standing PodWatch::standing_of(const CgroupOwner& owner) const {
  if (owner.kind == CgroupOwner::Kind::kUser || !protection_) return {};
  const std::string uid = pod_uid_of(owner);
  std::optional<std::string> name;
  const auto told = told_.containers.find(owner.pod_uid.empty() && !owner.nested
                                              ? owner.container_id
                                              : owner.pod_container);
  if (told != told_.containers.end()) name = told->second.first;
  // Not a pod's: there is nothing more to be known of it.
  const bool podless = uid.empty() && owner.kind == CgroupOwner::Kind::kContainer &&
                       (owner.nested || owner.runtime != container::Runtime::kCri);
  if (podless) return Standing{.container = true};
  const std::optional<container::Pod> known = uid.empty() ? std::nullopt : [&] {
    std::optional<container::Pod> out;
    if (const auto pod = told_.pods.find(uid); pod != told_.pods.end()) out = pod->second;
    if (const auto pod = log_pods_.find(uid); !out && pod != log_pods_.end()) out = pod->second;
    return out;
  }();
  return protection_->of_pod(uid, known ? &*known : nullptr, name);
}

kernel::UnitCgroup PodWatch::unit_of(const CgroupOwner& owner) const {
  return {.cgroup_id = owner.id,
          .unit = owner.kind == CgroupOwner::Kind::kNursery ? 0 : owner.id,
          .standing = standing_of(owner)};
}

void PodWatch::ask_forever() {
  auto pause = kFirstPause;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait(lock, [this] { return stopping_ || ask_wanted_; });
    if (stopping_) return;
    ask_wanted_ = false;
    lock.unlock();
    take(ask(kAskTimeoutMs));
    lock.lock();
    // Something may stay unknown: a pod that is being made, a runtime that is down.
    pause = ask_wanted_ ? std::min(pause * 2, kLongestPause) : kFirstPause;
    wake_.wait_for(lock, pause, [this] { return stopping_; });
  }
}

PodWatch::Told PodWatch::ask(int timeout_ms) {
  std::vector<std::string> endpoints;
  {
    const std::lock_guard lock(mutex_);
    endpoints = settings_.endpoints;
  }
  const std::lock_guard clients_lock(clients_mutex_);
  Told told;
  told.all_answered = true;
  for (const std::string& path : endpoints) {
    if (access(path.c_str(), F_OK) != 0) continue;
    auto& client = clients_[path];
    if (!client) client = std::make_unique<runtime::CriClient>(path);
    const auto pods = client->pods(timeout_ms);
    const auto containers =
        pods ? client->containers(timeout_ms)
             : Result<std::vector<runtime::ContainerInfo>>(fail("the pods are not known"));
    if (!pods || !containers) {
      told.all_answered = false;
      continue;
    }
    for (const runtime::PodInfo& pod : *pods) {
      told.pods.insert_or_assign(
          pod.uid, container::Pod{
                       .pod_namespace = pod.pod_namespace, .name = pod.name, .labels = pod.labels});
      told.containers.insert_or_assign(pod.sandbox_id, std::pair(std::string(), pod.uid));
    }
    for (const runtime::ContainerInfo& each : *containers)
      told.containers.insert_or_assign(each.id, std::pair(each.name, each.pod_uid));
    if (const std::uint32_t mount = mount_namespace_of(client->peer_pid()); mount != 0)
      told.mounts.insert(mount);
  }
  return told;
}

void PodWatch::take(Told told) {
  const std::lock_guard lock(mutex_);
  if (told.all_answered) {
    told_ = std::move(told);
  } else {
    // What a runtime said that does not answer now still holds.
    for (auto& [uid, pod] : told.pods) told_.pods.insert_or_assign(uid, std::move(pod));
    for (auto& [id, each] : told.containers) told_.containers.insert_or_assign(id, std::move(each));
    told_.mounts.merge(told.mounts);
  }
  tell_rules();
  tell_kernel_all();
}

const CgroupOwner* PodWatch::owner_of(const std::string& proc_cgroup) const {
  if (const CgroupOwner* owner = table_.owner_of(container::cgroup_path(proc_cgroup, "")))
    return owner;
  if (v1_controllers_.empty()) return nullptr;
  return table_.owner_of(container::cgroup_path(proc_cgroup, v1_controllers_));
}

void PodWatch::locate(const std::string& proc_cgroup, detect::Subject& out) const {
  const std::lock_guard lock(mutex_);
  if (!v1_controllers_.empty())
    out.origin.cgroup_v1 = container::cgroup_path(proc_cgroup, v1_controllers_);
  const CgroupOwner* owner = owner_of(proc_cgroup);
  const std::uint64_t unit = owner == nullptr ? 0 : unit_of(*owner).unit;
  out.unit = unit != 0 ? unit : LIMIT_UNIT_USER | out.uid;
}

enforce::Permission PodWatch::may_touch(pid_t pid, const std::string& proc_cgroup) const {
  const auto uid = proc::ProcReader().read_uid(pid);
  const auto executable = key_of("/proc/" + std::to_string(pid) + "/exe");
  const std::uint32_t mount = mount_namespace_of(pid);
  const std::lock_guard lock(mutex_);
  enforce::Permission out;
  const CgroupOwner* owner = owner_of(proc_cgroup);
  const Standing standing = owner == nullptr ? Standing{} : standing_of(*owner);
  const auto& users = settings_.protect.users;
  out.report = standing.report ||
               (standing.unknown && settings_.protect.unclassified == config::Action::kReport);
  out.kill = standing.kill;
  if (standing.why != Spared::kNot) {
    out.spared = standing.why;
  } else if (settings_.containers_only &&
             (!standing.container || mount == own_mount_ || told_.mounts.contains(mount))) {
    out.spared = Spared::kNode;
  } else if (uid && std::find(users.begin(), users.end(), *uid) != users.end()) {
    out.spared = Spared::kUser;
  } else if (executable &&
             std::any_of(executables_.begin(), executables_.end(), [&](const file_key& each) {
               return each.inode == executable->inode && each.device == executable->device;
             })) {
    out.spared = Spared::kExecutable;
  }
  return out;
}

std::string PodWatch::path_of(std::uint64_t cgroup_id) const {
  {
    const std::lock_guard lock(mutex_);
    std::string path = table_.path_of(cgroup_id);
    if (!path.empty()) return path;
  }
  return container::cgroup_path_of(container::cgroup2_mount_point(), cgroup_id);
}

std::string PodWatch::directory_of(const std::string& path, bool v1) const {
  const std::string mount = v1 ? v1_mount_ : container::cgroup2_mount_point();
  return mount.empty() ? std::string() : mount + path;
}

std::optional<container::Pod> PodWatch::pod(const std::string& uid) const {
  const std::lock_guard lock(mutex_);
  if (const auto found = told_.pods.find(uid); found != told_.pods.end()) return found->second;
  if (const auto found = log_pods_.find(uid); found != log_pods_.end()) return found->second;
  return std::nullopt;
}

PodWatch::Counters PodWatch::counters() const {
  const std::lock_guard lock(mutex_);
  Counters out;
  out.cgroups = table_.size();
  for (const auto& [id, owner] : table_.owners()) {
    const bool v2 = (id & container::kCgroupIdV1) == 0;
    if (!v2 && !container::cgroup2_mount_point().empty()) continue;
    out.containers += owner.kind == CgroupOwner::Kind::kContainer ? 1 : 0;
    out.pods += owner.kind == CgroupOwner::Kind::kPod ? 1 : 0;
    if (owner.kind == CgroupOwner::Kind::kNursery) continue;
    const Standing standing = standing_of(owner);
    out.unclassified += standing.unknown ? 1 : 0;
    out.protected_cgroups += standing.why != Spared::kNot ? 1 : 0;
  }
  out.events_lost = events_ ? events_->lost() : 0;
  return out;
}

}  // namespace cryptnono::app
