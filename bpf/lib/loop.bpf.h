/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* Loops. Include after vmlinux.h and the libbpf headers. */
#ifndef CRYPTNONO_BPF_LIB_LOOP_H
#define CRYPTNONO_BPF_LIB_LOOP_H

/* Calls step(index, context) for 0, 1, ... below `count`, until it returns other than 0. */
#define loop(count, step, context) bpf_loop(count, step, context, 0)

#endif
