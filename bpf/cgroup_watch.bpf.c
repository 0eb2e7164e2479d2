// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Tells user space of each cgroup that is made, so that it is known what a new container is before its first command.
 *
 * Hook: cgroup_mkdir, in the process that makes it, once the directory is there and before mkdir() returns.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "api/cgroup.h"
#include "api/common.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The hierarchy of v1 that is watched besides v2, by the number that /proc/PID/cgroup gives; 0: none. */
const volatile int v1_number = 0;

volatile __u64 lost = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 << 10);
} events SEC(".maps");

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_made, struct cgroup *cgroup, const char *path)
{
	int number = BPF_CORE_READ(cgroup, root, hierarchy_id);
	struct cgroup_event *event;
	long got;

	/* v2 is number 0. */
	if (number && number != v1_number)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	event->id = BPF_CORE_READ(cgroup, kn, id) | (number ? CGROUP_ID_V1 : 0);
	event->pad = 0;
	got = bpf_probe_read_kernel_str(event->path, sizeof(event->path), path);
	event->path_bytes = got > 1 && got < CGROUP_EVENT_PATH ? got - 1 : 0;
	bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
	return 0;
}
