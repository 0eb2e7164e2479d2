/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
#ifndef CRYPTNONO_BPF_LIB_PID_H
#define CRYPTNONO_BPF_LIB_PID_H

/* The pid in the innermost namespace, and its depth. */
static __always_inline void innermost_pid(struct task_struct *task, __u32 *number, __u32 *level)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	void *numbers = __builtin_preserve_access_index(&pid->numbers[0]);
	struct upid upid = {};

	*level = BPF_CORE_READ(pid, level);
	bpf_probe_read_kernel(&upid, sizeof(upid), numbers + *level * sizeof(struct upid));
	*number = upid.nr;
}

#endif
