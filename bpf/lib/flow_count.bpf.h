/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Counts distinct destinations in a window that slides: each unit keeps its latest FLOW_PAIRS of them with the time of
 * the last connect to each, so "more than N within W" is exact for every N below FLOW_PAIRS.
 */
#ifndef CRYPTNONO_BPF_LIB_FLOW_COUNT_H
#define CRYPTNONO_BPF_LIB_FLOW_COUNT_H

#include "../api/flow.h"
#include "enforce.bpf.h"
#include "flow_lookup.bpf.h"
#include "pid.bpf.h"

volatile struct flow_settings flow = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_counters);
} stats SEC(".maps");

/* Memory is taken for a unit when it first connects; user space removes those that are idle. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOW_UNITS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_unit_key);
	__type(value, struct flow_unit);
} units_counted SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOW_PENDING_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct flow_pending);
} pending SEC(".maps");

/* What a new unit is made from. */
static struct flow_unit empty_unit;

/* One connect or send, as a hook sees it. */
struct flow_act {
	__u8 addr[16] __attribute__((aligned(8)));
	__u16 port;
	__u8 protocol;
	__u8 hook; /* enum flow_hook */
};

struct tree_walk {
	struct task_struct *top;
	struct cgroup *cgroup;
};

static int tree_step(__u32 depth, struct tree_walk *walk)
{
	struct task_struct *task = walk->top;
	struct task_struct *parent = BPF_CORE_READ(task, real_parent, group_leader);
	__u32 number, level, parent_number, parent_level;

	if (!parent || BPF_CORE_READ(parent, cgroups, dfl_cgrp) != walk->cgroup)
		return 1;
	innermost_pid(task, &number, &level);
	innermost_pid(parent, &parent_number, &parent_level);
	if (level != parent_level || parent_number == 1)
		return 1;
	walk->top = parent;
	return 0;
}

/* Deeper trees are counted from the ancestor at this distance. */
#define TREE_DEPTH 64

/* Address of the task. */
SUBPROGRAM __u64 tree_of_current(void)
{
	struct task_struct *task = current_task();
	struct tree_walk walk = {};

	walk.cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	walk.top = BPF_CORE_READ(task, group_leader);
	loop(TREE_DEPTH, tree_step, &walk);
	return (__u64)walk.top;
}

static __always_inline void unit_key_of_current(struct flow_unit_key *key, __u64 limit_unit)
{
	struct task_struct *task = current_task();
	struct task_struct *top;
	struct pid *session;

	switch (flow.per) {
	case FLOW_PER_TREE:
		top = (struct task_struct *)tree_of_current();
		key->id = BPF_CORE_READ(top, tgid);
		key->start = BPF_CORE_READ(top, start_boottime);
		break;
	case FLOW_PER_SESSION:
		session = BPF_CORE_READ(task, signal, pids[PIDTYPE_SID]);
		key->id = BPF_CORE_READ(session, numbers[0].nr);
		/* The object, not only its number, which may be used again. */
		key->start = (__u64)session;
		break;
	case FLOW_PER_CONTAINER:
		key->id = limit_unit;
		key->start = 0;
		break;
	default:
		key->id = bpf_get_current_pid_tgid() >> 32;
		key->start = start_boottime(task);
	}
}

static __always_inline __u64 name_of_unit(const struct flow_unit_key *key)
{
	return NAME_OF(WORD_FLOW_UNIT, key->id * 0x9e3779b97f4a7c15ULL ^ key->start);
}

/* A hold lasts a microsecond; a holder may have been preempted, then this connect goes uncounted. */
static __always_inline bool lock_unit(struct flow_unit *unit, const struct flow_unit_key *key)
{
	return take(&unit->lock, name_of_unit(key));
}

static __always_inline void unlock_unit(struct flow_unit *unit, const struct flow_unit_key *key)
{
	give_back(&unit->lock, name_of_unit(key));
}

struct pair_search {
	struct flow_unit *unit;
	__u64 addr[2];
	__u64 now;
	__u64 window;
	__u64 oldest_ns;
	__u32 port_protocol;
	__u32 oldest; /* the entry to use again: a free one, or that of the oldest connect */
	__u32 found;  /* FLOW_PAIRS: none */
	__u32 count;
};

static __always_inline bool pair_counts(const struct flow_pair *pair, __u64 now)
{
	return !flow.only_failed || pair->flags & FLOW_PAIR_FAILED || elapsed_ns(now, pair->last_ns) > FLOW_ANSWER_NS;
}

static int pair_step(__u32 index, struct pair_search *search)
{
	struct flow_unit *unit = search->unit;
	struct flow_pair *pair;
	__u64 *addr;

	if (index >= FLOW_PAIRS || index >= unit->used)
		return 1;
	pair = &unit->pairs[index];
	if (!pair->last_ns || elapsed_ns(search->now, pair->last_ns) >= search->window) {
		search->oldest_ns = forgotten(0);
		search->oldest = forgotten(index);
		return 0;
	}
	if (pair->last_ns < search->oldest_ns) {
		search->oldest_ns = pair->last_ns;
		search->oldest = forgotten(index);
	}
	addr = (__u64 *)pair->addr;
	if (addr[0] == search->addr[0] && addr[1] == search->addr[1] &&
	    ((__u32)pair->port << 8 | pair->protocol) == search->port_protocol)
		search->found = forgotten(index);
	else if (pair_counts(pair, search->now))
		search->count = forgotten(search->count + 1);
	return 0;
}

struct count_result {
	struct flow_unit *unit; /* NULL: not counted */
	struct flow_unit_key key;
	__u32 slot;
	bool scan; /* this destination is new, and one too many */
};

static __always_inline struct flow_unit *find_unit(struct flow_unit_key *key)
{
	struct flow_unit *unit = bpf_map_lookup_elem(&units_counted, key);

	if (unit)
		return unit;
	bpf_map_update_elem(&units_counted, key, &empty_unit, BPF_NOEXIST);
	return bpf_map_lookup_elem(&units_counted, key);
}

static __always_inline void remember_process(struct flow_unit *unit, __u64 limit_unit, __u64 now)
{
	struct task_struct *task = current_task();

	unit->last_ns = now;
	unit->last_pid = bpf_get_current_pid_tgid() >> 32;
	unit->last_start = start_boottime(task);
	unit->last_uid = (__u32)bpf_get_current_uid_gid();
	unit->last_cgroup = bpf_get_current_cgroup_id();
	unit->last_unit = limit_unit;
}

/* Is current_place() needed to count? */
static __always_inline bool counting_needs_place(void)
{
	return flow.per == FLOW_PER_CONTAINER || flow.only_failed;
}

/* `limit_unit` is that of current_place(), where it is needed. */
static __noinline int count_here(const struct flow_act *act, __u64 limit_unit, __u64 now, struct count_result *result)
{
	struct pair_search search = {.now = now, .window = flow.window_ns, .found = forgotten(FLOW_PAIRS)};
	struct flow_counters *counters;
	struct flow_pair *pair;
	__u32 zero = 0, slot;

	if (!act || !result)
		return 0;
	counters = bpf_map_lookup_elem(&stats, &zero);
	if (!counters)
		return 0;
	unit_key_of_current(&result->key, limit_unit);
	search.unit = find_unit(&result->key);
	if (!search.unit) {
		counters->lost_units++;
		return 0;
	}
	if (!lock_unit(search.unit, &result->key)) {
		counters->lost_counts++;
		return 0;
	}
	__builtin_memcpy(search.addr, act->addr, 16);
	search.port_protocol = (__u32)act->port << 8 | act->protocol;
	search.oldest_ns = forgotten(~0ULL);
	search.oldest = search.count = forgotten(0);
	loop(FLOW_PAIRS, pair_step, &search);
	slot = search.found;
	if (slot >= FLOW_PAIRS) {
		slot = search.oldest;
		if (search.oldest_ns && search.unit->used < FLOW_PAIRS)
			slot = search.unit->used++;
	}
	slot &= FLOW_PAIRS - 1;
	pair = &search.unit->pairs[slot];
	if (search.found >= FLOW_PAIRS) {
		__builtin_memcpy(pair->addr, act->addr, 16);
		pair->port = act->port;
		pair->protocol = act->protocol;
		pair->flags = 0;
		pair->count = 0;
	}
	pair->count++;
	pair->last_ns = search.now;
	if (!flow.only_failed || pair->flags & FLOW_PAIR_FAILED)
		search.count++;
	remember_process(search.unit, limit_unit, search.now);
	unlock_unit(search.unit, &result->key);
	result->unit = search.unit;
	result->slot = slot;
	/* Who was told of is not told of again for each further destination. */
	result->scan = search.found >= FLOW_PAIRS && flow.threshold && search.count > flow.threshold &&
		       search.unit->acted_start != start_boottime(current_task());
	return 0;
}

#ifndef PLAIN_LOOPS

#define count_destination count_here

#else

#define COUNTED 1ULL
#define COUNTED_SCAN 2ULL
#define COUNTED_SLOT_SHIFT 8

SUBPROGRAM __u64 count_apart(__u64 addr0, __u64 addr1, __u64 port_protocol, __u64 limit_unit, __u64 now)
{
	struct flow_act act = {.port = port_protocol >> 8, .protocol = port_protocol};
	struct count_result result = {};
	__u64 *addr = (__u64 *)act.addr;

	addr[0] = addr0;
	addr[1] = addr1;
	count_here(&act, limit_unit, now, &result);
	return (result.unit ? COUNTED : 0) | (result.scan ? COUNTED_SCAN : 0) |
	       (__u64)result.slot << COUNTED_SLOT_SHIFT;
}

static __noinline int count_destination(const struct flow_act *act, __u64 limit_unit, __u64 now,
					struct count_result *result)
{
	const __u64 *addr;
	__u64 counted;

	if (!act || !result)
		return 0;
	addr = (const __u64 *)act->addr;
	counted = count_apart(addr[0], addr[1], (__u64)act->port << 8 | act->protocol, limit_unit, now);
	if (!(counted & COUNTED))
		return 0;
	unit_key_of_current(&result->key, limit_unit);
	result->unit = bpf_map_lookup_elem(&units_counted, &result->key);
	result->slot = counted >> COUNTED_SLOT_SHIFT;
	result->scan = counted & COUNTED_SCAN;
	return 0;
}

#endif

/* Remembers that the answer to this connection, whose socket is at `key`, tells of its destination. Not inlined, for
 * the stack.
 */
static __noinline int await_answer(__u64 key, const struct flow_act *act, const struct count_result *result,
				   struct flow_counters *counters)
{
	struct flow_pending wait = {};

	if (!act || !result || !counters)
		return 0;
	wait.unit = result->key;
	wait.slot = result->slot;
	wait.port = act->port;
	__builtin_memcpy(wait.addr, act->addr, 16);
	if (bpf_map_update_elem(&pending, &key, &wait, BPF_ANY))
		counters->lost_pending++;
	return 0;
}

/* A connection left SYN_SENT: a destination that answered is forgotten, one that did not counts from now on. */
static __always_inline void note_answer(const struct sock *sk, bool answered)
{
	__u64 key = (__u64)sk;
	struct flow_pending *wait = bpf_map_lookup_elem(&pending, &key);
	struct flow_unit *unit;
	struct flow_pair *pair;

	if (!wait)
		return;
	unit = bpf_map_lookup_elem(&units_counted, &wait->unit);
	if (unit) {
		pair = &unit->pairs[wait->slot & (FLOW_PAIRS - 1)];
		__u64 *mine = (__u64 *)wait->addr, *its = (__u64 *)pair->addr;

		/* Without the lock, which this context may have interrupted: single stores, to the same pair only. */
		if (pair->port == wait->port && mine[0] == its[0] && mine[1] == its[1]) {
			if (answered)
				pair->last_ns = 0;
			else
				pair->flags |= FLOW_PAIR_FAILED;
		}
	}
	bpf_map_delete_elem(&pending, &key);
}

#endif
