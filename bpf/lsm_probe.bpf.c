// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Is BPF LSM active? Where the kernel has it and "bpf" is not among its modules (lsm=), programs load and attach, and
 * are never called. So this one is attached to the hook that matters, and user space looks whether it is called.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u32 called = 0;

SEC("lsm/bprm_check_security")
int BPF_PROG(lsm_probe, struct linux_binprm *bprm, int before)
{
	if (!called)
		called = 1;
	return before;
}
