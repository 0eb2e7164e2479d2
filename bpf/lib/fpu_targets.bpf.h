/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* monero: on which CPUs suspects run at this moment, so that user space can preempt them there. */
#ifndef CRYPTNONO_BPF_LIB_FPU_TARGETS_H
#define CRYPTNONO_BPF_LIB_FPU_TARGETS_H

#include "api/fpu.h"

/* Threads that user space wants to be sampled. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FPU_ACTIVE);
	__type(key, __u32);
	__type(value, __u8);
} active SEC(".maps");

struct fpu_targets targets = {};

struct fpu_cpu cpus[FPU_MAX_CPUS] = {};

/* The symbol `runqueues` is not to be had where kallsyms holds functions only; a thread's own queue leads to it. */
static __noinline void learn_queue(__u32 cpu)
{
	struct task_struct *task = current_task();
	struct rq *queue;

	if (!bpf_core_field_exists(struct cfs_rq, rq))
		return;
	queue = BPF_CORE_READ(task, se.cfs_rq, rq);
	if (cpu < FPU_MAX_CPUS && (__u32)BPF_CORE_READ(queue, cpu) == cpu)
		cpus[cpu].queue = (__u64)queue;
}

/* At each run of the hook. */
static __always_inline void note_run(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	if (cpu >= FPU_MAX_CPUS)
		return;
	cpus[cpu].runs++;
	if (!cpus[cpu].queue)
		learn_queue(cpu);
}

static __always_inline void add_target(__u32 cpu, __u32 tid)
{
	__u32 index = targets.count;

	if (index >= FPU_MAX_TARGETS)
		return;
	targets.cpu[index] = cpu;
	targets.tid[index] = tid;
	targets.count = index + 1;
}

SUBPROGRAM int look_at_cpu(__u32 cpu, __u64 heartbeat)
{
	struct task_struct *running;
	struct fpu_cpu *state;
	struct rq *queue;
	bool quiet = false;
	__u32 tid;

	if (cpu >= FPU_MAX_CPUS)
		return 1;
	state = &cpus[cpu];
	if (heartbeat) {
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

struct target_search {
	__u64 heartbeat;
	__u64 cpus;
};

static int target_step(__u32 cpu, struct target_search *search)
{
	return cpu >= search->cpus || look_at_cpu(cpu, search->heartbeat);
}

/* Not attached; user space runs it, one thread at a time. */
SEC("raw_tp")
int find_targets(struct bpf_raw_tracepoint_args *args)
{
	struct target_search search = {.heartbeat = args->args[TARGETS_ARG_HEARTBEAT],
				       .cpus = args->args[TARGETS_ARG_CPUS]};

	targets.count = 0;
	loop(FPU_MAX_CPUS, target_step, &search);
	return 0;
}

#endif
