/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* Cgroups that have been made, for user space to say what they are. */
#ifndef CRYPTNONO_BPF_API_CGROUP_H
#define CRYPTNONO_BPF_API_CGROUP_H

#include "match.h"

#define CGROUP_EVENT_PATH 1024

struct cgroup_event {
	__u64 id;	  /* in v1 with CGROUP_ID_V1 */
	__u32 path_bytes; /* without a NUL; 0: longer than there is room for */
	__u32 pad;
	char path[CGROUP_EVENT_PATH]; /* from the root of the hierarchy */
};

MATCH_ASSERT(sizeof(struct cgroup_event) == 16 + CGROUP_EVENT_PATH);

#endif
