/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Looks an address up in the tables of api/flow.h: one source for the kernel and for user space.
 *
 * The including file provides static void *flow_page(const struct flow_view *view, __u32 index), which returns the page
 * or NULL, and the loops around flow_search_step and flow_port_step (bpf_loop in the kernel).
 */
#ifndef CRYPTNONO_BPF_LIB_FLOW_TABLE_H
#define CRYPTNONO_BPF_LIB_FLOW_TABLE_H

#include "../api/flow.h"

#ifdef __cplusplus
#define FLOW_INLINE static inline __attribute__((always_inline))
#else
#define FLOW_INLINE static __always_inline
#endif

/* An address as two numbers, in host order; IPv4 is in `low` alone, with `is_v4`. */
struct flow_key {
	__u64 high;
	__u64 low;
	__u32 is_v4;
	__u32 port;
};

struct flow_view {
	void *tables; /* kernel: the inner map; user space: the first page */
};

FLOW_INLINE __u64 flow_be64(const __u8 *bytes)
{
	return (__u64)bytes[0] << 56 | (__u64)bytes[1] << 48 | (__u64)bytes[2] << 40 | (__u64)bytes[3] << 32 |
	       (__u64)bytes[4] << 24 | (__u64)bytes[5] << 16 | (__u64)bytes[6] << 8 | (__u64)bytes[7];
}

FLOW_INLINE struct flow_key flow_key_of(const __u8 *addr, __u32 port)
{
	struct flow_key key = {.high = flow_be64(addr), .low = flow_be64(addr + 8), .is_v4 = 0, .port = port};

	if (key.high == 0 && key.low >> 32 == 0xffff) {
		key.is_v4 = 1;
		key.low &= 0xffffffffU;
	}
	return key;
}

FLOW_INLINE __u32 flow_word(const struct flow_view *view, __u32 page, __u32 index)
{
	const __u32 *words = (const __u32 *)flow_page(view, page + index / FLOW_PAGE_WORDS);

	return words ? words[index & (FLOW_PAGE_WORDS - 1)] : 0;
}

/* Is the key at `index` of an array of keys greater than / equal to `key`?  -1, 0, 1 as memcmp. */
FLOW_INLINE int flow_compare(const struct flow_view *view, const struct flow_key *key, __u32 page, __u32 index)
{
	const __u32 keys = MATCH_PAGE / 16;
	const __u64 *pair;
	__u64 high, low;

	if (key->is_v4) {
		high = 0;
		low = flow_word(view, page, index);
	} else {
		pair = (const __u64 *)flow_page(view, page + index / keys);
		if (!pair)
			return 1;
		high = pair[2 * (index & (keys - 1))];
		low = pair[2 * (index & (keys - 1)) + 1];
	}
	if (high != key->high)
		return high < key->high ? -1 : 1;
	return low < key->low ? -1 : low > key->low;
}

/* Searches the last segment that begins at or before the key: it is segment `low - 1` when `low == high`. */
struct flow_search {
	struct flow_view view;
	struct flow_key key;
	__u32 first_page;
	__u32 low;
	__u32 high;
};

FLOW_INLINE long flow_search_step(struct flow_search *search)
{
	__u32 low = search->low, high = search->high, middle;

	if (low >= high)
		return 1;
	middle = low + (high - low) / 2;
	if (flow_compare(&search->view, &search->key, search->first_page, middle) <= 0)
		search->low = middle + 1;
	else
		search->high = middle;
	return 0;
}

/* Bounds for the search from the index. Returns 0 if no segment can hold the key. */
FLOW_INLINE __u32 flow_search_begin(struct flow_search *search, const struct flow_family *family)
{
	__u64 bits = search->key.is_v4 ? search->key.low << 32 : search->key.high;
	__u32 bucket;

	if (!family->segments)
		return 0;
	if (family->skip) {
		if (bits >> (64 - (family->skip & 63)) != family->prefix)
			return 0;
		bits <<= family->skip & 63;
	}
	search->first_page = family->first_page;
	search->low = 0;
	search->high = family->segments;
	if (family->index_bits) {
		bucket = (__u32)(bits >> (64 - (family->index_bits & 31)));
		search->low = flow_word(&search->view, family->index_page, bucket);
		search->high = flow_word(&search->view, family->index_page, bucket + 1);
	}
	return 1;
}

/* What holds at the key, after the search. */
FLOW_INLINE __u32 flow_search_end(const struct flow_search *search, const struct flow_family *family)
{
	__u32 segment = search->low;

	if (!segment)
		return 0;
	segment--;
	if (flow_compare(&search->view, &search->key, family->last_page, segment) < 0)
		return 0;
	return flow_word(&search->view, family->what_page, segment);
}

/* Looks for the port in one list. */
struct flow_port_search {
	struct flow_view view;
	__u32 page;
	__u32 at; /* of the list's first word */
	__u32 count;
	__u32 port;
	__u32 found;
};

FLOW_INLINE void flow_port_begin(struct flow_port_search *search, const struct flow_header *header, __u32 what)
{
	search->page = header->ports_page;
	search->at = (what & FLOW_PORTS_MASK) - 1;
	search->count = flow_word(&search->view, search->page, search->at);
	search->found = 0;
}

FLOW_INLINE long flow_port_step(__u32 index, struct flow_port_search *search)
{
	__u32 range;

	if (index >= search->count)
		return 1;
	range = flow_word(&search->view, search->page, search->at + 1 + index);
	search->found = search->port >= range >> 16 && search->port <= (range & 0xffff);
	return search->found;
}

#endif
