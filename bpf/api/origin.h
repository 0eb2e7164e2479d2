/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Where a process comes from, as it was at the moment of an event: the paths of its cgroups and its ancestors. Part of
 * every detector's record, because a process that has been killed, and its container, may be gone when user space
 * looks.
 */
#ifndef CRYPTNONO_BPF_API_ORIGIN_H
#define CRYPTNONO_BPF_API_ORIGIN_H

#include "match.h"

/* A pod's container has about 190 bytes, one of Docker inside of it 260. */
#define ORIGIN_PATH 512
#define ORIGIN_ANCESTORS 8
/* Levels of the cgroup tree in a path; of a deeper one user space asks by its id. */
#define ORIGIN_DEPTH 16

struct origin_process {
	__u64 start_boottime_ns; /* with pid: its identity */
	__u64 cgroup_id;	 /* v2 */
	__u32 pid;
	__u32 uid;
	__u32 level; /* of its pid namespace, and its pid there */
	__u32 innermost_pid;
	char comm[16];
};

struct origin {
	struct origin_process self;
	struct origin_process ancestors[ORIGIN_ANCESTORS]; /* the parent first */
	__u32 ancestor_count;
	__u32 ppid;	/* also where there is no ancestor to tell of */
	__u16 v2_bytes; /* of `v2`, without a NUL; 0: not known, or incomplete */
	__u16 v1_bytes;
	__u32 pad;
	char v2[ORIGIN_PATH]; /* from the root of the hierarchy */
	char v1[ORIGIN_PATH]; /* in the hierarchy of enforce_config.v1_hierarchy */
};

MATCH_ASSERT(sizeof(struct origin_process) == 48);
MATCH_ASSERT(__builtin_offsetof(struct origin, v2) == (1 + ORIGIN_ANCESTORS) * 48 + 16);
MATCH_ASSERT(sizeof(struct origin) == (1 + ORIGIN_ANCESTORS) * 48 + 16 + 2 * ORIGIN_PATH);

#endif
