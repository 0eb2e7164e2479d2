/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#ifndef CRYPTNONO_BPF_LIB_TASK_H
#define CRYPTNONO_BPF_LIB_TASK_H

/* Its fields are read by BPF_CORE_READ: current_task(), which spares that, is of Linux 5.11. */
static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

#endif
