// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * monero: samples of the rounding mode, of which RandomX uses all four.
 *
 * Hook: x86_fpu_regs_deactivated, which runs when a thread that used floating point is switched out, just after its
 * registers were saved. It runs for each of those switches of the machine, so what is in nearest mode and has never
 * shown another leaves after a few loads. arm64 has no such hook; there it is sched_switch, see below.
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

#include "lib/fpu_evidence.bpf.h"
#include "lib/fpu_targets.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#if defined(__TARGET_ARCH_x86)

#include "lib/mxcsr.bpf.h"

SEC("tp_btf/x86_fpu_regs_deactivated")
int BPF_PROG(fpu_sample, struct fpu *fpu)
{
	__u32 mxcsr = saved_mxcsr(fpu);

	note_run();
	if (MXCSR_MODE(mxcsr) == FPU_NEAREST && !may_be_tracked())
		return 0;
	return count_sample(MXCSR_MODE(mxcsr), (mxcsr & MXCSR_FLUSHES) == MXCSR_FLUSHES);
}

#elif defined(__TARGET_ARCH_arm64)

#include "lib/fpcr.bpf.h"

/*
 * Runs before the registers of the thread that leaves are saved. What memory holds of it is from the time before: a
 * sample as good as any, one switch late.
 */
SEC("tp_btf/sched_switch")
int BPF_PROG(fpu_sample, bool preempt, struct task_struct *leaves)
{
	__u32 fpcr = saved_fpcr(leaves);

	note_run();
	if (fpcr_mode(fpcr) == FPU_NEAREST && !may_be_tracked())
		return 0;
	return count_sample(fpcr_mode(fpcr), fpcr & FPCR_FZ);
}

#else
#error "no hook is known for the rounding modes of this processor"
#endif
