// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * execwhacker: a banned command line dies before its first instruction.
 *
 * Hook: sched_process_exec, which runs in the process itself when the new image is complete. Its arguments lie in the
 * new memory, which nobody else maps; no other thread of it is left; and a signal sent here is delivered before the
 * return to user mode. execve, execveat, scripts and 32-bit callers all come through it, failed calls do not.
 *
 *   in scope? -> match path, file name, argv -> nothing: done (nearly always)
 *                                            -> hit, and nothing may allow it: enforce(), then tell (ring `events`)
 *                                            -> hit, and an allowed pattern may match: user space decides (ring
 * `decisions`)
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "api/exec.h"
#include "lib/cmdline.bpf.h"
#include "lib/enforce.bpf.h"
#include "lib/origin.bpf.h"
#include "lib/owner_exit.bpf.h"
#include "lib/scope.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Counters; see api/exec.h. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_stats);
} stats SEC(".maps");

/* What was done, for the log. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} events SEC(".maps");

/* What is to be done, for user space to decide: a ring of its own, so that a flood of the other delays nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} decisions SEC(".maps");

static __always_inline bool capture_arguments(struct exec_context *exec, __u8 *to, __u32 size, enum memory memory)
{
#ifndef PLAIN_LOOPS
	if (memory == MEMORY_WALKED)
		return read_walked(&exec->scratch->walk, to, size, exec->argv_begin);
#endif
	return !bpf_probe_read_user(to, size, (void *)exec->argv_begin);
}

/* Appends the three texts to the event. The process does not run, so its arguments are still those that were matched.
 */
static __always_inline __u32 capture(struct exec_context *exec, enum memory memory)
{
	struct exec_event *event = &exec->scratch->event;
	__u8 *payload = exec->scratch->text;
	__u64 argv_bytes = exec->argv_end - exec->argv_begin;
	__u32 path_bytes = EXEC_PATH_MAX - exec->path_begin;
	__u32 used = 0;
	long got;

	got = bpf_probe_read_kernel_str(payload, EXEC_PATH_MAX, exec->filename);
	if (got > 1)
		used = (got - 1) & (EXEC_PATH_MAX - 1);
	event->filename_bytes = used;

	path_bytes &= EXEC_PATH_MAX - 1;
	event->path_bytes = path_bytes;
	if (bpf_probe_read_kernel(payload + used, path_bytes,
				  &exec->scratch->path.text[exec->path_begin & (EXEC_PATH_MAX - 1)]))
		event->path_bytes = 0;
	used += event->path_bytes & (EXEC_PATH_MAX - 1);

	event->argv_bytes = argv_bytes;
	/* Else the compiler compares a copy, and the verifier learns nothing about the register that is used. */
	barrier_var(argv_bytes);
	if (argv_bytes > EXEC_ARGV_MAX)
		argv_bytes = EXEC_ARGV_MAX;
	if (!capture_arguments(exec, payload + used, argv_bytes, memory)) {
		argv_bytes = 0;
		event->flags |= EXEC_UNREADABLE;
	}
	event->argv_captured = argv_bytes;
	return used + argv_bytes;
}

static __always_inline void act(struct exec_event *event, const struct place *place, struct exec_stats *stats,
				bool defer)
{
	enum enforcement done =
		defer ? ENFORCE_FAILED : enforce(event->groups, &settings.kill_groups, place, true, &event->spared_why);

	switch (done) {
	case ENFORCE_KILLED:
		event->verdict = EXEC_KILLED;
		event->signal_after_ns = since_ns(event->time_ns);
		stats->killed++;
		break;
	case ENFORCE_LIMITED:
		event->flags |= EXEC_LIMITED;
		stats->limited++;
		/* fallthrough */
	case ENFORCE_REPORT:
		event->verdict = EXEC_REPORTED;
		stats->reported++;
		break;
	case ENFORCE_REFUSED:
		event->verdict = EXEC_SPARED;
		if (event->spared_why == SPARED_PROCESS) {
			event->verdict = 0;
			stats->refused++;
		}
		break;
	default:
		event->verdict = EXEC_DECIDE;
		if (defer) {
			stats->deferred++;
		} else {
			event->flags |= EXEC_SIGNAL_FAILED;
			stats->signal_failed++;
		}
	}
}

static __always_inline void tell(struct exec_context *exec, struct exec_stats *stats, enum memory memory)
{
	struct exec_event *event = &exec->scratch->event;
	__u32 size = capture(exec, memory);

	if (size > sizeof(exec->scratch->text))
		return;
	size += sizeof(*event);
	if (event->verdict == EXEC_DECIDE) {
		/* Woken at once: a process that may have to die is running. */
		if (bpf_ringbuf_output(&decisions, event, size, BPF_RB_FORCE_WAKEUP))
			stats->lost_decisions++;
	} else if (bpf_ringbuf_output(&events, event, size, 0)) {
		stats->lost_events++;
		if (event->verdict == EXEC_KILLED && !in_canary()) {
			stats->lost_kills++;
			count_unattended_loss(0);
		}
	}
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec_match, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	struct exec_context exec = {.filename = bprm->filename, .slot = bpf_get_smp_processor_id()};
	struct exec_event *event;
	struct exec_stats *counters;
	struct place place = {};
	__u64 begin;
	__u32 zero = 0;
	struct file *file;
	__u64 groups;
	__u32 flags;
	bool banned, defer, canary;

	if (!in_force() || !current_in_scope())
		return 0;
	counters = bpf_map_lookup_elem(&stats, &zero);
	exec.view.tables = bpf_map_lookup_elem(&rules, &zero);
	if (!counters || !exec.view.tables)
		return 0;
	counters->checked++;
	begin = bpf_ktime_get_ns();
	exec.view.header = bpf_map_lookup_elem(exec.view.tables, &zero);
	exec.scratch = bpf_map_lookup_elem(&scratches, &exec.slot);
	if (!exec.view.header || !exec.scratch)
		return 0;
	exec.view.text = exec.scratch->text;
	exec.state = &exec.scratch->state;
	exec.argv_begin = task->mm->arg_start;
	exec.argv_end = task->mm->arg_end;
	file = BPF_CORE_READ(bprm, file); /* a number: see resolve_path */
	exec.path_begin = resolve_path(exec.slot, file, &exec.path_complete);
	match_all(&exec, MEMORY_CURRENT);
	flags = exec.state->run.flags;
	groups = exec.state->run.groups;
	canary = groups & settings.canary_groups && in_canary();
	if (!canary) /* the word that canaries die of says nothing elsewhere */
		groups &= ~settings.canary_groups;
	banned = groups;
	if (!banned && !exec.state->failed)
		return 0;
	if (killed_by_previous())
		return 0;

	event = &exec.scratch->event;
	__builtin_memset(event, 0, __builtin_offsetof(struct exec_event, origin));
	event->time_ns = begin;
	event->groups = groups;
	event->rule = exec.state->run.rule;
	event->generation = exec.view.header->generation;
	current_place(&place);
	event->unit = place.unit;
	if (exec.state->failed) {
		event->flags |= EXEC_UNREADABLE;
		counters->unreadable++;
	}
	if (!exec.path_complete)
		event->flags |= EXEC_PATH_CUT;
	else if (file_trusted(file))
		event->flags |= EXEC_PATH_TRUSTED;
	/* What may be allowed is judged in user space, and so is what could not be read. */
	defer = !banned || flags & (MATCH_OUT_ALLOW_LITERAL | MATCH_OUT_ALLOW_PATH) ||
		exec.view.header->flags & MATCH_ALWAYS_DEFER;
	defer = defer && !canary && !(banned && decided_by_kernel());
	act(event, &place, counters, defer);
	if (event->verdict) {
		put_origin(exec.slot);
		tell(&exec, counters, MEMORY_CURRENT);
	}
	return 0;
}

#ifndef PLAIN_LOOPS
#include "lib/exec_refuse.bpf.h"
#endif
