/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* Which processes may be touched: by cgroup, in the kernel, before anything else is looked at. */
#ifndef CRYPTNONO_BPF_LIB_SCOPE_H
#define CRYPTNONO_BPF_LIB_SCOPE_H

#include "config.bpf.h"

/* css_set.subsys[] has 13 to 14 elements in the kernels since 5.10; a hierarchy beyond the real ones is never
 * configured. */
#define CGROUP_MAX_SUBSYS 16

static __always_inline struct cgroup *current_cgroup(__u32 hierarchy)
{
	struct task_struct *task = current_task();

	if (hierarchy == HIERARCHY_V2)
		return BPF_CORE_READ(task, cgroups, dfl_cgrp);
	/* v1: the set holds one state per controller; each points to the cgroup in its controller's hierarchy. */
	if (hierarchy > CGROUP_MAX_SUBSYS)
		return NULL;
	return BPF_CORE_READ(task, cgroups, subsys[hierarchy - 1], cgroup);
}

/* Walking the parents' states works on every kernel; cgroup.ancestors[] changed its form in 6.1. */
static __always_inline struct cgroup *parent_cgroup(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, self.parent, cgroup);
}

struct v1_walk {
	struct cgroup *cgroup;
	__u64 wanted;
	bool found;
};

static int v1_step(__u32 depth, struct v1_walk *walk)
{
	struct cgroup *cgroup = walk->cgroup;

	if (!cgroup)
		return 1;
	walk->found = BPF_CORE_READ(cgroup, kn, id) == walk->wanted;
	walk->cgroup = parent_cgroup(cgroup);
	return walk->found;
}

/* A loop in a callback, because the verifier would walk one written out for each of the entries. */
SUBPROGRAM bool below_v1(__u32 hierarchy, __u64 cgroup_id)
{
	struct v1_walk walk = {.cgroup = current_cgroup(hierarchy), .wanted = cgroup_id};

	loop(CGROUP_MAX_DEPTH, v1_step, &walk);
	return walk.found;
}

#ifdef PLAIN_LOOPS

/* Until 6.0; since then there are pointers. */
struct cgroup___until_6_0 {
	int level;
	__u64 ancestor_ids[0];
} __attribute__((preserve_access_index));

/* bpf_get_current_ancestor_cgroup_id(), which tracing programs may not call before 5.12. */
static __always_inline __u64 ancestor_id(__u32 level)
{
	struct cgroup___until_6_0 *cgroup;
	__u64 id = 0;

	if (!bpf_core_field_exists(struct cgroup___until_6_0, ancestor_ids))
		return bpf_get_current_ancestor_cgroup_id(level);
	cgroup = (void *)current_cgroup(HIERARCHY_V2);
	if (level <= (__u32)BPF_CORE_READ(cgroup, level))
		bpf_probe_read_kernel(&id, sizeof(id), cgroup->ancestor_ids + level);
	return id;
}

#else

static __always_inline __u64 ancestor_id(__u32 level)
{
	return bpf_get_current_ancestor_cgroup_id(level);
}

#endif

static __always_inline bool below(const volatile struct scope_entry *entry)
{
	if (entry->hierarchy == HIERARCHY_V2)
		return ancestor_id(entry->level) == entry->cgroup_id;
	return below_v1(entry->hierarchy, entry->cgroup_id);
}

struct scope_search {
	const volatile struct scope_entry *entries;
	__u32 count;
	bool found;
};

static int scope_step(__u32 index, struct scope_search *search)
{
	if (index >= SCOPE_MAX || index >= search->count)
		return 1;
	search->found = below(&search->entries[index]);
	return search->found;
}

static __noinline bool below_any(const volatile struct scope_entry *entries, __u32 count)
{
	struct scope_search search = {.entries = entries, .count = count};

	if (count == 1 && entries[0].hierarchy == HIERARCHY_V2) /* nearly always */
		return below(&entries[0]);
	loop(SCOPE_MAX, scope_step, &search);
	return search.found;
}

/* One of the daemon's own canaries? Nobody else gets into their cgroup: only root of the node can write to it, and a
 * container cannot name it. */
static __always_inline bool in_canary(void)
{
	return settings.canary_cgroup && bpf_get_current_cgroup_id() == settings.canary_cgroup;
}

SUBPROGRAM bool current_in_scope(void)
{
	const volatile struct scope_set *set = &settings.scope[settings.active_scope & 1];

	if (set->includes && !below_any(set->include, set->includes))
		return in_canary();
	return !set->excludes || !below_any(set->exclude, set->excludes) || in_canary();
}

#endif
