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

namespace cryptnono::kernel {

// A limit unit: the cgroup of a container or of a user's session.
struct UnitCgroup {
  std::uint64_t cgroup_id = 0;
  std::uint64_t unit = 0;
};

// Maps that one object owns and others use too, so that there is one truth. The descriptors are the
// owner's.
struct SharedMaps {
  int protected_pids = -1;
  int units = -1;
};

// Any thread, but for set_scope and set_units, which belong to one thread each.
class Enforcement {
 public:
  // The parts of a loaded skeleton, which must outlive the object.
  struct Parts {
    enforce_config* settings;
    bpf_map* protected_pids;
    bpf_map* units;
    bpf_program* limit_admit;
  };
  explicit Enforcement(const Parts& parts) : parts_(parts) {}

  // Which groups kill, and the limit. A group that is not in the mask reports.
  void set_mode(std::uint64_t kill_groups, const config::Limit& limit) const;
  // At most SCOPE_MAX entries each. Takes effect at once and as a whole.
  void set_scope(const std::vector<scope_entry>& include,
                 const std::vector<scope_entry>& exclude) const;
  // Never to be touched: this process, as long as it is the one that started then.
  [[nodiscard]] Result<void> protect(pid_t pid, std::uint64_t start_boottime_ns) const;
  // Replaces the set of known containers. Units that stay are never missing in between.
  Result<void> set_units(const std::vector<UnitCgroup>& units);
  // Asks the kernel's blast-radius limit whether `group` may act on `unit`, and takes a slot if so.
  [[nodiscard]] Result<bool> admit(std::uint32_t group, std::uint64_t unit) const;

  [[nodiscard]] SharedMaps shared() const;

 private:
  Parts parts_;
  std::unordered_map<std::uint64_t, std::uint64_t> units_;
};

// Before an object is loaded: makes it use the maps of another. Descriptors of -1: its own.
Result<void> share_maps(const Enforcement::Parts& parts, const SharedMaps& shared);

}  // namespace cryptnono::kernel
