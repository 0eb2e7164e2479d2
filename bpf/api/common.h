/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * What every detector's kernel side shares with user space: scope, mode and limit. Fixed-width fields, padded by hand.
 */
#ifndef CRYPTNONO_BPF_API_COMMON_H
#define CRYPTNONO_BPF_API_COMMON_H

#include "match.h"

#define SCOPE_MAX 16
/* Levels of the cgroup tree that are walked; systemd and the kubelet nest 5 to 7 deep, a container in one adds 2. */
#define CGROUP_MAX_DEPTH 16
#define HIERARCHY_V2 0
/* Slots of the blast-radius ring: the largest `maxTargets`. */
#define LIMIT_SLOTS 64
/* A limit unit that is a user and not a container: the uid with this bit. */
#define LIMIT_UNIT_USER (1ULL << 63)
/* The id of a cgroup of the v1 hierarchy carries this bit, for ids of two hierarchies may be the same number. */
#define CGROUP_ID_V1 (1ULL << 62)

/* What a cgroup is, as user space has said of it or of the nearest one above (struct cgroup_unit.is). */
#define UNIT_CONTAINER 1U /* a container's, or a pod's */
#define UNIT_PROTECTED 2U /* nothing in it is touched; `why` says why */
#define UNIT_REPORT 4U	  /* what happens in it is only reported */
#define UNIT_KILL 16U	  /* what happens in it kills, also where the mode is to report */
#define UNIT_UNKNOWN 8U	  /* a pod's of which it is not known yet whether it is protected */

/* Why a process is not touched. */
enum spared_why {
	SPARED_NOT = 0,
	SPARED_PROCESS, /* pid 1, a kernel thread, the daemon or one of its ancestors */
	SPARED_NODE,	/* only containers are in scope, and it is the node's own */
	SPARED_USER,
	SPARED_EXECUTABLE,
	SPARED_NAMESPACE,
	SPARED_POD_LABEL,
	SPARED_CONTAINER_NAME,
	SPARED_OWN_POD,
	SPARED_REASONS
};

struct cgroup_unit {
	__u64 unit; /* of the blast-radius limit; 0: its user's */
	__u16 is;   /* UNIT_* */
	__u16 why;  /* enum spared_why */
	__u32 pad;
};

/* A protected executable. */
struct file_key {
	__u64 inode;
	__u32 device; /* as the kernel numbers it: major << 20 | minor */
	__u32 pad;
};

/* Mount namespaces that are the node's: that of pid 1, and those of the runtimes. */
#define NODE_NAMESPACES 8

/* One cgroup. */
struct scope_entry {
	__u64 cgroup_id; /* inode number of its directory */
	__u32 level;	 /* below the hierarchy's root, which is 0 */
	__u32 hierarchy; /* HIERARCHY_V2, or 1 + the v1 controller's id in the kernel's enum cgroup_subsys_id */
};

/* Who may be touched: in one of `include` (none: everybody) and in none of `exclude`. */
struct scope_set {
	__u32 includes;
	__u32 excludes;
	struct scope_entry include[SCOPE_MAX];
	struct scope_entry exclude[SCOPE_MAX];
};

/* enforce_config.protects: which of the sets has an entry */
#define PROTECTS_USERS 1U
#define PROTECTS_FILES 2U

/* Written by user space at any time, read by every program. */
struct enforce_config {
	__u64 kill_groups; /* mask of the rule groups that kill; the others report */
	__u64 limit_window_ns;
	__u32 limit_targets;   /* 1 to LIMIT_SLOTS */
	__u32 v1_hierarchy;    /* where containers are told apart besides v2, as in scope_entry; 0: nowhere */
	__u32 active_scope;    /* which of the two scope sets counts: the other one is written, then this is flipped */
	__u32 containers_only; /* 1: only processes in containers that are not in the node's mount namespaces */
	__u32 unknown_reports; /* 1: UNIT_UNKNOWN is only reported */
	__u32 protects;	       /* PROTECTS_* */
	__u32 node_mounts[NODE_NAMESPACES]; /* inode numbers of namespaces; 0: free */
	/* What the daemon proves itself with: processes in this very cgroup (v2; 0: none), in which only they are, die of
	 * these rule groups whatever scope, protection, mode and limit say, and of no other. */
	__u64 canary_cgroup;
	__u64 canary_groups;
	__u32 canary_address; /* IPv4, as in the packet: banned there and nowhere else; 0: none */
	__u16 canary_port;
	__u16 pad;
	struct scope_set scope[2];
};

/* One rule group's ring: when a unit was last admitted as a new one. A slot older than the window is free. */
struct limit_ring {
	__u64 admitted_ns[LIMIT_SLOTS];
};

struct limit_key {
	__u64 unit;
	__u32 group;
	__u32 pad;
};

/* Arguments of the `limit_admit` program, by which user space asks the same limit (BPF_PROG_TEST_RUN, two u64). */
#define LIMIT_ARG_GROUP 0
#define LIMIT_ARG_UNIT 1

MATCH_ASSERT(sizeof(struct scope_entry) == 16);
MATCH_ASSERT(sizeof(struct scope_set) == 8 + 2 * SCOPE_MAX * 16);
MATCH_ASSERT(__builtin_offsetof(struct enforce_config, scope) == 96);
MATCH_ASSERT(sizeof(struct enforce_config) == 96 + 2 * (8 + 2 * SCOPE_MAX * 16));
MATCH_ASSERT(sizeof(struct cgroup_unit) == 16);
MATCH_ASSERT(sizeof(struct file_key) == 16);
MATCH_ASSERT(sizeof(struct limit_key) == 16);

#endif
