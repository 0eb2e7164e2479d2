/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#ifndef CRYPTNONO_BPF_LIB_TASK_H
#define CRYPTNONO_BPF_LIB_TASK_H

#include <bpf/bpf_core_read.h>

/* Its fields are read by BPF_CORE_READ: current_task(), which spares that, is of Linux 5.11. */
static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

/* Of the process, not of the thread. */
static __always_inline __u64 start_boottime(const struct task_struct *task)
{
	/* Called real_start_time before 5.5, which is older than what we promise. */
	return BPF_CORE_READ(task, group_leader, start_boottime);
}

#endif
