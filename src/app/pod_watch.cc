#include "app/pod_watch.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

#include "container/cgroup_id.h"
#include "container/scope.h"
#include "kernel/cgroup_subsys.h"
#include "proc/proc_reader.h"

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

// The number that /proc/PID/cgroup gives the hierarchy of these controllers.
int hierarchy_number(const std::string& controllers) {
  const std::string text = proc::ProcReader().read_cgroup(getpid());
  const std::size_t at = text.find(":" + controllers + ":");
  if (at == std::string::npos) return 0;
  const std::size_t begin = text.rfind('\n', at);
  return std::atoi(text.c_str() + (begin == std::string::npos ? 0 : begin + 1));
}

}  // namespace

PodWatch::~PodWatch() { stop(); }

void PodWatch::start(kernel::Enforcement& owner) {
  owner_ = &owner;
  int number = 0;
  if (const auto v1 = container::v1_hierarchy_with_containers()) {
    if (const auto hierarchy = kernel::v1_hierarchy(v1->controllers)) {
      book_.set_v1(v1->controllers);
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

Result<void> PodWatch::use(container::StandingSettings settings) {
  const std::lock_guard lock(mutex_);
  book_.use(std::move(settings));
  if (owner_ == nullptr) return {};
  std::vector<file_key> executables;
  for (const container::FileId& each : book_.executables()) {
    file_key key{};
    key.inode = each.inode;
    key.device = each.device;
    executables.push_back(key);
  }
  TRY(owner_->set_protected(book_.settings().protect.users, executables));
  tell_rules();
  tell_kernel_all();
  return {};
}

void PodWatch::also(const kernel::Enforcement& other) {
  const std::lock_guard lock(mutex_);
  others_.push_back(&other);
  tell_rules();
}

void PodWatch::without(const kernel::Enforcement& other) {
  const std::lock_guard lock(mutex_);
  std::erase(others_, &other);
}

void PodWatch::tell_rules() {
  kernel::PlaceRules rules;
  const container::StandingSettings& settings = book_.settings();
  rules.containers_only = settings.containers_only;
  rules.unknown_reports = settings.protect.unclassified == config::Action::kReport;
  rules.v1_hierarchy = v1_hierarchy_;
  rules.node_mounts = book_.node_mounts();
  rules.users = !settings.protect.users.empty();
  rules.executables = !book_.executables().empty();
  if (owner_ != nullptr) owner_->set_place(rules);
  for (const kernel::Enforcement* other : others_) other->set_place(rules);
}

void PodWatch::watch() {
  pthread_setname_np(pthread_self(), "cgroups");
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
    book_.table().add(id, std::string(path));
    const auto owner = book_.table().owners().find(id);
    if (owner == book_.table().owners().end()) return;
    container = owner->second.kind == CgroupOwner::Kind::kContainer;
    book_.read_logs_if_unknown(book_.pod_uid_of(owner->second));
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
    book_.table().replace(std::move(cgroups));
    tell_kernel_all();
    for (const auto& [id, owner] : book_.table().owners()) {
      if (owner.kind == CgroupOwner::Kind::kContainer)
        containers.push_back(book_.table().path_of(id));
    }
  }
  if (!seen_) return;
  for (const std::string& path : containers) seen_(path);
}

void PodWatch::tell_kernel_all() {
  if (owner_ == nullptr || !book_.ready()) return;
  std::vector<kernel::UnitCgroup> units;
  units.reserve(book_.table().owners().size());
  bool unknown = false;
  for (const auto& [id, owner] : book_.table().owners()) {
    book_.read_logs_if_unknown(book_.pod_uid_of(owner));
    units.push_back(unit_of(owner));
    unknown =
        unknown || (units.back().standing.unknown && owner.kind != CgroupOwner::Kind::kNursery);
  }
  // On failure the kernel knows less: it counts by user, and takes a container for its pod.
  [[maybe_unused]] const Result<void> told = owner_->set_units(units);
  if (unknown || (book_.settings().containers_only && book_.told().mounts.empty())) {
    ask_wanted_ = true;
    wake_.notify_all();
  }
}

kernel::UnitCgroup PodWatch::unit_of(const CgroupOwner& owner) const {
  return {.cgroup_id = owner.id,
          .unit = owner.kind == CgroupOwner::Kind::kNursery ? 0 : owner.id,
          .standing = book_.standing_of(owner)};
}

void PodWatch::ask_forever() {
  pthread_setname_np(pthread_self(), "runtimes");
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

container::Told PodWatch::ask(int timeout_ms) {
  std::vector<std::string> endpoints;
  {
    const std::lock_guard lock(mutex_);
    endpoints = book_.settings().endpoints;
  }
  const std::lock_guard clients_lock(clients_mutex_);
  return runtimes_.ask(std::move(endpoints), timeout_ms);
}

void PodWatch::take(container::Told told) {
  const std::lock_guard lock(mutex_);
  book_.take(std::move(told));
  tell_rules();
  tell_kernel_all();
}

void PodWatch::locate(const std::string& proc_cgroup, detect::Subject& out) const {
  const std::lock_guard lock(mutex_);
  if (!book_.v1_controllers().empty())
    out.origin.cgroup_v1 = container::cgroup_path(proc_cgroup, book_.v1_controllers());
  const CgroupOwner* owner = book_.owner_of(proc_cgroup);
  const std::uint64_t unit = owner == nullptr ? 0 : unit_of(*owner).unit;
  out.unit = unit != 0 ? unit : LIMIT_UNIT_USER | out.uid;
}

enforce::Permission PodWatch::may_touch(pid_t pid, const std::string& proc_cgroup) const {
  const container::Person who = container::person_of(pid);
  const std::lock_guard lock(mutex_);
  return book_.permission(book_.owner_of(proc_cgroup), who);
}

std::string PodWatch::path_of(std::uint64_t cgroup_id) const {
  {
    const std::lock_guard lock(mutex_);
    std::string path = book_.table().path_of(cgroup_id);
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
  return book_.pod(uid);
}

PodWatch::Counters PodWatch::counters() const {
  const std::lock_guard lock(mutex_);
  Counters out;
  out.cgroups = book_.table().size();
  for (const auto& [id, owner] : book_.table().owners()) {
    const bool v2 = (id & container::kCgroupIdV1) == 0;
    if (!v2 && !container::cgroup2_mount_point().empty()) continue;
    out.containers += owner.kind == CgroupOwner::Kind::kContainer ? 1 : 0;
    out.pods += owner.kind == CgroupOwner::Kind::kPod ? 1 : 0;
    if (owner.kind == CgroupOwner::Kind::kNursery) continue;
    const Standing standing = book_.standing_of(owner);
    out.unclassified += standing.unknown ? 1 : 0;
    out.protected_cgroups += standing.why != Spared::kNot ? 1 : 0;
  }
  out.events_lost = events_ ? events_->lost() : 0;
  return out;
}

}  // namespace cryptnono::app
