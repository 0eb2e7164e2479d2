/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Words that one CPU at a time may change.
 *
 * Compare-and-swap came with Linux 5.12. Without it (PLAIN_LOOPS), what is atomic on every kernel is that a key can be
 * put into a hash map by one only: who has put a word's name into `claims` may change the word. A name is a number; two
 * words that share one only wait for each other.
 */
#ifndef CRYPTNONO_BPF_LIB_ATOMIC_H
#define CRYPTNONO_BPF_LIB_ATOMIC_H

#include "loop.bpf.h"

/* Names: of what kind of word, in the uppermost bits, and which. */
#define NAME_OF(kind, which) ((__u64)(kind) << 60 | ((__u64)(which) & ~0ULL >> 4))
enum word_kind { WORD_LIMIT_SLOT, WORD_LIMIT_SEEN, WORD_FLOW_UNIT, WORD_SCRATCH };

#ifndef PLAIN_LOOPS

/* Takes a word that is 0 while nobody has it; false: somebody has it. Does not wait. */
static __always_inline bool try_take(__u32 *word, __u64 name)
{
	return __sync_val_compare_and_swap(word, 0, 1) == 0;
}

static __always_inline void give_back(__u32 *word, __u64 name)
{
	__sync_lock_test_and_set(word, 0);
}

struct attempt {
	__u32 *word;
	__u64 name;
	bool taken;
};

static int attempt_to_take(__u32 index, struct attempt *attempt)
{
	attempt->taken = try_take(attempt->word, attempt->name);
	return attempt->taken;
}

/* The same, and waits as long as somebody may hold it who is not interrupted. */
static __always_inline bool take(__u32 *word, __u64 name)
{
	struct attempt attempt = {.word = word, .name = name};

	loop(4096, attempt_to_take, &attempt);
	return attempt.taken;
}

/* Makes `before` into `after`; false: it was not `before`, or is being changed. */
static __always_inline bool swap_if(__u64 *word, __u64 before, __u64 after, __u64 name)
{
	return __sync_val_compare_and_swap(word, before, after) == before;
}

#else

/* More than can be held at one time: one for each CPU, and for each task that was preempted while it held one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u8);
} claims SEC(".maps");

static __always_inline bool try_take(__u32 *word, __u64 name)
{
	__u8 taken = 1;

	return !bpf_map_update_elem(&claims, &name, &taken, BPF_NOEXIST);
}

SUBPROGRAM bool take_by_name(__u64 name)
{
	__u32 i;

	for (i = 0; i < 512; i++) {
		if (try_take(NULL, name))
			return true;
	}
	return false;
}

static __always_inline bool take(__u32 *word, __u64 name)
{
	return take_by_name(name);
}

static __always_inline void give_back(__u32 *word, __u64 name)
{
	bpf_map_delete_elem(&claims, &name);
}

static __always_inline bool swap_if(__u64 *word, __u64 before, __u64 after, __u64 name)
{
	bool same;

	if (!try_take(NULL, name))
		return false;
	same = *(volatile __u64 *)word == before;
	if (same)
		*(volatile __u64 *)word = after;
	give_back(NULL, name);
	return same;
}

#endif

#endif
