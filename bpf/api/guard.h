/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* What bpf/guard.bpf.c and user space share: whom and what it guards. Fixed-width fields, padded by hand. */
#ifndef CRYPTNONO_BPF_API_GUARD_H
#define CRYPTNONO_BPF_API_GUARD_H

#include "common.h"

/* What somebody laid hands on. Indices of the counters. */
enum guard_target {
	GUARD_PROCESS = 0, /* the daemon: a signal, ptrace, a limit, its scheduling */
	GUARD_OBJECT,	   /* a map, a program or a link: a descriptor, or a change by one */
	GUARD_PIN,	   /* a name in a directory of pins, or such a directory */
	GUARD_TARGETS
};

enum guard_kind { GUARD_MAP = 0, GUARD_PROGRAM, GUARD_LINK };

/* One of the daemon's objects. The kernel gives an id again only after two thousand million others. */
struct guard_object {
	__u32 kind; /* enum guard_kind */
	__u32 id;
};

/* More than are alive at any time: those of rules that are in force no more are forgotten first. */
#define GUARD_OBJECTS 4096

/* Directories of pins: the one that all daemons share, and that of the epoch. Inode 0: none. */
#define GUARD_DIRECTORIES 2

struct guard_owner {
	__u64 start; /* start_boottime of its first thread */
	__u32 pid;   /* 0: nobody as yet */
	__u32 pad;
};

MATCH_ASSERT(sizeof(struct guard_object) == 8);
MATCH_ASSERT(sizeof(struct guard_owner) == 16);

#endif
