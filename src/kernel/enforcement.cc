#include "kernel/enforcement.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <span>
#include <string>
#include <unordered_set>

#include "base/clock.h"
#include "container/cgroup_table.h"
#include "kernel/scope_writer.h"

namespace cryptnono::kernel {

static_assert(static_cast<int>(container::Spared::kOwnPod) == SPARED_OWN_POD &&
              static_cast<int>(container::Spared::kNode) == SPARED_NODE &&
              container::kCgroupIdV1 == CGROUP_ID_V1);

void Enforcement::set_mode(std::uint64_t kill_groups, const config::Limit& limit) const {
  volatile enforce_config& settings = *parts_.settings;
  settings.limit_window_ns = std::uint64_t{limit.window_s} * 1'000'000'000;
  settings.limit_targets = std::min<std::uint32_t>(limit.max_targets, LIMIT_SLOTS);
  settings.kill_groups = kill_groups;
}

void Enforcement::set_scope(const std::vector<scope_entry>& include,
                            const std::vector<scope_entry>& exclude) const {
  write_scope(*parts_.settings, include, exclude);
}

void Enforcement::set_canary_cgroup(std::uint64_t cgroup_id) const {
  parts_.settings->canary_cgroup = cgroup_id;
}

void Enforcement::set_canary_groups(std::uint64_t groups) const {
  parts_.settings->canary_groups = groups;
}

void Enforcement::set_canary_address(std::uint32_t address, std::uint16_t port) const {
  parts_.settings->canary_port = port;
  parts_.settings->canary_address = address;
}

Result<void> Enforcement::protect(pid_t pid, std::uint64_t start_boottime_ns) const {
  const auto key = static_cast<std::uint32_t>(pid);
  if (const int error =
          bpf_map__update_elem(parts_.protected_pids, &key, sizeof key, &start_boottime_ns,
                               sizeof start_boottime_ns, BPF_ANY)) {
    return fail_errno("cannot protect pid " + std::to_string(pid), -error);
  }
  return {};
}

Result<void> Enforcement::set_unit(const UnitCgroup& unit) {
  const auto known = units_.find(unit.cgroup_id);
  if (known != units_.end() && known->second == unit) return {};
  const container::Standing& standing = unit.standing;
  cgroup_unit value{};
  value.unit = unit.unit;
  value.is = static_cast<std::uint16_t>(
      (standing.container ? UNIT_CONTAINER : 0U) | (standing.report ? UNIT_REPORT : 0U) |
      (standing.kill ? UNIT_KILL : 0U) | (standing.unknown ? UNIT_UNKNOWN : 0U));
  if (standing.why != container::Spared::kNot) {
    value.is |= UNIT_PROTECTED;
    value.why = static_cast<std::uint16_t>(standing.why);
  }
  if (const int error = bpf_map__update_elem(parts_.units, &unit.cgroup_id, sizeof unit.cgroup_id,
                                             &value, sizeof value, BPF_ANY)) {
    return fail_errno("cannot tell the kernel of a container", -error);
  }
  units_.insert_or_assign(unit.cgroup_id, unit);
  return {};
}

Result<void> Enforcement::set_units(const std::vector<UnitCgroup>& units) {
  std::unordered_set<std::uint64_t> wanted;
  for (const UnitCgroup& unit : units) {
    wanted.insert(unit.cgroup_id);
    TRY(set_unit(unit));
  }
  std::erase_if(units_, [&](const auto& entry) {
    if (wanted.contains(entry.first)) return false;
    bpf_map__delete_elem(parts_.units, &entry.first, sizeof entry.first, 0);
    return true;
  });
  return {};
}

namespace {

// Makes the keys of `map` exactly `wanted`; those that stay are never missing in between.
template <typename Key>
Result<void> replace_set(bpf_map* map, const std::vector<Key>& wanted) {
  const std::uint8_t one = 1;
  for (const Key& key : wanted) {
    if (const int error = bpf_map__update_elem(map, &key, sizeof key, &one, sizeof one, BPF_ANY))
      return fail_errno("cannot tell the kernel who is protected", -error);
  }
  std::vector<Key> there;
  Key next{};
  while (bpf_map__get_next_key(map, there.empty() ? nullptr : &there.back(), &next, sizeof next) ==
         0)
    there.push_back(next);
  for (const Key& key : there) {
    const bool stays = std::any_of(wanted.begin(), wanted.end(), [&](const Key& each) {
      return std::memcmp(&each, &key, sizeof key) == 0;
    });
    if (!stays) bpf_map__delete_elem(map, &key, sizeof key, 0);
  }
  return {};
}

}  // namespace

Result<void> Enforcement::set_protected(const std::vector<std::uint32_t>& users,
                                        const std::vector<file_key>& files) const {
  TRY(replace_set(parts_.protected_users, users));
  return replace_set(parts_.protected_files, files);
}

void Enforcement::set_place(const PlaceRules& rules) const {
  volatile enforce_config& settings = *parts_.settings;
  settings.v1_hierarchy = rules.v1_hierarchy;
  settings.unknown_reports = rules.unknown_reports ? 1 : 0;
  settings.protects =
      (rules.users ? PROTECTS_USERS : 0U) | (rules.executables ? PROTECTS_FILES : 0U);
  for (std::size_t i = 0; i < NODE_NAMESPACES; ++i)
    settings.node_mounts[i] = i < rules.node_mounts.size() ? rules.node_mounts[i] : 0;
  settings.containers_only = rules.containers_only ? 1 : 0;  // last: it needs the others
}

Result<bool> Enforcement::admit(std::uint32_t group, std::uint64_t unit) const {
  std::array<std::uint64_t, 2> arguments{};
  arguments[LIMIT_ARG_GROUP] = group;
  arguments[LIMIT_ARG_UNIT] = unit;
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments.data(),
              .ctx_size_in = static_cast<std::uint32_t>(sizeof arguments));
  if (const int error = bpf_prog_test_run_opts(bpf_program__fd(parts_.limit_admit), &options)) {
    return fail_errno("cannot ask the limit", -error);
  }
  return options.retval != 0;
}

Enforcement::LimitUse Enforcement::limit_use() const {
  const volatile enforce_config& settings = *parts_.settings;
  LimitUse out{.units = 0, .most = settings.limit_targets};
  const std::uint64_t window = settings.limit_window_ns;
  std::vector<std::uint32_t> groups(MATCH_MAX_GROUPS);
  std::vector<limit_ring> rings(MATCH_MAX_GROUPS);
  std::uint32_t next = 0;
  std::uint32_t count = MATCH_MAX_GROUPS;
  const int error = bpf_map_lookup_batch(bpf_map__fd(parts_.limit_rings), nullptr, &next,
                                         groups.data(), rings.data(), &count, nullptr);
  if (error != 0 && error != -ENOENT) return out;  // ENOENT: that was all
  const std::uint64_t now = monotonic_ns();
  for (const limit_ring& ring : std::span(rings).first(count)) {
    const auto taken = std::count_if(  // as take_slot() of bpf/lib/enforce.bpf.h sees it
        std::begin(ring.admitted_ns), std::begin(ring.admitted_ns) + out.most,
        [&](std::uint64_t at) { return at != 0 && elapsed_ns(now, at) < window; });
    out.units = std::max(out.units, static_cast<std::uint32_t>(taken));
  }
  return out;
}

SharedMaps Enforcement::shared() const {
  return {.protected_pids = bpf_map__fd(parts_.protected_pids),
          .units = bpf_map__fd(parts_.units),
          .protected_users = bpf_map__fd(parts_.protected_users),
          .protected_files = bpf_map__fd(parts_.protected_files),
          .about = parts_.about == nullptr ? -1 : bpf_map__fd(parts_.about)};
}

Result<void> share_maps(const Enforcement::Parts& parts, const SharedMaps& shared) {
  const auto share = [](bpf_map* map, int fd) -> Result<void> {
    if (fd < 0 || map == nullptr) return {};
    if (const int error = bpf_map__reuse_fd(map, fd))
      return fail_errno("cannot share a map", -error);
    return {};
  };
  TRY(share(parts.protected_pids, shared.protected_pids));
  TRY(share(parts.units, shared.units));
  TRY(share(parts.protected_users, shared.protected_users));
  TRY(share(parts.about, shared.about));
  return share(parts.protected_files, shared.protected_files);
}

}  // namespace cryptnono::kernel
