/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* What user space says, as each program sees it. Include once per object, after vmlinux.h and the libbpf headers. */
#ifndef CRYPTNONO_BPF_LIB_CONFIG_H
#define CRYPTNONO_BPF_LIB_CONFIG_H

#include "../api/common.h"
#include "loop.bpf.h"
#include "task.bpf.h"

/* From `then` to `now`; 0 if another CPU has noted a `then` that is later than a `now` that was read before. */
static __always_inline __u64 elapsed_ns(__u64 now, __u64 then)
{
	return now > then ? now - then : 0;
}

/* From `then` to this moment, in a record's 32 bits. */
static __always_inline __u32 since_ns(__u64 then)
{
	__u64 passed = elapsed_ns(bpf_ktime_get_ns(), then);

	return passed < ~0U ? passed : ~0U;
}

/* volatile: user space writes it while programs run. */
volatile struct enforce_config settings = {};

#endif
