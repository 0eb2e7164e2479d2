// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * monero: samples of the rounding mode, of which RandomX uses all four.
 *
 * Hook: x86_fpu_regs_deactivated, which runs when a thread that used floating point is switched out, just after its
 * registers were saved. It runs for each of those switches of the machine, so what is in nearest mode and has never
 * shown another leaves after a few loads.
 *
 *   nearest and not tracked: done (nearly always)
 *   else, in scope: the thread's evidence in `threads`; a mode that is new: a record in the ring `events`
 *
 * Who wants more samples runs `find_targets`, which says on which CPU a suspect runs at this moment, and preempts it
 * there.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "api/fpu.h"
#include "lib/mxcsr.bpf.h"
#include "lib/scope.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FPU_THREADS);
	__type(key, __u32);
	__type(value, struct fpu_thread);
} threads SEC(".maps");

/* Threads that user space wants to be sampled. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FPU_ACTIVE);
	__type(key, __u32);
	__type(value, __u8);
} active SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 << 10);
} events SEC(".maps");

/* By the low bits of the thread id: may `threads` hold it? Spares everybody else a look-up. Cleared by user space. */
#define TRACKED_SLOTS 65536
__u8 tracked[TRACKED_SLOTS];

struct fpu_stats stats;
struct fpu_targets targets;

struct fpu_cpu cpus[FPU_MAX_CPUS];

/* The symbol `runqueues` is not to be had where kallsyms holds functions only; a thread's own queue leads to it. */
static __noinline void learn_queue(__u32 cpu)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct rq *queue;

	if (!bpf_core_field_exists(struct cfs_rq, rq))
		return;
	queue = BPF_CORE_READ(task, se.cfs_rq, rq);
	if (cpu < FPU_MAX_CPUS && (__u32)BPF_CORE_READ(queue, cpu) == cpu)
		cpus[cpu].queue = (__u64)queue;
}

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
		.start_boottime_ns = task->start_boottime,
		.process_start_ns = task->group_leader->start_boottime,
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

/* Apart, because the program must be short where nothing is to be done. */
static __noinline int count_sample(__u32 mxcsr)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u32 mode = MXCSR_MODE(mxcsr);
	struct fpu_thread *thread = bpf_map_lookup_elem(&threads, &tid);
	__u64 now = bpf_ktime_get_ns();
	__u64 cpu_ns = task->se.sum_exec_runtime;
	__u8 before;

	if (!thread || thread->start_boottime_ns != task->start_boottime) {
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
	decay(thread, now);
	thread->all[mode] += FPU_ONE;
	if ((mxcsr & MXCSR_FLUSHES) == MXCSR_FLUSHES)
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

SEC("tp_btf/x86_fpu_regs_deactivated")
int BPF_PROG(fpu_sample, struct fpu *fpu)
{
	__u32 mxcsr = saved_mxcsr(fpu);
	__u32 cpu = bpf_get_smp_processor_id();

	if (cpu < FPU_MAX_CPUS) {
		cpus[cpu].runs++;
		if (!cpus[cpu].queue)
			learn_queue(cpu);
	}
	if (MXCSR_MODE(mxcsr) == FPU_NEAREST && !tracked[bpf_get_current_pid_tgid() & (TRACKED_SLOTS - 1)])
		return 0;
	return count_sample(mxcsr);
}

struct target_search {
	__u64 heartbeat;
};

static __always_inline void add_target(__u32 cpu, __u32 tid)
{
	__u32 index = targets.count;

	if (index >= FPU_MAX_TARGETS)
		return;
	targets.cpu[index] = cpu;
	targets.tid[index] = tid;
	targets.count = index + 1;
}

static int look_at_cpu(__u32 cpu, struct target_search *search)
{
	struct task_struct *running;
	struct fpu_cpu *state;
	struct rq *queue;
	bool quiet = false;
	__u32 tid;

	if (cpu >= FPU_MAX_CPUS)
		return 1;
	state = &cpus[cpu];
	if (search->heartbeat) {
		quiet = state->runs - state->seen < FPU_QUIET_RUNS;
		state->seen = state->runs;
	}
	if (!state->queue) { /* the hook has never run there, so it must be made to */
		if (quiet)
			add_target(cpu, 0);
		return 0;
	}
	queue = (struct rq *)state->queue;
	running = BPF_CORE_READ(queue, curr);
	tid = BPF_CORE_READ(running, pid);
	if (!tid || BPF_CORE_READ(running, flags) & 0x00200000 /* PF_KTHREAD */)
		return 0;
	if (quiet || bpf_map_lookup_elem(&active, &tid))
		add_target(cpu, tid);
	return 0;
}

/* Not attached; user space runs it, one thread at a time. */
SEC("raw_tp")
int find_targets(struct bpf_raw_tracepoint_args *args)
{
	struct target_search search = {.heartbeat = args->args[TARGETS_ARG_HEARTBEAT]};

	targets.count = 0;
	bpf_loop(args->args[TARGETS_ARG_CPUS], look_at_cpu, &search, 0);
	return 0;
}
