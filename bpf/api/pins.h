/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Enforcement that outlives the daemon: what one daemon's pinned objects tell the next one, of whatever version.
 *
 *   DIRECTORY/active       ARRAY, one u64: the epoch in force. Each hook does nothing while that is not its own.
 *   DIRECTORY/EPOCH/about  ARRAY, one struct pin_about
 *   DIRECTORY/EPOCH/link-* every attached program, map-* the rings
 *
 * `active` and struct pin_about are frozen: fields may be added at the end of the latter, and nothing else may change.
 */
#ifndef CRYPTNONO_BPF_API_PINS_H
#define CRYPTNONO_BPF_API_PINS_H

#include "match.h"

#define PIN_MAGIC 0x6e69702d6f6e6f6eULL
/* Of the records in the rings. Count it up when one of them changes in a way that its size does not show. */
#define PIN_RECORDS 1

struct pin_about {
	__u64 magic;
	__u32 records; /* PIN_RECORDS */
	__u32 exec_event_bytes;
	__u32 flow_event_bytes;
	__u32 owner; /* pid of the daemon, in the initial namespace */
	__u64 epoch;
	__u64 died_ns; /* CLOCK_MONOTONIC, when the daemon died; 0: it lives. Written by the kernel side, once */
	__u64 canary_cgroup;
	__u32 unattended_kills; /* what is the daemon's to decide is killed while it is gone, instead of left to the
				   next */
	__u32 pad;
	__u64 lost_kills[3]; /* since died_ns, records that found a ring full: execs, connects for a ban, for a scan */
	char version[32];
};

/* In each object that has hooks. */
struct pin_self {
	__u64 epoch;
	__u32 owner; /* 0: nobody waits for its end */
	__u32 pad;
};

MATCH_ASSERT(__builtin_offsetof(struct pin_about, epoch) == 24);
MATCH_ASSERT(__builtin_offsetof(struct pin_about, lost_kills) == 56);
MATCH_ASSERT(sizeof(struct pin_about) == 112);

#endif
