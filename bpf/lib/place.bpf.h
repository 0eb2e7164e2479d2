/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* What the cgroup of the current process is: a container, a pod, a user's session, or nothing that is known. */
#ifndef CRYPTNONO_BPF_LIB_PLACE_H
#define CRYPTNONO_BPF_LIB_PLACE_H

#include "config.bpf.h"
#include "scope.bpf.h"

/* Cgroups that are a pod, a container or a user's session -> what they are. Kept by user space; a cgroup that is not in
 * it is what the nearest one above is, so a container that is too new to be known is its pod's. What has none above
 * is the node's and counts by user id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct cgroup_unit);
} units SEC(".maps");

/* Where a process is. */
struct place {
	__u64 unit;
	__u16 is;
	__u16 why;
	__u32 pad;
};

struct place_walk {
	struct cgroup *cgroup;
	__u64 mark;
	__u64 found;
};

/* Who may make cgroups in a container must not get out of it by making many, one in the other. */
#define PLACE_DEPTH 128
#define PLACE_TOO_DEEP ~0ULL

static int place_step(__u32 depth, struct place_walk *walk)
{
	struct cgroup *cgroup = walk->cgroup;
	__u64 id;

	if (!cgroup)
		return 1;
	id = BPF_CORE_READ(cgroup, kn, id) | walk->mark;
	if (bpf_map_lookup_elem(&units, &id)) {
		walk->found = id;
		return 1;
	}
	walk->cgroup = parent_cgroup(cgroup);
	return 0;
}

/* Key in `units` of the nearest cgroup above the current process that is known; 0: none is. */
SUBPROGRAM __u64 unit_above(__u32 hierarchy)
{
	struct place_walk walk = {.mark = hierarchy == HIERARCHY_V2 ? 0 : CGROUP_ID_V1};

	walk.cgroup = current_cgroup(hierarchy);
	loop(PLACE_DEPTH, place_step, &walk);
	if (!walk.found && walk.cgroup) /* deeper than any honest one */
		return PLACE_TOO_DEEP;
	return walk.found;
}

static __noinline int current_place(struct place *place)
{
	struct cgroup_unit *unit;
	__u64 key;

	if (!place)
		return 0;
	key = unit_above(HIERARCHY_V2);
	if (!key && settings.v1_hierarchy)
		key = unit_above(settings.v1_hierarchy);
	unit = bpf_map_lookup_elem(&units, &key);
	place->is = unit ? unit->is : key == PLACE_TOO_DEEP ? UNIT_CONTAINER : 0;
	place->why = unit ? unit->why : 0;
	place->unit = (unit ? unit->unit : 0) ?: LIMIT_UNIT_USER | (__u32)bpf_get_current_uid_gid();
	return 0;
}

static __always_inline bool in_node_mounts(void)
{
	struct task_struct *task = current_task();
	__u32 own = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	int i;

	for (i = 0; i < NODE_NAMESPACES; i++) {
		if (own == settings.node_mounts[i])
			return true;
	}
	return false;
}

#endif
