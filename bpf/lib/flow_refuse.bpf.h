/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * tcpflowkiller where BPF LSM is active: a connect to a banned address is refused, and the process dies of a signal
 * that is sent here, whatever the kernel lets programs of cgroups do. Part of flow_watch.bpf.c.
 *
 * Hook: socket_connect, before the protocol's connect and the hooks of cgroups; the address is the kernel's copy. It
 * only ever adds: who is not to be killed for a ban goes on to the other hooks, as if there were no such program, and
 * who is never gets there. Scans, datagrams without a connect and data that comes with a SYN are theirs alone.
 */
#ifndef CRYPTNONO_BPF_LIB_FLOW_REFUSE_H
#define CRYPTNONO_BPF_LIB_FLOW_REFUSE_H

#ifndef EPERM
#define EPERM 1
#endif

/* One that `groups` ban. Returns 1 if the process was killed. Not inlined, for the stack. */
static __noinline int refuse_banned(const struct flow_act *act, const struct flow_view *view, __u64 groups)
{
	struct flow_report report = {.act = act, .verdict = FLOW_KILLED, .flags = FLOW_REFUSED, .groups = groups};
	const struct flow_header *header;
	struct flow_counters *counters;
	__u32 zero = 0;

	if (!act || !view || !view->page)
		return 0;
	header = (const struct flow_header *)view->page;
	counters = bpf_map_lookup_elem(&stats, &zero);
	if (!counters || (is_canary_address(act) && !in_canary()))
		return 0;
	report.time_ns = bpf_ktime_get_ns();
	report.generation = header->generation;
	current_place(&report.place);
	if (enforce(groups, &header->kill_groups, &report.place, true, &report.spared_why) != ENFORCE_KILLED)
		return 0;
	report.signal_after_ns = since_ns(report.time_ns);
	__sync_fetch_and_add(&counters->checked, 1);
	__sync_fetch_and_add(&counters->killed, 1);
	__sync_fetch_and_add(&counters->prevented, 1);
	tell(&report);
	return 1;
}

/* Where to, by which protocol; false: not what is judged here. */
static __always_inline bool read_destination(struct flow_act *act, struct socket *sock, struct sockaddr *address,
					     int length)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	__u16 protocol = BPF_CORE_READ(sock, sk, sk_protocol);
	__u16 family = BPF_CORE_READ(sock, sk, __sk_common.skc_family);

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_MPTCP)
		return false;
	/* Of a stream the second connect is only a question, or an error. */
	if (protocol != IPPROTO_UDP && BPF_CORE_READ(sock, state) != SS_UNCONNECTED)
		return false;
	if (family != AF_INET && family != AF_INET6)
		return false;
	act->protocol = protocol == IPPROTO_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	act->hook = FLOW_HOOK_LSM;
	family = BPF_CORE_READ(address, sa_family);
	if (family == AF_INET && length >= (int)sizeof(*v4)) {
		set_v4(act, BPF_CORE_READ(v4, sin_addr.s_addr));
		act->port = bpf_ntohs(BPF_CORE_READ(v4, sin_port));
		return true;
	}
	if (family == AF_INET6 && length >= 24 /* SIN6_LEN_RFC2133 */) {
		bpf_probe_read_kernel(act->addr, sizeof(act->addr), &v6->sin6_addr);
		act->port = bpf_ntohs(BPF_CORE_READ(v6, sin6_port));
		return true;
	}
	return false;
}

SEC("lsm/socket_connect")
int BPF_PROG(flow_refuse, struct socket *sock, struct sockaddr *address, int length, int before)
{
	struct flow_act act = {};
	struct flow_view view;
	__u64 groups;
	__u32 what;

	if (before || !in_force() || !current_in_scope() || !read_destination(&act, sock, address, length))
		return before;
	if (!look_up(&view, (const __u32 *)act.addr, &what) || what == FLOW_UNCOUNTED || !(what & FLOW_PORTS_MASK))
		return 0;
	groups = groups_that_ban(&view, what, act.port);
	if (groups && refuse_banned(&act, &view, groups))
		return -EPERM;
	return 0;
}

#endif
