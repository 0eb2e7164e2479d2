/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * The only place in the kernel side that sends a signal: mode, protected processes and the blast-radius limit are asked
 * here, so that no detector can forget one of them.
 */
#ifndef CRYPTNONO_BPF_LIB_ENFORCE_H
#define CRYPTNONO_BPF_LIB_ENFORCE_H

#include "atomic.bpf.h"
#include "config.bpf.h"
#include "place.bpf.h"
#include "scope.bpf.h"

#define SIGKILL 9
#define TICK_NS 10000000ULL /* USER_HZ is 100 on every architecture that is promised */

/* Processes that are never touched: the daemon and its ancestors. Thread group id -> start_boottime, as /proc tells it:
 * in ticks, rounded down. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} protected_pids SEC(".maps");

/* Users and executables that are never touched. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u8);
} protected_users SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct file_key);
	__type(value, __u8);
} protected_files SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct limit_key);
	__type(value, __u64);
} limit_seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MATCH_MAX_GROUPS);
	__type(key, __u32);
	__type(value, struct limit_ring);
} limit_rings SEC(".maps");

enum enforcement {
	ENFORCE_KILLED,
	ENFORCE_REPORT,	 /* no group that was hit kills */
	ENFORCE_LIMITED, /* the limit of every group that kills is used up by others */
	ENFORCE_REFUSED, /* protected: spared_why() says why */
	ENFORCE_FAILED,	 /* the kernel would not take the signal */
};

static __always_inline bool current_protected(void)
{
	struct task_struct *task = current_task();
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u64 *start;

	if (pid == 1 || BPF_CORE_READ(task, flags) & 0x00200000 /* PF_KTHREAD */)
		return true;
	start = bpf_map_lookup_elem(&protected_pids, &pid);
	return start && start_boottime(task) - *start < TICK_NS;
}

static __always_inline bool executable_protected(const struct file *image)
{
	struct task_struct *task = current_task();
	struct inode *inode = image ? BPF_CORE_READ(image, f_inode) : BPF_CORE_READ(task, mm, exe_file, f_inode);
	struct file_key key = {.inode = BPF_CORE_READ(inode, i_ino), .device = BPF_CORE_READ(inode, i_sb, s_dev)};

	return bpf_map_lookup_elem(&protected_files, &key);
}

/* Why the current process is not to be touched, if so. `image`: as which executable, NULL for its own. */
static __noinline __u32 spared_why(const struct place *place, const struct file *image)
{
	__u32 uid = (__u32)bpf_get_current_uid_gid();

	if (!place)
		return SPARED_PROCESS;
	if (current_protected())
		return SPARED_PROCESS;
	if (place->is & UNIT_PROTECTED)
		return place->why;
	if (settings.containers_only && (!(place->is & UNIT_CONTAINER) || in_node_mounts()))
		return SPARED_NODE;
	if (settings.protects & PROTECTS_USERS && bpf_map_lookup_elem(&protected_users, &uid))
		return SPARED_USER;
	if (settings.protects & PROTECTS_FILES && executable_protected(image))
		return SPARED_EXECUTABLE;
	return SPARED_NOT;
}

struct slot_search {
	struct limit_ring *ring;
	__u64 now;
	__u64 window;
	__u64 before; /* what was in the slot */
	__u32 group;
	__u32 slot;
	__u32 taken;
};

/* Callbacks, here and elsewhere: the verifier walks them once, and a written-out loop once for each round. */
static int take_slot(__u32 slot, struct slot_search *search)
{
	__u64 before;

	if (slot >= LIMIT_SLOTS || slot >= settings.limit_targets)
		return 1;
	before = search->ring->admitted_ns[slot];
	if (before && elapsed_ns(search->now, before) < search->window)
		return 0;
	/* Another CPU may have taken the slot in the meantime: then look on. */
	search->taken = swap_if(&search->ring->admitted_ns[slot], before, search->now,
				NAME_OF(WORD_LIMIT_SLOT, search->group << 8 | slot));
	search->before = before;
	search->slot = slot;
	return search->taken;
}

/*
 * May `group` act on `unit` now? A unit that was admitted within the window is admitted again and uses nothing up, so
 * one attacker cannot exhaust the limit for the others; a new one needs a slot that is older than the window.
 */
SUBPROGRAM bool limit_admits(__u32 group, __u64 unit)
{
	struct limit_key key = {.unit = unit, .group = group};
	struct slot_search search = {.group = group, .now = bpf_ktime_get_ns(), .window = settings.limit_window_ns};
	__u64 *seen = bpf_map_lookup_elem(&limit_seen, &key);
	__u64 stale = 0;
	bool first;

	if (seen) {
		stale = *seen;
		if (elapsed_ns(search.now, stale) < search.window) {
			*seen = search.now;
			return true;
		}
	}
	search.ring = bpf_map_lookup_elem(&limit_rings, &group);
	if (!search.ring)
		return false;
	loop(LIMIT_SLOTS, take_slot, &search);
	if (!search.taken) {
		/* The last slot may have been taken for this very unit. */
		seen = bpf_map_lookup_elem(&limit_seen, &key);
		return seen && elapsed_ns(search.now, *seen) < search.window;
	}
	/* Of CPUs that ask for one new unit at the same time the first one's slot counts. */
	if (seen)
		first = swap_if(seen, stale, search.now, NAME_OF(WORD_LIMIT_SEEN, unit * MATCH_MAX_GROUPS + group));
	else
		first = !bpf_map_update_elem(&limit_seen, &key, &search.now, BPF_NOEXIST);
	if (!first && search.slot < LIMIT_SLOTS)
		search.ring->admitted_ns[search.slot] = search.before;
	return true;
}

struct admit_context {
	__u64 groups;
	__u64 unit;
	bool admitted;
};

static int admit_group(__u32 group, struct admit_context *context)
{
	if (!(context->groups >> (group & 63) & 1))
		return 0;
	context->admitted = limit_admits(group & 63, context->unit);
	return context->admitted;
}

SUBPROGRAM bool limit_admits_any(__u64 groups, __u64 unit)
{
	struct admit_context context = {.groups = groups, .unit = unit};

	loop(MATCH_MAX_GROUPS, admit_group, &context);
	return context.admitted;
}

/* What may be done to the current process for these rule groups; does not do it. */
static __always_inline enum enforcement enforcement_for(__u64 groups, const volatile __u64 *kill_groups,
							const struct place *place)
{
	if (!(place->is & UNIT_KILL))
		groups &= *kill_groups;
	if (!groups || place->is & UNIT_REPORT || (place->is & UNIT_UNKNOWN && settings.unknown_reports))
		return ENFORCE_REPORT;
	return limit_admits_any(groups, place->unit) ? ENFORCE_KILLED : ENFORCE_LIMITED;
}

/*
 * Kills the current process, or says why not; *why is spared_why() then. `kill_groups`: the mask of those that kill.
 * `may_signal` is a constant that is false for programs that may not. `image`: the executable that it is about to
 * become, or NULL.
 */
static __always_inline enum enforcement enforce_image(__u64 groups, const volatile __u64 *kill_groups,
						      const struct place *place, bool may_signal, __u8 *why,
						      const struct file *image)
{
	enum enforcement verdict;

	if (in_canary()) {
		*why = groups & settings.canary_groups ? SPARED_NOT : SPARED_PROCESS;
		verdict = ENFORCE_KILLED;
	} else {
		*why = spared_why(place, image);
		verdict = *why ? ENFORCE_REFUSED : enforcement_for(groups, kill_groups, place);
	}
	if (*why)
		return ENFORCE_REFUSED;
	if (verdict == ENFORCE_KILLED && (!may_signal || bpf_send_signal(SIGKILL)))
		return ENFORCE_FAILED;
	return verdict;
}

static __always_inline enum enforcement enforce(__u64 groups, const volatile __u64 *kill_groups,
						const struct place *place, bool may_signal, __u8 *why)
{
	return enforce_image(groups, kill_groups, place, may_signal, why, NULL);
}

/* User space asks the same limit for the processes that it kills itself. Not attached; run by BPF_PROG_TEST_RUN. */
SEC("raw_tp")
int limit_admit(struct bpf_raw_tracepoint_args *args)
{
	return limit_admits(args->args[LIMIT_ARG_GROUP] & (MATCH_MAX_GROUPS - 1), args->args[LIMIT_ARG_UNIT]);
}

#endif
