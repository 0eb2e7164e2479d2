/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* The end of the daemon, whatever ended it, as the kernel sees it. For one object only; include after pins.bpf.h. */
#ifndef CRYPTNONO_BPF_LIB_OWNER_EXIT_H
#define CRYPTNONO_BPF_LIB_OWNER_EXIT_H

#include "pins.bpf.h"

/* Attached where there are pins. Its pid is the daemon's own until this has run for it, so no start time is asked. A
 * thread that ends alone is no end; the first one that a signal to all of them ends is. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(owner_exit, struct task_struct *task)
{
	__u32 zero = 0;
	struct pin_about *known;

	if ((__u32)task->tgid != self.owner)
		return 0;
	if (task->signal->live.counter && !(task->signal->flags & SIGNAL_GROUP_EXIT))
		return 0;
	known = bpf_map_lookup_elem(&about, &zero);
	if (known && !known->died_ns)
		known->died_ns = bpf_ktime_get_ns();
	return 0;
}

#endif
