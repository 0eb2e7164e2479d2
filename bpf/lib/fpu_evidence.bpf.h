/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* monero: what a thread's samples add up to, whatever the processor they come from. */
#ifndef CRYPTNONO_BPF_LIB_FPU_EVIDENCE_H
#define CRYPTNONO_BPF_LIB_FPU_EVIDENCE_H

#include "api/fpu.h"
#include "scope.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FPU_THREADS);
	__type(key, __u32);
	__type(value, struct fpu_thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 << 10);
} events SEC(".maps");

/* By the low bits of the thread id: may `threads` hold it? Spares everybody else a look-up. Never cleared. */
#define TRACKED_SLOTS 65536
__u8 tracked[TRACKED_SLOTS] = {};

struct fpu_stats stats = {};

static __always_inline void decay(struct fpu_thread *thread, __u64 now)
{
	__u64 halvings = (now - thread->decayed_ns) >> FPU_HALF_LIFE_SHIFT;
	int mode;

	if (!halvings)
		return;
	thread->decayed_ns += halvings << FPU_HALF_LIFE_SHIFT;
	if (halvings > 31)
		halvings = 31;
	for (mode = 0; mode < FPU_MODES; mode++) {
		thread->all[mode] >>= halvings;
		thread->flushed[mode] >>= halvings;
	}
	thread->wall_changed >>= halvings;
	thread->wall_repeated >>= halvings;
	thread->cpu_changed >>= halvings;
	thread->cpu_repeated >>= halvings;
}

static __always_inline void tell(struct fpu_thread *thread)
{
	struct fpu_event event = {
		.start_boottime_ns = thread->start_boottime_ns,
		.tid = thread->tid,
		.pid = thread->pid,
		.modes = thread->modes,
	};

	if (bpf_ringbuf_output(&events, &event, sizeof(event), 0))
		__sync_fetch_and_add(&stats.lost_events, 1);
}

static __always_inline struct fpu_thread *start_tracking(struct task_struct *task, __u32 tid, __u64 now)
{
	struct fpu_thread fresh = {
		.start_boottime_ns = BPF_CORE_READ(task, start_boottime),
		.process_start_ns = BPF_CORE_READ(task, group_leader, start_boottime),
		.first_ns = now,
		.decayed_ns = now,
		.cgroup_id = bpf_get_current_cgroup_id(),
		.tid = tid,
		.pid = bpf_get_current_pid_tgid() >> 32,
		.uid = (__u32)bpf_get_current_uid_gid(),
	};

	bpf_map_update_elem(&threads, &tid, &fresh, BPF_ANY);
	tracked[tid & (TRACKED_SLOTS - 1)] = 1;
	return bpf_map_lookup_elem(&threads, &tid);
}

static __always_inline void compare_with_last(struct fpu_thread *thread, __u32 mode, __u64 now, __u64 cpu_ns)
{
	bool changed = mode != thread->last_mode;

	if (now - thread->last_ns <= FPU_MIX_GAP_NS) {
		if (changed)
			thread->wall_changed += FPU_ONE;
		else
			thread->wall_repeated += FPU_ONE;
	}
	if (cpu_ns - thread->last_cpu_ns <= FPU_MIX_GAP_NS) {
		if (changed)
			thread->cpu_changed += FPU_ONE;
		else
			thread->cpu_repeated += FPU_ONE;
	}
}

/* Is a thread in nearest mode worth a look? */
static __always_inline bool may_be_tracked(void)
{
	return tracked[bpf_get_current_pid_tgid() & (TRACKED_SLOTS - 1)];
}

/*
 * Counts a sample of the current thread: FPU_NEAREST..., and whether it flushes to zero. Apart, because the program
 * must be short where nothing is to be done.
 */
static __noinline int count_sample(__u32 mode, bool flushes)
{
	struct task_struct *task = current_task();
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct fpu_thread *thread = bpf_map_lookup_elem(&threads, &tid);
	__u64 now = bpf_ktime_get_ns();
	__u64 cpu_ns = BPF_CORE_READ(task, se.sum_exec_runtime);
	__u8 before;

	if (!thread || thread->start_boottime_ns != BPF_CORE_READ(task, start_boottime)) {
		if (mode == FPU_NEAREST || !current_in_scope())
			return 0;
		thread = start_tracking(task, tid, now);
		if (!thread) {
			__sync_fetch_and_add(&stats.lost_threads, 1);
			return 0;
		}
	} else if (now - thread->last_ns < FPU_MIN_GAP_NS) {
		return 0;
	}
	mode &= FPU_MODES - 1;
	decay(thread, now);
	thread->all[mode] += FPU_ONE;
	if (flushes)
		thread->flushed[mode] += FPU_ONE;
	if (thread->samples)
		compare_with_last(thread, mode, now, cpu_ns);
	thread->samples++;
	thread->last_cpu_ns = cpu_ns;
	thread->last_mode = mode;
	thread->last_ns = now;
	__sync_fetch_and_add(&stats.samples, 1);
	before = thread->modes;
	thread->modes |= 1 << mode;
	if (thread->modes != before)
		tell(thread);
	return 0;
}

#endif
