// PodWatch: what each cgroup is (container, pod, protected), kept current in the kernel as
// containers come and go.
//
// New cgroups are told by the kernel as they are made; all are looked at again before each scan.
// The namespace and name of a pod come from the kubelet's directories, at once; labels and the
// names of containers from the runtimes, asked by a thread of its own. Nothing waits for a runtime
// but start(), and that not for long.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "app/runtimes.h"
#include "base/fd.h"
#include "base/result.h"
#include "container/standing_book.h"
#include "detect/subject.h"
#include "enforce/enforcer.h"
#include "kernel/cgroup_events.h"
#include "kernel/enforcement.h"

namespace cryptnono::app {

// All methods from any thread, but start(), stop(), use(), also() and without(), which belong to
// one.
class PodWatch {
 public:
  // `seen` is told the path of each container's cgroup, more than once perhaps.
  explicit PodWatch(std::function<void(const std::string& path)> seen) : seen_(std::move(seen)) {}
  ~PodWatch();
  PodWatch(const PodWatch&) = delete;
  PodWatch& operator=(const PodWatch&) = delete;

  // From here on `owner`, whose maps the other objects share, is told what there is; it must live
  // until stop(). Before any hook is attached. A kernel that does not tell of new cgroups is no
  // error: then they are found by refresh() only, and why_no_events() says why.
  void start(kernel::Enforcement& owner);
  void stop();
  // Puts settings in force, as a whole for user space and cgroup by cgroup in the kernel.
  Result<void> use(container::StandingSettings settings);
  // Another object that is to obey the same rules, until without(). It shares the owner's maps.
  void also(const kernel::Enforcement& other);
  void without(const kernel::Enforcement& other);
  // Looks at all cgroups.
  void refresh();

  // Fills in the unit and the v1 path of a process with this /proc/PID/cgroup.
  void locate(const std::string& proc_cgroup, detect::Subject& out) const;
  // What may be done to a process, as the kernel side judges it.
  [[nodiscard]] enforce::Permission may_touch(pid_t pid, const std::string& proc_cgroup) const;
  // The path of a cgroup in v2; "" if it is not known and gone.
  [[nodiscard]] std::string path_of(std::uint64_t cgroup_id) const;
  // Where the cgroup at this path is mounted; of v2, or of the v1 hierarchy of Origin::cgroup_v1.
  [[nodiscard]] std::string directory_of(const std::string& path, bool v1) const;
  // What is known of the pod with this uid without asking.
  [[nodiscard]] std::optional<container::Pod> pod(const std::string& uid) const;

  struct Counters {
    std::size_t cgroups = 0, containers = 0, pods = 0, unclassified = 0, protected_cgroups = 0;
    std::uint64_t events_lost = 0;
  };
  [[nodiscard]] Counters counters() const;
  // Of the kernel side's program, if it is loaded. After start(): any thread.
  void add_runs(std::vector<kernel::ProgramRuns>& out) const {
    if (events_) out.push_back(events_->runs());
  }
  [[nodiscard]] const std::string& why_no_events() const { return why_no_events_; }

 private:
  void watch();
  void ask_forever();
  container::Told ask(int timeout_ms);
  void take(container::Told told);
  void on_cgroup(std::uint64_t id, std::string_view path);
  // All of these with mutex_ held.
  [[nodiscard]] kernel::UnitCgroup unit_of(const container::CgroupOwner& owner) const;
  void tell_kernel_all();
  void tell_rules();

  std::function<void(const std::string&)> seen_;
  kernel::Enforcement* owner_ = nullptr;
  std::string v1_mount_;
  std::uint32_t v1_hierarchy_ = 0;
  std::unique_ptr<kernel::CgroupEvents> events_;
  std::string why_no_events_;
  Fd stop_fd_;
  std::thread watch_thread_, ask_thread_;
  std::mutex clients_mutex_;
  Runtimes runtimes_;  // guarded by clients_mutex_

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // All below guarded by mutex_.
  std::vector<const kernel::Enforcement*> others_;
  container::StandingBook book_;
  bool ask_wanted_ = false;
  bool stopping_ = false;
};

}  // namespace cryptnono::app
