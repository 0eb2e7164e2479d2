/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * tcpflowkiller: what both sides know. Three things: the tables of addresses (banned, allowed, not counted), the
 * settings of scan detection, and the records about connections.
 *
 * An address is 16 bytes in network order, IPv4 as ::ffff:a.b.c.d, so that a v4-mapped connect has no second name.
 * Ports are in host order.
 */
#ifndef CRYPTNONO_BPF_API_FLOW_H
#define CRYPTNONO_BPF_API_FLOW_H

#include "common.h"
#include "origin.h"

/* ---- The tables: sorted, disjoint segments of the address space, in the pages of one array map ----
 *
 * Bans, allowed ranges and ranges that do not count are flattened into segments when they are loaded, so a connect
 * costs one binary search whatever overlaps, between two bounds from an index by the top bits of the address.
 * Everything is found by the number of its 32-bit word. The header is at word 0, and small tables lie in page 0 with
 * it.
 */
#define FLOW_PAGE 65536
#define FLOW_PAGE_WORDS (FLOW_PAGE / 4)
#define FLOW_INDEX_BITS_MIN 8
#define FLOW_INDEX_BITS_MAX 20
/* Steps of a binary search: more than the logarithm of FLOW_SEGMENTS_MAX. */
#define FLOW_SEARCH_STEPS 24
#define FLOW_SEGMENTS_MAX (1U << 22)

/* A segment of IPv4 is 4 words: first, last, what holds there, and none. One of IPv6 is 16 words: 4 of the first
 * address and 4 of the last, the most significant first, then what holds. */
#define FLOW_WORDS4 4
#define FLOW_WORDS6 16

/* What holds in a segment. */
#define FLOW_UNCOUNTED (1U << 31) /* connects to it are not counted as a scan's */
#define FLOW_PORTS_MASK 0x00ffffffU
#define FLOW_PORTS_NONE 0U	   /* not banned */
#define FLOW_PORTS_ALL 0x00ffffffU /* banned at every port */
/* Else: banned at some ports, or by named groups; word (value - 1) of the port lists is the number of ranges, and each
 * FLOW_PORT_WORDS words after it are one: first << 16 | last, then the mask of the groups (FLOW_GROUP_*) that ban them,
 * lower half first. The ranges of a list are disjoint. FLOW_PORTS_ALL is by FLOW_GROUP_BANNED alone. */
#define FLOW_PORT_RANGES_MAX 64
#define FLOW_PORT_WORDS 3

struct flow_family {
	__u32 segments;
	__u32 index_bits; /* FLOW_INDEX_BITS_MIN to FLOW_INDEX_BITS_MAX: of the address' bits after `skip` */
	__u32 skip;	  /* leading bits that all segments share (IPv6; at most 44) */
	__u32 index;	  /* word: how many segments begin below each value of the index bits */
	__u32 first;	  /* word of the first segment, at a multiple of its size */
	__u32 pad;
	__u64 prefix; /* the bits that are shared */
};

struct flow_header {
	__u32 generation;
	__u32 ports; /* word of the port lists */
	/* Mask of the groups that kill; the others report. Here and not in struct enforce_config, so that new tables
	 * and the mask that they are meant for come into force as one. Written at any time. */
	__u64 kill_groups;
	struct flow_family v4;
	struct flow_family v6;
};

/* ---- Scans ---- */

/* Distinct destinations that are remembered of one counted unit: the largest threshold is one less. */
#define FLOW_PAIRS 128
/* Units that are counted at one time; each takes 4 KiB while it is. */
#define FLOW_UNITS 4096
/* A destination that has not answered for so long counts as failed: a lost SYN is sent again after 1 s (RFC 6298). */
#define FLOW_ANSWER_NS 2000000000ULL
#define FLOW_PENDING_MAX 65536

enum flow_per {
	FLOW_PER_PROCESS,
	FLOW_PER_TREE, /* topmost ancestor in the same cgroup and pid namespace, below that namespace's init */
	FLOW_PER_SESSION,
	FLOW_PER_CONTAINER, /* outside of containers: user */
};

/* Written by user space at any time. */
struct flow_settings {
	__u64 window_ns;
	__u32 threshold; /* more distinct destinations than this within the window are a scan; 0: not counted */
	__u32 per;	 /* enum flow_per */
	__u32 only_failed;
	__u32 udp; /* UDP destinations count too */
	__u32 log_connects;
	__u32 counting; /* there is a threshold, or connects are logged */
	__u32 hooked;	/* the connect hooks are attached at the root of the hierarchy */
	__u32 pad;
};

struct flow_unit_key {
	__u64 id;
	__u64 start; /* process, tree: start_boottime of that process; else 0 */
};

#define FLOW_PAIR_FAILED 1U

struct flow_pair {
	__u8 addr[16];
	__u64 last_ns; /* CLOCK_MONOTONIC of the last connect; 0: free */
	__u16 port;
	__u8 flags;
	__u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	__u32 count;   /* connects to it */
};

struct flow_unit {
	__u32 lock; /* 1 while a CPU changes the array */
	__u32 used; /* entries that have ever been used: the search stops there */
	__u64 last_ns;
	__u64 last_start; /* of the process that connected last: pid and start_boottime */
	__u32 last_pid;
	__u32 last_uid;
	__u64 last_unit; /* of the blast-radius limit */
	__u64 last_cgroup;
	__u64 acted_start; /* of the process that was killed or reported for this scan: start_boottime */
	struct flow_pair pairs[FLOW_PAIRS];
};

/* A connection that waits for its answer, by the address of its socket. */
struct flow_pending {
	struct flow_unit_key unit;
	__u8 addr[16];
	__u32 slot;
	__u16 port;
	__u16 pad;
};

/* ---- Records ---- */

/* Groups, as the limit counts them: bits of masks. */
#define FLOW_GROUP_BANNED 0 /* bans of no named group */
#define FLOW_GROUP_SCAN 1
#define FLOW_GROUP_NAMED 2 /* the first named group; the last is MATCH_MAX_GROUPS - 1 */

#define FLOW_PATH_MAX 4096
#define FLOW_ARGV_MAX 4096

enum flow_verdict {
	FLOW_KILLED = 1,
	FLOW_REPORTED = 2,
	FLOW_DECIDE = 3, /* user space kills: the kernel could not */
	FLOW_SEEN = 4,	 /* logConnects */
	FLOW_SPARED = 5, /* protected: `spared_why` */
};

enum flow_hook {
	FLOW_HOOK_STATE = 0,   /* inet_sock_set_state, SYN_SENT */
	FLOW_HOOK_CONNECT = 1, /* cgroup/connect4, connect6 */
	FLOW_HOOK_SENDMSG = 2, /* cgroup/sendmsg4, sendmsg6 */
	FLOW_HOOK_LSM = 3,     /* lsm/socket_connect */
};

/* flow_event.flags */
#define FLOW_LIMITED 1U
#define FLOW_REFUSED 2U /* the connect was refused: no packet left */
#define FLOW_PATH_CUT 4U
#define FLOW_UNREADABLE 8U /* the arguments were paged out */

/* A record is this, then `pairs` times struct flow_pair, `path_bytes` of the executable's path, `argv_captured` bytes
 * of the argument area. */
struct flow_event {
	__u64 time_ns; /* CLOCK_MONOTONIC, in the hook, when the address had been found */
	__u64 unit;    /* of the limit */
	__u64 groups;  /* mask of FLOW_GROUP_*: those that ban it, or FLOW_GROUP_SCAN */
	__u8 addr[16];
	__u32 generation;
	__u32 argv_bytes;
	__u32 argv_captured;
	__u32 signal_after_ns; /* FLOW_KILLED: from time_ns until the signal was sent; at most 2^32 - 1 */
	__u16 path_bytes;
	__u16 pairs;
	__u16 port;
	__u8 protocol;
	__u8 verdict;
	__u8 hook;
	__u8 flags;
	__u8 spared_why; /* enum spared_why */
	__u8 pad[5];
	struct origin origin; /* and who it was */
};

/* Per CPU, monotonic. */
struct flow_counters {
	__u64 checked;
	__u64 killed;
	__u64 reported;
	__u64 refused; /* the daemon's own, and so on (SPARED_PROCESS): not told of */
	__u64 limited;
	__u64 signal_failed;
	__u64 lost_events;
	__u64 lost_units;    /* connects that were not counted: too many units */
	__u64 lost_counts;   /* connects that were not counted: another CPU held the unit */
	__u64 lost_pending;  /* connections whose answer will not be seen */
	__u64 lost_kills[2]; /* of `lost_events`: kills for a ban, kills for a scan */
	__u64 prevented;     /* of `killed`: by flow_refuse */
};

MATCH_ASSERT(sizeof(struct flow_family) == 32);
MATCH_ASSERT(sizeof(struct flow_header) == 80);
MATCH_ASSERT(sizeof(struct flow_settings) == 40);
MATCH_ASSERT(sizeof(struct flow_pair) == 32);
MATCH_ASSERT(sizeof(struct flow_unit) == 56 + FLOW_PAIRS * 32);
MATCH_ASSERT(sizeof(struct flow_pending) == 40);
MATCH_ASSERT(sizeof(struct flow_event) == 72 + sizeof(struct origin));
MATCH_ASSERT(__builtin_offsetof(struct flow_event, verdict) == 63);

#endif
