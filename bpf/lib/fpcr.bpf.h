/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* The FPCR in a task's saved floating-point state on arm64, where every kernel since 5.10 has it. */
#ifndef CRYPTNONO_BPF_LIB_FPCR_H
#define CRYPTNONO_BPF_LIB_FPCR_H

#include "api/fpu.h"

static __always_inline __u32 saved_fpcr(struct task_struct *task)
{
	return task->thread.uw.fpsimd_state.fpcr;
}

#endif
