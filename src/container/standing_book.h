// StandingBook: all that is known of cgroups, pods and containers, and what may be done to a
// process by it.
//
// The daemon keeps one current (app/pod_watch.h) and tells the kernel side what it says;
// `explain --pid` fills one for a single process. So the two cannot disagree.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "config/types.h"
#include "container/cgroup_table.h"
#include "container/protection.h"

namespace cryptnono::container {

// What a configuration says of it.
struct StandingSettings {
  config::Protect protect;
  std::map<std::string, config::Action> namespace_actions;
  bool containers_only = false;
  std::string pod_logs;
  std::vector<std::string> endpoints;  // of runtimes that speak the CRI
};

// `containers_only` of kAuto is by the environment of this process.
StandingSettings standing_settings(const config::Config& config);

// What the runtimes have said.
struct Told {
  std::unordered_map<std::string, Pod> pods;  // by uid
  std::unordered_map<std::string, std::pair<std::string, std::string>>
      containers;  // by id: name, uid of its pod; of a sandbox the name is ""
  std::unordered_set<std::uint32_t> mounts;  // their mount namespaces
  bool all_answered = false;
};

// A file, whatever path leads to it.
struct FileId {
  std::uint64_t inode = 0;
  std::uint32_t device = 0;  // as MKDEV of include/linux/kdev_t.h makes it

  bool operator==(const FileId&) const = default;
};

// Nothing if there is no such file.
std::optional<FileId> file_id_of(const std::string& path);

// Who a process is, as far as that protects it.
struct Person {
  std::optional<uid_t> uid;
  std::optional<FileId> executable;
  std::uint32_t mount = 0;  // its mount namespace
};

Person person_of(pid_t pid);

// The inode number of a mount namespace; 0 if the process is gone.
std::uint32_t mount_namespace_of(pid_t pid);

// Whether this process runs in a pod of Kubernetes: by the variable that the kubelet sets in each.
bool runs_in_pod();
// The uid of this process's own pod: by its cgroup, or as the downward API says; "" if in none.
std::string own_pod();

// Not thread-safe.
class StandingBook {
 public:
  void use(StandingSettings settings);
  // The hierarchy of v1 where containers are told apart; "": none.
  void set_v1(std::string controllers) { v1_controllers_ = std::move(controllers); }
  void take(Told told);
  // Reads the kubelet's directories, unless they have been and this pod was there.
  void read_logs_if_unknown(const std::string& pod_uid);

  CgroupTable& table() { return table_; }
  [[nodiscard]] const CgroupTable& table() const { return table_; }
  [[nodiscard]] const StandingSettings& settings() const { return settings_; }
  [[nodiscard]] const std::string& v1_controllers() const { return v1_controllers_; }
  [[nodiscard]] const Told& told() const { return told_; }
  // Of the executables that are protected, those that there are.
  [[nodiscard]] const std::vector<FileId>& executables() const { return executables_; }
  // The node's own: of pid 1 and of the runtimes.
  [[nodiscard]] std::vector<std::uint32_t> node_mounts() const;
  // use() has been called.
  [[nodiscard]] bool ready() const { return protection_.has_value(); }

  // Whose a process with this /proc/PID/cgroup is: v2 first, as the kernel side asks. Null: the
  // node's. Valid until the table changes.
  [[nodiscard]] const CgroupOwner* owner_of(std::string_view proc_cgroup) const;
  [[nodiscard]] std::string pod_uid_of(const CgroupOwner& owner) const;
  [[nodiscard]] Standing standing_of(const CgroupOwner& owner) const;
  // By the runtimes, else by the kubelet's directories.
  [[nodiscard]] std::optional<Pod> pod(const std::string& uid) const;
  // Whether this pod is one of the set that the daemon's own pod is of: another version of it that
  // comes or goes.
  [[nodiscard]] bool of_own_set(const std::string& uid) const;

  // What may be done to a process of `owner` (null: the node's).
  [[nodiscard]] Permission permission(const CgroupOwner* owner, const Person& who) const;

 private:
  StandingSettings settings_;
  std::optional<Protection> protection_;
  CgroupTable table_;
  std::string v1_controllers_;
  std::unordered_map<std::string, Pod> log_pods_;  // by uid
  Told told_;
  std::vector<FileId> executables_;
  std::string own_pod_;
  std::uint32_t own_mount_ = mount_namespace_of(1);
};

}  // namespace cryptnono::container
