/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* Fills api/origin.h for the current process. Only where something is told, so its cost does not matter. */
#ifndef CRYPTNONO_BPF_LIB_ORIGIN_H
#define CRYPTNONO_BPF_LIB_ORIGIN_H

#include "../api/origin.h"
#include "pid.bpf.h"
#include "scope.bpf.h"

/* Names of the cgroups of a path, the deepest first; too large for the stack. */
struct origin_names {
	const char *name[ORIGIN_DEPTH];
};

struct cgroup_path_walk {
	struct cgroup *next;
	struct origin_names *names;
	__u32 count;
	char *text;
	__u32 used;
	bool cut;
};

static int collect_name(__u32 depth, struct cgroup_path_walk *walk)
{
	struct cgroup *cgroup = walk->next;
	struct cgroup *parent = parent_cgroup(cgroup);

	if (!parent)
		return 1;
	walk->names->name[depth & (ORIGIN_DEPTH - 1)] = BPF_CORE_READ(cgroup, kn, name);
	walk->count = depth + 1;
	walk->next = parent;
	return 0;
}

static int append_name(__u32 index, struct cgroup_path_walk *walk)
{
	__u32 used = walk->used & (ORIGIN_PATH - 1);
	__u32 room;
	long got;

	if (index >= walk->count)
		return 1;
	walk->text[used] = '/';
	used = (used + 1) & (ORIGIN_PATH - 1);
	room = ORIGIN_PATH - used;
	got = bpf_probe_read_kernel_str(&walk->text[used], room,
					walk->names->name[(walk->count - 1 - index) & (ORIGIN_DEPTH - 1)]);
	/* Full means that a name, or what comes next, found no room. */
	walk->cut = got <= 1 || used + got >= ORIGIN_PATH - 1;
	if (walk->cut)
		return 1;
	walk->used = used + got - 1;
	return 0;
}

/* Returns the length; 0 if there is no such hierarchy or it does not fit. */
static __always_inline __u16 put_cgroup_path(char *text, struct origin_names *names, __u32 hierarchy)
{
	struct cgroup_path_walk walk = {.text = text, .names = names, .next = current_cgroup(hierarchy)};

	if (!walk.next)
		return 0;
	loop(ORIGIN_DEPTH, collect_name, &walk);
	if (parent_cgroup(walk.next))
		return 0;
	if (!walk.count) {
		text[0] = '/';
		return 1;
	}
	loop(ORIGIN_DEPTH, append_name, &walk);
	return walk.cut ? 0 : walk.used;
}

struct ancestor_walk {
	struct task_struct *task;
	struct origin *origin;
};

/* Of the leader of its threads. */
static __always_inline void put_process(struct origin_process *out, struct task_struct *leader)
{
	out->pid = BPF_CORE_READ(leader, tgid);
	out->start_boottime_ns = BPF_CORE_READ(leader, start_boottime);
	out->cgroup_id = BPF_CORE_READ(leader, cgroups, dfl_cgrp, kn, id);
	out->uid = BPF_CORE_READ(leader, cred, uid.val);
	innermost_pid(leader, &out->innermost_pid, &out->level);
	BPF_CORE_READ_STR_INTO(&out->comm, leader, comm);
}

static int put_ancestor(__u32 index, struct ancestor_walk *walk)
{
	struct task_struct *task = walk->task;
	struct task_struct *parent = BPF_CORE_READ(task, real_parent, group_leader);

	if (!parent || parent == task || index >= ORIGIN_ANCESTORS || !BPF_CORE_READ(parent, tgid))
		return 1;
	put_process(&walk->origin->ancestors[index & (ORIGIN_ANCESTORS - 1)], parent);
	walk->origin->ancestor_count = index + 1;
	walk->task = parent;
	return 0;
}

/* The including file says which record, and which memory for names, go with a number of its own; NULL: none. */
static __always_inline struct origin *origin_of(__u32 slot);
static __always_inline struct origin_names *origin_names_of(__u32 slot);

/* Such a function, and path.bpf.h's path_of(): a part of the value at this number of the including file's map
 * `scratches`. */
#define SCRATCH_PART(scratch_type, part_type, name, part)                       \
	static __always_inline part_type *name(__u32 slot)                      \
	{                                                                       \
		scratch_type *scratch = bpf_map_lookup_elem(&scratches, &slot); \
		return scratch ? &scratch->part : NULL;                         \
	}

/* Functions of their own, so that what one has on the stack is not there in the other. */
SUBPROGRAM int put_processes(__u32 slot)
{
	struct task_struct *task = current_task();
	struct origin *origin = origin_of(slot);
	struct ancestor_walk walk = {.origin = origin};

	if (!origin)
		return 0;
	walk.task = BPF_CORE_READ(task, group_leader);
	put_process(&origin->self, walk.task);
	/* What this thread is called, and acts as: it may differ from the leader. */
	bpf_get_current_comm(origin->self.comm, sizeof(origin->self.comm));
	origin->self.uid = (__u32)bpf_get_current_uid_gid();
	origin->ppid = BPF_CORE_READ(task, real_parent, tgid);
	origin->ancestor_count = 0;
	origin->pad = 0;
	loop(ORIGIN_ANCESTORS, put_ancestor, &walk);
	return 0;
}

SUBPROGRAM int put_cgroup_paths(__u32 slot)
{
	struct origin *origin = origin_of(slot);
	struct origin_names *names = origin_names_of(slot);

	if (!origin || !names)
		return 0;
	origin->v2_bytes = put_cgroup_path(origin->v2, names, HIERARCHY_V2);
	origin->v1_bytes = settings.v1_hierarchy ? put_cgroup_path(origin->v1, names, settings.v1_hierarchy) : 0;
	return 0;
}

/* Into the record of `slot`. */
static __always_inline void put_origin(__u32 slot)
{
	put_processes(slot);
	put_cgroup_paths(slot);
}

#endif
