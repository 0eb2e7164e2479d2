/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* What user space says, as each program sees it. Include once per object, after vmlinux.h and the libbpf headers. */
#ifndef CRYPTNONO_BPF_LIB_CONFIG_H
#define CRYPTNONO_BPF_LIB_CONFIG_H

#include "../api/common.h"

/* volatile: user space writes it while programs run. */
volatile struct enforce_config settings = {};

#endif
