/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Looks an address up in the tables of api/flow.h: one source for the kernel and for user space.
 *
 * The including file provides static const __u32 *flow_page(const struct flow_view *view, __u32 index), which returns
 * the page or NULL, and the loops around the two step functions (lib/loop.bpf.h in the kernel).
 */
#ifndef CRYPTNONO_BPF_LIB_FLOW_TABLE_H
#define CRYPTNONO_BPF_LIB_FLOW_TABLE_H

#include "../api/flow.h"

#ifdef __cplusplus
#define FLOW_INLINE static inline __attribute__((always_inline))
#else
#define FLOW_INLINE static __always_inline
#endif

struct flow_view {
	void *tables;	   /* kernel: the inner map; user space: the first page */
	const __u32 *page; /* page 0, which needs no look-up */
};

FLOW_INLINE const __u32 *flow_at(const struct flow_view *view, __u32 word)
{
	const __u32 *page = view->page;

	if (word >= FLOW_PAGE_WORDS) {
		page = flow_page(view, word / FLOW_PAGE_WORDS);
		if (!page)
			return page;
	}
	/* Aligned to the largest segment that is read from here, so that all of it is in the page. */
	return page + (word & (FLOW_PAGE_WORDS - 1));
}

FLOW_INLINE __u32 flow_word(const struct flow_view *view, __u32 word)
{
	const __u32 *at = flow_at(view, word);

	return at ? *at : 0;
}

/* Finds the last segment that begins at or before the address: it is `low - 1` when the steps are over. */
struct flow_search {
	struct flow_view view;
	__u32 address[4]; /* in host order, the most significant first; IPv4: address[3] */
	__u32 is_v4;
	__u32 first; /* flow_family.first */
	__u32 low;
	__u32 high;
};

FLOW_INLINE int flow_compare(const struct flow_search *search, const __u32 *key)
{
	int i;

	for (i = 0; i < 3; i++) {
		if (key[i] < search->address[i])
			return -1;
		if (key[i] > search->address[i])
			return 1;
	}
	return key[3] < search->address[3] ? -1 : key[3] > search->address[3];
}

/* Returns 1 when the search is over. */
FLOW_INLINE long flow_search_step(struct flow_search *search)
{
	__u32 middle = (search->low + search->high) / 2;
	const __u32 *segment;
	__u32 below;

	if (search->low >= search->high)
		return 1;
	if (search->is_v4) {
		below = flow_word(&search->view, search->first + middle * FLOW_WORDS4) <= search->address[3];
	} else {
		segment = flow_at(&search->view, (search->first + middle * FLOW_WORDS6) & ~(FLOW_WORDS6 - 1U));
		if (!segment)
			return 1;
		below = flow_compare(search, segment) <= 0;
	}
	if (below)
		search->low = middle + 1;
	else
		search->high = middle;
	return 0;
}

/* Sets the bounds of the search. Returns 0 if no segment holds the address. */
FLOW_INLINE __u32 flow_search_begin(struct flow_search *search, const struct flow_family *family)
{
	__u64 bits = (__u64)search->address[0] << 32 | search->address[1];
	__u32 bucket;

	if (!family->segments)
		return 0;
	if (search->is_v4)
		bits = (__u64)search->address[3] << 32;
	if (family->skip) {
		if (bits >> (64 - (family->skip & 63)) != family->prefix)
			return 0;
		bits <<= family->skip & 63;
	}
	bucket = (__u32)(bits >> (64 - (family->index_bits & 31)));
	search->first = family->first;
	search->low = flow_word(&search->view, family->index + bucket);
	search->high = flow_word(&search->view, family->index + bucket + 1);
	return 1;
}

/* What holds at the address, after the search. */
FLOW_INLINE __u32 flow_search_end(const struct flow_search *search)
{
	const __u32 *segment;
	__u32 word = search->low - 1;

	if (!search->low)
		return 0;
	if (search->is_v4) {
		segment = flow_at(&search->view, (search->first + word * FLOW_WORDS4) & ~(FLOW_WORDS4 - 1U));
		return segment && segment[1] >= search->address[3] ? segment[2] : 0;
	}
	segment = flow_at(&search->view, (search->first + word * FLOW_WORDS6) & ~(FLOW_WORDS6 - 1U));
	return segment && flow_compare(search, segment + 4) >= 0 ? segment[8] : 0;
}

/* Looks for a port in the list that `what` names. */
struct flow_port_search {
	struct flow_view view;
	__u32 list; /* word of the first range */
	__u32 count;
	__u32 port;
	__u32 found; /* word of the groups that ban it; 0: none */
};

FLOW_INLINE void flow_port_begin(struct flow_port_search *search, __u32 ports, __u32 what)
{
	search->list = ports + (what & FLOW_PORTS_MASK);
	search->count = flow_word(&search->view, search->list - 1);
	search->found = 0;
}

FLOW_INLINE long flow_port_step(__u32 index, struct flow_port_search *search)
{
	__u32 range;

	if (index >= search->count)
		return 1;
	range = flow_word(&search->view, search->list + index * FLOW_PORT_WORDS);
	if (search->port < range >> 16 || search->port > (range & 0xffff))
		return 0;
	search->found = search->list + index * FLOW_PORT_WORDS + 1;
	return 1;
}

/* The groups that ban the port, after the steps. */
FLOW_INLINE __u64 flow_port_groups(const struct flow_port_search *search)
{
	if (!search->found)
		return 0;
	return flow_word(&search->view, search->found) | (__u64)flow_word(&search->view, search->found + 1) << 32;
}

#endif
