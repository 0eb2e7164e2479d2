/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Which daemon's programs are in force, where those of several are attached (api/pins.h, docs/adr/0018-pins.md), and
 * whether there is a daemon at all.
 */
#ifndef CRYPTNONO_BPF_LIB_PINS_H
#define CRYPTNONO_BPF_LIB_PINS_H

#include <bpf/bpf_core_read.h>

#include "../api/pins.h"
#include "task.bpf.h"

#define SIGNAL_GROUP_EXIT 4

struct active_epoch {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
};

/* Slot 0: the pinned map `active`, which all daemons' programs share. Empty: nothing is pinned, and these are in force.
 * A map of maps, because where pins are to be is known only after the object has been loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct active_epoch);
} active SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pin_about);
} about SEC(".maps");

/* volatile: user space writes it while programs run. */
volatile struct pin_self self = {};

/* The first thing that a hook asks. Programs at one hook run in the order in which they were attached, so an event that
 * an older daemon's program has left to the newer one finds that in force. */
static __noinline bool in_force(void)
{
	__u32 zero = 0;
	void *map = bpf_map_lookup_elem(&active, &zero);
	__u64 *epoch;

	if (!map)
		return true;
	epoch = bpf_map_lookup_elem(map, &zero);
	return !epoch || *epoch == self.epoch;
}

/* The current process is being killed, perhaps by the program of the daemon that this one takes over from, for this
 * very event: nothing is left to do or to tell. What is not pinned took over from nobody, and tells of each process
 * that it finds, whoever kills it. */
static __always_inline bool killed_by_previous(void)
{
	struct task_struct *task = current_task();

	return self.epoch && BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT;
}

static __always_inline struct pin_about *about_unattended(void)
{
	__u32 zero = 0;
	struct pin_about *known = bpf_map_lookup_elem(&about, &zero);

	return known && known->died_ns ? known : NULL;
}

/* The daemon is gone, and what it would have decided is to be killed. */
static __always_inline bool decided_by_kernel(void)
{
	struct pin_about *known = about_unattended();

	return known && known->unattended_kills;
}

/* A kill that no record tells of. */
static __always_inline void count_unattended_loss(__u32 kind)
{
	struct pin_about *known = about_unattended();

	if (known && kind < 3)
		__sync_fetch_and_add(&known->lost_kills[kind], 1);
}

#endif
