// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * tcpflowkiller: a connect to a banned address, or one destination too many, and the process dies before connect()
 * returns to it.
 *
 * Hooks, all in the process itself:
 *   cgroup/connect4, connect6   before the protocol's connect, for TCP and UDP: can refuse, so no packet leaves.
 *   cgroup/sendmsg4, sendmsg6   UDP without connect.
 *   lsm/socket_connect          where BPF LSM is active, ahead of the others: see lib/flow_refuse.bpf.h.
 *   inet_sock_set_state         TCP enters SYN_SENT: every connection, on cgroup v1 too. Cannot refuse: a SYN leaves.
 *                               Only where the others are not, and for the answers that `onlyFailed` asks for.
 *
 *   in scope? -> look the address up -> banned:                      enforce(), tell
 *                                    -> counted, and one too many:   enforce(), tell
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "api/flow.h"
#include "lib/enforce.bpf.h"
#include "lib/flow_count.bpf.h"
#include "lib/flow_record.bpf.h"
#include "lib/pins.bpf.h"

#define AF_INET 2
#define AF_INET6 10

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Whether signals are sent here. Programs of cgroups may since 6.16; where they may not, user space kills, also for
 * inet_sock_set_state, which shares their code. Asked where the signal is sent, for read-only data is all that every
 * verifier knows there: a constant that is handed down through calls it loses in loops (seen on 6.12), and then it
 * refuses the signal of a hook that never sends one. */
const volatile bool hooks_may_signal = true;

/* Enforces, and says what was done in the report. Returns 0 if there is nothing to tell. Not inlined, for the stack. */
static __noinline int punish(const struct flow_act *act, const struct flow_header *header, struct flow_report *report,
			     struct flow_counters *counters)
{
	if (!act || !header || !report || !counters)
		return 0;
	switch (enforce(report->groups, &header->kill_groups, &report->place, hooks_may_signal, &report->spared_why)) {
	case ENFORCE_KILLED:
		report->verdict = FLOW_KILLED;
		report->signal_after_ns = since_ns(report->time_ns);
		counters->killed++;
		break;
	case ENFORCE_LIMITED:
		report->flags |= FLOW_LIMITED;
		counters->limited++;
		/* fallthrough */
	case ENFORCE_REPORT:
		report->verdict = FLOW_REPORTED;
		counters->reported++;
		break;
	case ENFORCE_REFUSED:
		report->verdict = FLOW_SPARED;
		if (report->spared_why != SPARED_PROCESS)
			return 1;
		counters->refused++;
		return 0;
	default:
		report->verdict = FLOW_DECIDE;
		if (hooks_may_signal)
			counters->signal_failed++;
	}
	if ((report->verdict == FLOW_KILLED || report->verdict == FLOW_DECIDE) && act->hook != FLOW_HOOK_STATE)
		report->flags |= FLOW_REFUSED;
	return 1;
}

/* The address that canaries connect to is in the tables like any other, and banned for them alone. */
static __always_inline bool is_canary_address(const struct flow_act *act)
{
	const __u32 *words = (const __u32 *)act->addr;

	return settings.canary_address && words[3] == settings.canary_address && act->port == settings.canary_port &&
	       words[2] == bpf_htonl(0xffff) && !words[1] && !words[0];
}

/* Does this one count as a destination? TCP, where the answer does not matter or can be seen; UDP if asked for. */
static __always_inline bool scans_counted(const struct flow_act *act)
{
	if (flow.only_failed && act->hook != FLOW_HOOK_STATE)
		return false;
	return flow.counting && (act->protocol == IPPROTO_TCP || (act->protocol == IPPROTO_UDP && flow.udp));
}

/* One that `groups` ban, or (0) that counts perhaps. Returns 1 if it is to be refused. */
static __noinline int judge_further(const struct flow_act *act, const struct flow_view *view, __u64 groups,
				    const struct sock *sk)
{
	struct flow_report report = {.act = act, .verdict = FLOW_SEEN, .groups = groups};
	struct count_result counted = {};
	struct flow_counters *counters;
	__u32 zero = 0;

	if (!act || !view || !view->page)
		return 0;
	counters = bpf_map_lookup_elem(&stats, &zero);
	if (!counters)
		return 0;
	if (killed_by_previous()) /* what is banned is refused all the same */
		return groups && act->hook != FLOW_HOOK_STATE;
	report.time_ns = bpf_ktime_get_ns();
	report.generation = ((const struct flow_header *)view->page)->generation;
	if (groups) {
		if (is_canary_address(act) && !in_canary())
			return 0;
	} else {
		if (!scans_counted(act))
			return 0;
		if (counting_needs_place())
			current_place(&report.place);
		count_destination(act, report.place.unit, report.time_ns, &counted);
		if (!counted.unit)
			return 0;
		if (sk && flow.only_failed)
			await_answer((__u64)sk, act, &counted, counters);
		report.unit = counted.unit;
		report.groups = 1ULL << FLOW_GROUP_SCAN;
		report.scan = 1;
		if (!counted.scan && !flow.log_connects)
			return 0;
	}
	if (groups || counted.scan) {
		current_place(&report.place);
		if (!punish(act, (const struct flow_header *)view->page, &report, counters))
			return 0;
		if (counted.unit && !(report.flags & FLOW_LIMITED)) /* told once */
			counted.unit->acted_start = start_boottime(current_task());
	}
	tell(&report);
	return report.flags & FLOW_REFUSED ? 1 : 0;
}

/* Judges one act; true: refuse it. `bans`: look for banned addresses, not only for scans. `sk` only where its answer
 * can be seen. This is all that happens to most: short, and in the caller's frame. */
static __always_inline bool judge(const struct flow_act *act, const struct sock *sk, __u64 bans)
{
	struct flow_counters *counters;
	struct flow_view view;
	__u32 zero = 0, what;
	__u64 groups;

	if (!in_force() || !current_in_scope())
		return false;
	counters = bpf_map_lookup_elem(&stats, &zero);
	if (!counters)
		return false;
	counters->checked += bans;
	if (!look_up(&view, (const __u32 *)act->addr, &what))
		return false;
	if (what == FLOW_UNCOUNTED || (!(what & FLOW_PORTS_MASK) && !flow.counting))
		return false;
	groups = groups_that_ban(&view, what, act->port);
	if (groups ? !bans : what & FLOW_UNCOUNTED)
		return false;
	return judge_further(act, &view, groups, sk);
}

static __always_inline void set_v4(struct flow_act *act, __u32 addr)
{
	__u32 *words = (__u32 *)act->addr;

	words[0] = words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = addr;
}

static __always_inline int hook_v4(struct bpf_sock_addr *ctx, enum flow_hook hook)
{
	struct flow_act act = {.port = bpf_ntohs((__u16)ctx->user_port), .protocol = ctx->protocol, .hook = hook};

	set_v4(&act, ctx->user_ip4);
	return judge(&act, NULL, 1) ? 0 : 1;
}

static __always_inline int hook_v6(struct bpf_sock_addr *ctx, enum flow_hook hook)
{
	struct flow_act act = {.port = bpf_ntohs((__u16)ctx->user_port), .protocol = ctx->protocol, .hook = hook};
	__u32 *words = (__u32 *)act.addr;

	words[0] = ctx->user_ip6[0];
	words[1] = ctx->user_ip6[1];
	words[2] = ctx->user_ip6[2];
	words[3] = ctx->user_ip6[3];
	return judge(&act, NULL, 1) ? 0 : 1;
}

SEC("cgroup/connect4")
int flow_connect4(struct bpf_sock_addr *ctx)
{
	return hook_v4(ctx, FLOW_HOOK_CONNECT);
}

SEC("cgroup/connect6")
int flow_connect6(struct bpf_sock_addr *ctx)
{
	return hook_v6(ctx, FLOW_HOOK_CONNECT);
}

SEC("cgroup/sendmsg4")
int flow_sendmsg4(struct bpf_sock_addr *ctx)
{
	return hook_v4(ctx, FLOW_HOOK_SENDMSG);
}

SEC("cgroup/sendmsg6")
int flow_sendmsg6(struct bpf_sock_addr *ctx)
{
	return hook_v6(ctx, FLOW_HOOK_SENDMSG);
}

static __always_inline void read_peer(const struct sock *sk, struct flow_act *act)
{
	if (sk->__sk_common.skc_family == AF_INET)
		set_v4(act, sk->__sk_common.skc_daddr);
	else
		bpf_probe_read_kernel(act->addr, sizeof(act->addr), &sk->__sk_common.skc_v6_daddr);
	act->port = bpf_ntohs(sk->__sk_common.skc_dport);
}

/* 1 if a connect hook saw this connection, 0 if its socket may be inside of an MPTCP one, or data may come with the
 * SYN.
 */
static __always_inline __u64 hook_saw(const struct tcp_sock *tcp)
{
	__u64 special = (__u64)BPF_CORE_READ(tcp, fastopen_req);

	if (bpf_core_field_exists(tcp->is_mptcp)) /* CONFIG_MPTCP */
		special |= BPF_CORE_READ(tcp, is_mptcp);
	barrier_var(special);
	special = (special | -special) >> 63;
	barrier_var(special);
	return flow.hooked & (special ^ 1);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(flow_state, const struct sock *sk, int old_state, int new_state)
{
	struct flow_act act = {.protocol = IPPROTO_TCP, .hook = FLOW_HOOK_STATE};
	struct tcp_sock *tcp;
	__u64 seen, done;

	if (old_state == TCP_SYN_SENT) {
		if (flow.only_failed && in_force())
			note_answer(sk, new_state == TCP_ESTABLISHED);
		return 0;
	}
	if (new_state != TCP_SYN_SENT || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	tcp = bpf_skc_to_tcp_sock((void *)sk);
	if (!tcp)
		return 0;
	seen = hook_saw(tcp);
	done = seen & (flow.only_failed ^ 1);
	barrier_var(done);
	if (done)
		return 0;
	read_peer(sk, &act);
	judge(&act, sk, seen ^ 1);
	return 0;
}

#include "lib/flow_refuse.bpf.h"
