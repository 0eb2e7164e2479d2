/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* The tables of addresses in force, and what they say of one destination. */
#ifndef CRYPTNONO_BPF_LIB_FLOW_LOOKUP_H
#define CRYPTNONO_BPF_LIB_FLOW_LOOKUP_H

#include "../api/flow.h"
#include "loop.bpf.h"

/* One generation of the tables; the inner map's size is its own. */
struct flow_pages {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, FLOW_PAGE);
};

/* Slot 0: the tables in force, replaced as a whole. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct flow_pages);
} flow_tables SEC(".maps");

struct flow_view;
static __always_inline const __u32 *flow_page(const struct flow_view *view, __u32 index);
#include "flow_table.h"

static __always_inline const __u32 *flow_page(const struct flow_view *view, __u32 index)
{
	return bpf_map_lookup_elem(view->tables, &index);
}

static int search_step(__u32 index, struct flow_search *search)
{
	long over = flow_search_step(search);

	search->low = forgotten(search->low);
	search->high = forgotten(search->high);
	return over;
}

static int port_step(__u32 index, struct flow_port_search *search)
{
	return flow_port_step(index, search);
}

/* What holds at an address: four words in network order. False if there are no tables yet. A frame of its own: in the
 * hook's it would count against all that comes after, and before Linux 6.8 that is more than 512 bytes. */
static __noinline bool look_up(struct flow_view *view, const __u32 *addr, __u32 *what)
{
	const struct flow_header *header;
	struct flow_search search;
	__u32 zero = 0;

	search.view.tables = bpf_map_lookup_elem(&flow_tables, &zero);
	if (!search.view.tables)
		return false;
	search.view.page = bpf_map_lookup_elem(search.view.tables, &zero);
	if (!search.view.page)
		return false;
	header = (const struct flow_header *)search.view.page;
	search.address[0] = bpf_ntohl(addr[0]);
	search.address[1] = bpf_ntohl(addr[1]);
	search.address[2] = bpf_ntohl(addr[2]);
	search.address[3] = bpf_ntohl(addr[3]);
	search.is_v4 = !search.address[0] && !search.address[1] && search.address[2] == 0xffff;
	*what = 0;
	if (flow_search_begin(&search, search.is_v4 ? &header->v4 : &header->v6)) {
		/* The index leaves one segment to look at, mostly; a callback costs more than that. */
		if (!flow_search_step(&search) && search.low < search.high)
			loop(FLOW_SEARCH_STEPS, search_step, &search);
		*what = flow_search_end(&search);
	}
	*view = search.view;
	return true;
}

/* The groups that ban this port there, as a mask; 0: it is not banned. Not inlined, for the stack. */
static __noinline __u64 groups_that_ban(const struct flow_view *view, __u32 what, __u16 port)
{
	struct flow_port_search search = {.port = port};
	const struct flow_header *header;

	if (!view || !view->page)
		return 0;
	header = (const struct flow_header *)view->page;
	search.view = *view;
	if ((what & FLOW_PORTS_MASK) == FLOW_PORTS_NONE)
		return 0;
	if ((what & FLOW_PORTS_MASK) == FLOW_PORTS_ALL)
		return 1ULL << FLOW_GROUP_BANNED;
	flow_port_begin(&search, header->ports, what);
	loop(FLOW_PORT_RANGES_MAX, port_step, &search);
	return flow_port_groups(&search);
}

#endif
