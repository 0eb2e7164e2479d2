/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* The record of one connect for user space: api/flow.h, struct flow_event. */
#ifndef CRYPTNONO_BPF_LIB_FLOW_RECORD_H
#define CRYPTNONO_BPF_LIB_FLOW_RECORD_H

#include "flow_count.bpf.h"
#include "origin.bpf.h"
#include "path.bpf.h"
#include "pins.bpf.h"

/* What was done, for the log. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 << 20);
} events SEC(".maps");

/* What user space must do: a ring of its own, so that a flood of the other delays nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} decisions SEC(".maps");

#define FLOW_PAYLOAD_MAX (FLOW_PAIRS * sizeof(struct flow_pair) + FLOW_PATH_MAX + FLOW_ARGV_MAX)

struct flow_scratch {
	struct flow_event event;
	/* The parts are put one behind the other; the verifier knows of each only its own bound. */
	__u8 payload[FLOW_PAYLOAD_MAX + FLOW_ARGV_MAX];
	struct path_buffer path;
	struct origin_names names;
	__u32 busy;
	__u32 index;
};

/* One for each CPU and some more: hooks of cgroups may be preempted, and another task may then enter one. Sized at
 * load. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_scratch);
} scratches SEC(".maps");

SCRATCH_PART(struct flow_scratch, struct path_buffer, path_of, path)
SCRATCH_PART(struct flow_scratch, struct origin, origin_of, event.origin)
SCRATCH_PART(struct flow_scratch, struct origin_names, origin_names_of, names)

#define SCRATCH_TRIES 4

static __always_inline struct flow_scratch *take_scratch(void)
{
	__u32 index = bpf_get_smp_processor_id();
	struct flow_scratch *scratch;
	int attempt;

	for (attempt = 0; attempt < SCRATCH_TRIES; attempt++, index++) {
		scratch = bpf_map_lookup_elem(&scratches, &index);
		if (scratch && try_take(&scratch->busy, NAME_OF(WORD_SCRATCH, index))) {
			scratch->index = index;
			return scratch;
		}
	}
	return NULL;
}

static __always_inline __u32 put_pairs(struct flow_scratch *scratch, const struct flow_unit *unit)
{
	__u32 bytes = unit->used * sizeof(struct flow_pair);

	if (bytes > sizeof(unit->pairs) || bpf_probe_read_kernel(scratch->payload, bytes, unit->pairs))
		return 0;
	scratch->event.pairs = bytes / sizeof(struct flow_pair);
	return bytes;
}

/* Not inlined, for the stack: what it needs there is not needed together with what others do. */
static __noinline __u32 put_path(struct flow_scratch *scratch, __u32 used)
{
	struct task_struct *task = current_task();
	struct file *file = BPF_CORE_READ(task, mm, exe_file);
	bool complete = false;
	__u32 begin, bytes;

	if (!file)
		return used;
	begin = resolve_path(scratch->index, file, &complete);
	if (!complete)
		scratch->event.flags |= FLOW_PATH_CUT;
	bytes = (FLOW_PATH_MAX - begin) & (FLOW_PATH_MAX - 1);
	if (used > FLOW_PAIRS * sizeof(struct flow_pair) ||
	    bpf_probe_read_kernel(scratch->payload + used, bytes, &scratch->path.text[begin & (FLOW_PATH_MAX - 1)]))
		return used;
	scratch->event.path_bytes = bytes;
	return used + bytes;
}

/* The process is in its system call, so another thread may rewrite its arguments: they are for the log only. */
static __always_inline __u32 put_argv(struct flow_scratch *scratch, __u32 used)
{
	struct task_struct *task = current_task();
	__u64 begin = BPF_CORE_READ(task, mm, arg_start);
	__u64 bytes = BPF_CORE_READ(task, mm, arg_end) - begin;

	scratch->event.argv_bytes = bytes;
	barrier_var(bytes);
	if (bytes > FLOW_ARGV_MAX)
		bytes = FLOW_ARGV_MAX;
	if (used > FLOW_PAIRS * sizeof(struct flow_pair) + FLOW_PATH_MAX)
		return used;
	if (bpf_probe_read_user(scratch->payload + used, bytes, (void *)begin)) {
		scratch->event.flags |= FLOW_UNREADABLE;
		return used;
	}
	scratch->event.argv_captured = bytes;
	return used + bytes;
}

/* What is said about a connect. */
struct flow_report {
	const struct flow_act *act;
	const struct flow_unit *unit; /* whose destinations are told, or NULL */
	struct place place;
	__u64 time_ns;
	__u64 groups; /* mask of FLOW_GROUP_* */
	__u32 signal_after_ns;
	__u32 generation;
	__u8 verdict;
	__u8 flags;
	__u8 spared_why;
	__u8 scan; /* 1: for a scan, 0: for a ban */
};

static __noinline int count_loss(struct flow_counters *counters, const struct flow_report *report)
{
	if (!counters || !report)
		return 0;
	counters->lost_events++;
	if (report->verdict == FLOW_KILLED && !in_canary()) {
		counters->lost_kills[report->scan & 1]++;
		count_unattended_loss(1 + (report->scan & 1));
	}
	return 0;
}

static __noinline int tell(const struct flow_report *report)
{
	struct flow_scratch *scratch = take_scratch();
	__u32 zero = 0, used = 0, size;
	struct flow_counters *counters = bpf_map_lookup_elem(&stats, &zero);
	const struct flow_act *act;
	struct flow_event *event;
	long lost;

	if (!counters || !report)
		return 0;
	if (!scratch) {
		count_loss(counters, report);
		return 0;
	}
	act = report->act;
	event = &scratch->event;
	__builtin_memset(event, 0, __builtin_offsetof(struct flow_event, origin));
	put_origin(scratch->index);
	__builtin_memcpy(event->addr, act->addr, 16);
	event->time_ns = report->time_ns;
	event->signal_after_ns = report->signal_after_ns;
	event->port = act->port;
	event->protocol = act->protocol;
	event->hook = act->hook;
	event->generation = report->generation;
	event->unit = report->place.unit;
	event->groups = report->groups;
	event->verdict = report->verdict;
	event->flags = report->flags;
	event->spared_why = report->spared_why;
	if (report->unit)
		used = put_pairs(scratch, report->unit);
	used = put_path(scratch, used);
	used = put_argv(scratch, used);
	size = sizeof(*event) + used;
	if (size > sizeof(*event) + FLOW_PAYLOAD_MAX) {
		lost = 1;
	} else if (event->verdict == FLOW_DECIDE) {
		/* Woken at once: a process that has to die is running. */
		lost = bpf_ringbuf_output(&decisions, event, size, BPF_RB_FORCE_WAKEUP);
	} else {
		lost = bpf_ringbuf_output(&events, event, size, 0);
	}
	if (lost)
		count_loss(counters, report);
	give_back(&scratch->busy, NAME_OF(WORD_SCRATCH, scratch->index));
	return 0;
}

#endif
