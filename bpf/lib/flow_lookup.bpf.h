/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* The tables of addresses in force, and what they say of one destination. */
#ifndef CRYPTNONO_BPF_LIB_FLOW_LOOKUP_H
#define CRYPTNONO_BPF_LIB_FLOW_LOOKUP_H

#include "../api/flow.h"

/* One generation of the tables; the inner map's size is its own. */
struct flow_pages {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, MATCH_PAGE);
};

/* Slot 0: the tables in force, replaced as a whole. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct flow_pages);
} flow_tables SEC(".maps");

struct flow_view;
static __always_inline void *flow_page(const struct flow_view *view, __u32 index);
#include "flow_table.h"

static __always_inline void *flow_page(const struct flow_view *view, __u32 index)
{
	return bpf_map_lookup_elem(view->tables, &index);
}

static int search_step(__u32 index, struct flow_search *search)
{
	return flow_search_step(search);
}

static int port_step(__u32 index, struct flow_port_search *search)
{
	return flow_port_step(index, search);
}

struct destination {
	bool banned;
	bool counted; /* as one of a scan's */
	__u32 generation;
};

/* False if there are no tables yet. */
static __always_inline bool look_up(const __u8 *addr, __u16 port, struct destination *out)
{
	struct flow_search search = {};
	struct flow_port_search ports = {};
	struct flow_family family;
	struct flow_header *header;
	__u32 zero = 0, what = 0;
	void *tables = bpf_map_lookup_elem(&flow_tables, &zero);

	if (!tables)
		return false;
	search.view.tables = tables;
	header = bpf_map_lookup_elem(tables, &zero);
	if (!header)
		return false;
	search.key = flow_key_of(addr, port);
	family = search.key.is_v4 ? header->v4 : header->v6;
	if (flow_search_begin(&search, &family)) {
		bpf_loop(FLOW_SEARCH_STEPS, search_step, &search, 0);
		what = flow_search_end(&search, &family);
	}
	out->generation = header->generation;
	out->counted = !(what & FLOW_UNCOUNTED);
	out->banned = (what & FLOW_PORTS_MASK) == FLOW_PORTS_ALL;
	if ((what & FLOW_PORTS_MASK) != FLOW_PORTS_NONE && !out->banned) {
		ports.view.tables = tables;
		ports.port = port;
		flow_port_begin(&ports, header, what);
		bpf_loop(FLOW_PORT_RANGES_MAX, port_step, &ports, 0);
		out->banned = ports.found;
	}
	return true;
}

#endif
