/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* The MXCSR in a task's saved floating-point state, in every layout of struct fpu since 5.10. */
#ifndef CRYPTNONO_BPF_LIB_MXCSR_H
#define CRYPTNONO_BPF_LIB_MXCSR_H

#define MXCSR_DEFAULT 0x1f80
#define MXCSR_MODE(mxcsr) ((mxcsr) >> 13 & 3)
#define MXCSR_FLUSHES 0x8040 /* flush to zero, denormals are zero */
#define XFEATURE_SSE 2

/* Until 5.15 the registers stood in struct fpu itself; since 5.16 behind a pointer. */
struct fpu___until_5_15 {
	union fpregs_state state;
} __attribute__((preserve_access_index));

/*
 * XSAVES leaves out what is in its initial state, and MXCSR with it (Intel SDM vol. 1, 13.11): then memory still holds
 * an older value, and the register holds the default. The header's SSE bit tells.
 */
static __always_inline __u32 saved_mxcsr(struct fpu *fpu)
{
	union fpregs_state *state;

	if (bpf_core_field_exists(fpu->fpstate)) {
		struct fpstate *fpstate = fpu->fpstate;

		if (!(fpstate->regs.xsave.header.xfeatures & XFEATURE_SSE))
			return MXCSR_DEFAULT;
		return fpstate->regs.xsave.i387.mxcsr;
	}
	state = &((struct fpu___until_5_15 *)fpu)->state;
	if (!(state->xsave.header.xfeatures & XFEATURE_SSE))
		return MXCSR_DEFAULT;
	return state->xsave.i387.mxcsr;
}

#endif
