/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * execwhacker: what the kernel side tells user space about an exec that hit a rule.
 *
 * A record of either ring buffer is one struct exec_event and then, without gaps, `filename_bytes` of the path given to
 * execve, `path_bytes` of the executable's resolved path, and `argv_captured` bytes of the argument area (NUL after
 * each argument). None of the three is NUL-terminated by itself.
 */
#ifndef CRYPTNONO_BPF_API_EXEC_H
#define CRYPTNONO_BPF_API_EXEC_H

#include "common.h"
#include "origin.h"

/* Bounds of what a record holds. Matching has no such bound. */
#define EXEC_PATH_MAX 4096
#define EXEC_ARGV_MAX MATCH_CHUNK
/* Components that the path of an executable may have before the kernel side gives up (the tail is kept). */
#define EXEC_PATH_DEPTH 48
/* 6 MiB is the most that the kernel takes for arguments (3/4 of _STK_LIM, fs/exec.c), whatever the stack's limit. */
#define EXEC_MAX_CHUNKS 256

enum exec_verdict {
	EXEC_KILLED = 1,   /* SIGKILL is pending; the process does not return to user mode */
	EXEC_REPORTED = 2, /* would have been killed: mode or limit */
	EXEC_SPARED = 4,   /* protected: `spared_why` */
	EXEC_DECIDE = 3,   /* user space decides: an allowed pattern may spare it, or the signal was refused */
};

/* exec_event.flags */
#define EXEC_LIMITED 1U /* reported because of the blast-radius limit */
#define EXEC_SIGNAL_FAILED 2U
#define EXEC_PATH_TRUSTED 4U /* the executable is root's, nobody else may write it, and it is not on FUSE */
#define EXEC_PATH_CUT 8U     /* `path` lacks its beginning */
#define EXEC_REFUSED 32U     /* EXEC_KILLED: execve failed, so the new image was never there */
#define EXEC_UNREADABLE 16U  /* part of the arguments could not be read in the kernel (paged out) */

struct exec_event {
	__u64 time_ns; /* CLOCK_MONOTONIC, when the hook began */
	__u64 unit;    /* of the blast-radius limit: a container's cgroup id, or LIMIT_UNIT_USER | uid */
	__u64 groups;  /* mask of the rule groups that were hit */
	__u32 rule;    /* in the rules of `generation` */
	__u32 generation;
	__u32 argv_bytes; /* of the whole argument area */
	__u32 argv_captured;
	__u32 signal_after_ns; /* EXEC_KILLED: from time_ns until the signal was sent; at most 2^32 - 1 */
	__u16 filename_bytes;
	__u16 path_bytes;
	__u8 verdict; /* enum exec_verdict */
	__u8 flags;
	__u8 spared_why; /* enum spared_why */
	__u8 pad[5];
	struct origin origin; /* and who it was */
};

/* Per CPU, monotonic. */
struct exec_stats {
	__u64 checked; /* execs in scope */
	__u64 killed;
	__u64 reported;
	__u64 deferred; /* left to user space */
	__u64 refused;	/* the daemon's own, and so on (SPARED_PROCESS): not told of */
	__u64 limited;	/* of `reported`: because of the limit */
	__u64 unreadable;
	__u64 signal_failed;
	__u64 lost_events;    /* records that found `events` full */
	__u64 lost_decisions; /* records that found `decisions` full: user space must scan */
	__u64 lost_kills;     /* of `lost_events`: kills */
	__u64 prevented;      /* of `killed`: refused before the new image took effect (exec_refuse) */
	__u64 unproven;	      /* execs that exec_refuse could not read and left to exec_match */
};

MATCH_ASSERT(sizeof(struct exec_event) == 56 + sizeof(struct origin));
MATCH_ASSERT(__builtin_offsetof(struct exec_event, rule) == 24);
MATCH_ASSERT(__builtin_offsetof(struct exec_event, verdict) == 48);
MATCH_ASSERT(sizeof(struct exec_stats) == 104);

#endif
