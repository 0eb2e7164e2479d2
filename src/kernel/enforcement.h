// Enforcement: what bpf/lib/enforce.bpf.h has in every object that kills: mode, scope, limit,
// protected processes, containers.
#pragma once

#include <bpf/libbpf.h>
#include <sys/types.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "bpf/api/common.h"
#include "config/types.h"
#include "container/protection.h"

namespace cryptnono::kernel {

// What one cgroup is: a container, a pod, a user's session.
struct UnitCgroup {
  std::uint64_t cgroup_id = 0;  // of v1 with CGROUP_ID_V1
  std::uint64_t unit = 0;       // of the blast-radius limit; 0: its user's
  container::Standing standing;

  bool operator==(const UnitCgroup&) const = default;
};

// What counts besides cgroups.
struct PlaceRules {
  bool containers_only = false;
  bool unknown_reports = false;
  std::uint32_t v1_hierarchy = 0;           // as scope_entry::hierarchy; 0: none
  std::vector<std::uint32_t> node_mounts;   // at most NODE_NAMESPACES are used
  bool users = false, executables = false;  // are there protected ones?
};

// Maps that one object owns and others use too, so that there is one truth. The descriptors are the
// owner's.
struct SharedMaps {
  int protected_pids = -1;
  int units = -1;
  int protected_users = -1;
  int protected_files = -1;
  int about = -1;
};

// Any thread, but for set_scope, which belongs to one, and those about units and protected sets,
// which belong to one.
class Enforcement {
 public:
  // The parts of a loaded skeleton, which must outlive the object.
  struct Parts {
    enforce_config* settings;
    bpf_map* protected_pids;
    bpf_map* units;
    bpf_map* protected_users;
    bpf_map* protected_files;
    bpf_map* limit_rings;
    bpf_program* limit_admit;
    bpf_map* about = nullptr;  // null: it has none
  };
  explicit Enforcement(const Parts& parts) : parts_(parts) {}

  // Which groups kill, and the limit. A group that is not in the mask reports.
  void set_mode(std::uint64_t kill_groups, const config::Limit& limit) const;
  // At most SCOPE_MAX entries each. Takes effect at once and as a whole.
  void set_scope(const std::vector<scope_entry>& include,
                 const std::vector<scope_entry>& exclude) const;
  // Never to be touched: this process, as long as it is the one that started then.
  [[nodiscard]] Result<void> protect(pid_t pid, std::uint64_t start_boottime_ns) const;
  // Replaces the set of known cgroups. What stays is never missing in between.
  Result<void> set_units(const std::vector<UnitCgroup>& units);
  // One more, or one that has changed.
  Result<void> set_unit(const UnitCgroup& unit);
  // Replace the sets of protected users and executables.
  Result<void> set_protected(const std::vector<std::uint32_t>& users,
                             const std::vector<file_key>& files) const;
  void set_place(const PlaceRules& rules) const;
  // The daemon's canaries (bpf/api/common.h, enforce_config::canary_*): their cgroup in v2, 0 for
  // none; the rule groups that they die of; the IPv4 address, as in the packet, that is banned for
  // them alone, 0 for none.
  void set_canary_cgroup(std::uint64_t cgroup_id) const;
  void set_canary_groups(std::uint64_t groups) const;
  void set_canary_address(std::uint32_t address, std::uint16_t port) const;
  // Asks the kernel's blast-radius limit whether `group` may act on `unit`, and takes a slot if so.
  [[nodiscard]] Result<bool> admit(std::uint32_t group, std::uint64_t unit) const;

  // How many units count towards the limit now, in the group that has the most; and how many may.
  struct LimitUse {
    std::uint32_t units = 0;
    std::uint32_t most = 0;
  };
  [[nodiscard]] LimitUse limit_use() const;

  [[nodiscard]] SharedMaps shared() const;

 private:
  Parts parts_;
  std::unordered_map<std::uint64_t, UnitCgroup> units_;
};

// Before an object is loaded: makes it use the maps of another. Descriptors of -1: its own.
Result<void> share_maps(const Enforcement::Parts& parts, const SharedMaps& shared);

}  // namespace cryptnono::kernel
