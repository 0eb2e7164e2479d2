/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Loops. Each source is compiled twice, for bpf_loop() came with Linux 5.17 and an older kernel refuses an object that
 * holds a callback anywhere. With PLAIN_LOOPS, loops are written out: the verifier walks each round of them, so that
 * the long ones call functions that it walks only once (SUBPROGRAM). docs/adr/0016 has the reasons.
 *
 * Global variables are initialized: those that are not come in an order that depends on the code, and one skeleton
 * serves both objects.
 */
#ifndef CRYPTNONO_BPF_LIB_LOOP_H
#define CRYPTNONO_BPF_LIB_LOOP_H

#ifndef PLAIN_LOOPS

/* Calls step(index, context) for 0, 1, ... below `count`, until it returns other than 0. */
#define loop(count, step, context) bpf_loop(count, step, context, 0)

/* A function of numbers only. With PLAIN_LOOPS it is a global one, which the verifier walks by itself, for any
 * arguments; in the callers it is one instruction. */
#define SUBPROGRAM static __noinline

#define forgotten(number) (number)

#else

#define loop(count, step, context)                                                                             \
	do {                                                                                                   \
		__u32 loop_index;                                                                              \
                                                                                                               \
		_Pragma("clang loop unroll(disable)") for (loop_index = 0; loop_index < (count); loop_index++) \
		{                                                                                              \
			if (step(loop_index, context))                                                         \
				break;                                                                         \
		}                                                                                              \
	} while (0)

#define SUBPROGRAM __noinline

/* The same number, of which the verifier knows nothing any more. Otherwise it follows each end of a loop on its own. */
SUBPROGRAM __u64 forgotten(__u64 number)
{
	barrier_var(number);
	return number;
}

#endif

#endif
