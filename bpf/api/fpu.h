/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * monero: what the kernel side keeps of a thread's floating-point control word. docs/randomx.md says why these numbers.
 */
#ifndef CRYPTNONO_BPF_API_FPU_H
#define CRYPTNONO_BPF_API_FPU_H

#include "common.h"

/* Rounding modes in the encoding of MXCSR bits 13 and 14 (Intel SDM vol. 1, 10.2.3.1). */
#define FPU_NEAREST 0
#define FPU_DOWN 1
#define FPU_UP 2
#define FPU_ZERO 3
#define FPU_MODES 4

/* The same of arm64's FPCR (Arm Architecture Reference Manual, FPCR.RMode), which counts nearest, up, down, zero. */
#define FPCR_RMODE_SHIFT 22
#define FPCR_FZ (1U << 24) /* flush to zero */
static inline __u32 fpcr_mode(__u32 fpcr)
{
	const __u32 rmode = fpcr >> FPCR_RMODE_SHIFT & 3;

	return rmode == 1 ? FPU_UP : rmode == 2 ? FPU_DOWN : rmode;
}

/* Counts are in these units, so that halving them loses little. */
#define FPU_ONE 256
/* Evidence halves each time that 2^35 ns (34 s) have passed: a miner is decided within that, an old habit forgotten. */
#define FPU_HALF_LIFE_SHIFT 35
/* Samples that follow each other faster are dropped: they are not independent. One RandomX program runs 1 to 14 ms. */
#define FPU_MIN_GAP_NS 4000000ULL
/* Two samples further apart say nothing about how fast the mode changes. */
#define FPU_MIX_GAP_NS 16000000ULL

/* A CPU with fewer samples between two heartbeats is quiet. A heartbeat makes three there itself. */
#define FPU_QUIET_RUNS 4

#define FPU_THREADS 16384
#define FPU_ACTIVE 256
#define FPU_MAX_CPUS 1024
#define FPU_MAX_TARGETS 64

/* The evidence of one thread. */
struct fpu_thread {
	__u64 start_boottime_ns; /* of the thread: with tid, its identity */
	__u64 process_start_ns;	 /* of its thread group's leader */
	__u64 first_ns;		 /* CLOCK_MONOTONIC */
	__u64 last_ns;
	__u64 decayed_ns;
	__u64 cgroup_id; /* v2 */
	__u32 tid;
	__u32 pid;
	__u32 uid;
	__u32 samples;		  /* since first_ns, not decayed */
	__u32 all[FPU_MODES];	  /* every sample, by mode */
	__u32 flushed[FPU_MODES]; /* of these with flush-to-zero and denormals-are-zero */
	__u32 wall_changed;	  /* pairs of samples at most FPU_MIX_GAP_NS apart: in different modes */
	__u32 wall_repeated;	  /* ...in the same mode */
	__u32 cpu_changed;	  /* the same for pairs at most FPU_MIX_GAP_NS of the thread's own CPU time apart */
	__u32 cpu_repeated;
	__u64 last_cpu_ns; /* CPU time of the thread at the last sample */
	__u8 last_mode;
	__u8 modes; /* mask of the modes that were ever seen */
	__u8 pad[6];
};

/* Ring record: a thread showed a directed mode for the first time, or a mode that it had not shown before. */
struct fpu_event {
	__u64 start_boottime_ns;
	__u32 tid;
	__u32 pid;
	__u32 modes;
	__u32 pad;
};

/* Per CPU, on a cache line of its own. For the kernel side only, but the skeleton shows it. */
struct fpu_cpu {
	__u64 runs;  /* of the hook */
	__u64 seen;  /* `runs` at the last heartbeat */
	__u64 queue; /* struct rq *: it tells what runs there. Never freed, and only read by probing. */
	__u64 pad[5];
};

/* Where to make samples: answer of the program `find_targets`. */
struct fpu_targets {
	__u32 count;
	__u32 cpu[FPU_MAX_TARGETS];
	__u32 tid[FPU_MAX_TARGETS];
};

/* Arguments of `find_targets` (BPF_PROG_TEST_RUN, two u64). */
#define TARGETS_ARG_CPUS 0	/* CPUs to look at */
#define TARGETS_ARG_HEARTBEAT 1 /* 1: also CPUs that were quiet since the last call with 1 */

/* Monotonic. */
struct fpu_stats {
	__u64 samples;	    /* counted */
	__u64 lost_events;  /* ring full */
	__u64 lost_threads; /* no room for a thread's evidence */
};

MATCH_ASSERT(sizeof(struct fpu_thread) == 128);
MATCH_ASSERT(__builtin_offsetof(struct fpu_thread, all) == 64);
MATCH_ASSERT(__builtin_offsetof(struct fpu_thread, last_mode) == 120);
MATCH_ASSERT(sizeof(struct fpu_cpu) == 64);
MATCH_ASSERT(sizeof(struct fpu_event) == 24);
MATCH_ASSERT(sizeof(struct fpu_stats) == 24);

#endif
