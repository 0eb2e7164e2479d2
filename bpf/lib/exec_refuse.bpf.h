/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * execwhacker where BPF LSM is active: a banned command line is refused, before it takes effect, and dies.
 *
 * Hook: bprm_check_security, before the point of no return. The arguments have been copied into the new memory, which
 * no task has yet, so nobody can rewrite them; it is read by its page tables (page_walk.bpf.h). Part of
 * exec_match.bpf.c, with which it shares rules, settings, counters and rings.
 *
 * It only ever adds: what it cannot read, or what is not for the kernel side alone to decide, it lets through without a
 * word, and exec_match, a moment later, does as if there were no other. docs/adr/0017-lsm.md
 */
#ifndef CRYPTNONO_BPF_LIB_EXEC_REFUSE_H
#define CRYPTNONO_BPF_LIB_EXEC_REFUSE_H

#ifndef EPERM
#define EPERM 1
#endif

#define WALK_SCRATCH_TRIES 4

/* Programs of this hook may be preempted, and another task may then enter: a scratch for each run, claimed. There is
 * one for each CPU, and some more. Its number, or 0. */
static __always_inline __u32 take_walk_scratch(void)
{
	__u32 slot = walk_scratches_begin + bpf_get_smp_processor_id();
	struct exec_scratch *scratch;
	int attempt;

	for (attempt = 0; attempt < WALK_SCRATCH_TRIES; attempt++, slot++) {
		scratch = bpf_map_lookup_elem(&scratches, &slot);
		if (scratch && try_take(&scratch->busy, NAME_OF(WORD_SCRATCH, slot)))
			return slot;
	}
	return 0;
}

struct text_pair {
	const __u8 *one;
	const __u8 *other;
	bool differ;
};

static int compare_byte(__u32 index, struct text_pair *pair)
{
	index &= EXEC_PATH_MAX - 1;
	pair->differ = pair->one[index] != pair->other[index];
	return pair->differ;
}

/* The walk is right if it finds the file name where the kernel has put it: at bprm->exec, above the environment. */
static __noinline bool walk_proven(struct exec_scratch *scratch, const char *filename, __u64 at)
{
	struct text_pair pair = {};
	long length;

	if (!scratch)
		return false;
	pair.one = scratch->text;
	pair.other = scratch->text + EXEC_PATH_MAX;
	length = bpf_probe_read_kernel_str(scratch->text, EXEC_PATH_MAX, filename);
	if (length <= 1 || length > EXEC_PATH_MAX ||
	    !read_walked(&scratch->walk, scratch->text + EXEC_PATH_MAX, length, at))
		return false;
	loop(length, compare_byte, &pair);
	return !pair.differ;
}

/* Is it a program of this machine, the last of the rounds of one exec? A script's interpreter comes next, and in the
 * same way what binfmt_misc has for programs of other machines; what counts is how that is called. */
static __always_inline bool native_program(const struct linux_binprm *bprm)
{
	__u16 machine;

	if (bprm->buf[0] != 0x7f || bprm->buf[1] != 'E' || bprm->buf[2] != 'L' || bprm->buf[3] != 'F')
		return false;
	machine = (__u8)bprm->buf[18] | (__u16)(__u8)bprm->buf[19] << 8;
	return machine == 62 /* EM_X86_64 */ || machine == 3 /* EM_386 */;
}

struct name_search {
	const char *name;
	const char *base;
};

static int name_step(__u32 index, struct name_search *search)
{
	char byte = 0;

	bpf_probe_read_kernel(&byte, 1, search->name + index);
	if (byte == '/')
		search->base = search->name + index + 1;
	return !byte;
}

/* What the process would have been called: as begin_new_exec(), fs/exec.c, has it. */
static __noinline int new_name(struct exec_event *event, struct linux_binprm *bprm)
{
	struct name_search search = {};

	if (!event || !bprm)
		return 0;
	if (bpf_core_field_exists(bprm->comm_from_dentry) && BPF_CORE_READ_BITFIELD(bprm, comm_from_dentry)) {
		search.base = (const char *)BPF_CORE_READ(bprm, file, f_path.dentry, d_name.name);
	} else {
		search.name = search.base = bprm->filename;
		loop(EXEC_PATH_MAX, name_step, &search);
	}
	bpf_probe_read_kernel_str(event->origin.self.comm, sizeof(event->origin.self.comm), search.base);
	return 0;
}

/* True: killed, to be refused. */
static __always_inline bool refuse_exec(struct linux_binprm *bprm, struct exec_scratch *scratch, __u32 slot)
{
	struct exec_context exec = {.filename = bprm->filename, .slot = slot};
	struct exec_event *event = &scratch->event;
	struct exec_stats *counters;
	struct place place = {};
	struct file *file;
	__u32 zero = 0;
	__u64 begin, groups;
	__u8 spared;
	bool canary;

	counters = bpf_map_lookup_elem(&stats, &zero);
	exec.view.tables = bpf_map_lookup_elem(&rules, &zero);
	if (!counters || !exec.view.tables)
		return false;
	begin = bpf_ktime_get_ns();
	exec.view.header = bpf_map_lookup_elem(exec.view.tables, &zero);
	if (!exec.view.header || exec.view.header->flags & MATCH_ALWAYS_DEFER)
		return false;
	exec.scratch = scratch;
	exec.view.text = exec.scratch->text;
	exec.state = &exec.scratch->state;
	exec.argv_begin = bprm->p;
	if (!begin_walk(&scratch->walk, bprm->mm, bprm->exec) || !walk_proven(scratch, exec.filename, bprm->exec) ||
	    !find_arguments(&scratch->area, &scratch->walk, exec.scratch->text, exec.argv_begin, bprm->exec,
			    bprm->argc)) {
		__sync_fetch_and_add(&counters->unproven, 1);
		return false;
	}
	exec.argv_end = scratch->area.end;
	file = BPF_CORE_READ(bprm, file); /* a number: see resolve_path */
	exec.path_begin = resolve_path(slot, file, &exec.path_complete);
	match_all(&exec, MEMORY_WALKED);
	groups = exec.state->run.groups;
	canary = groups & settings.canary_groups && in_canary();
	if (!canary)
		groups &= ~settings.canary_groups;
	if (exec.state->failed)
		__sync_fetch_and_add(&counters->unproven, 1);
	if (!groups || exec.state->failed)
		return false;
	if (!canary && exec.state->run.flags & (MATCH_OUT_ALLOW_LITERAL | MATCH_OUT_ALLOW_PATH))
		return false;
	current_place(&place);
	if (enforce_image(groups, &settings.kill_groups, &place, true, &spared, file) != ENFORCE_KILLED)
		return false;
	/* The counters of both programs: only this one can be preempted while it adds. */
	__sync_fetch_and_add(&counters->checked, 1);
	__sync_fetch_and_add(&counters->killed, 1);
	__sync_fetch_and_add(&counters->prevented, 1);
	__builtin_memset(event, 0, __builtin_offsetof(struct exec_event, origin));
	event->time_ns = begin;
	event->signal_after_ns = since_ns(begin);
	event->verdict = EXEC_KILLED;
	event->flags = EXEC_REFUSED;
	event->groups = groups;
	event->rule = exec.state->run.rule;
	event->generation = exec.view.header->generation;
	event->unit = place.unit;
	if (!exec.path_complete)
		event->flags |= EXEC_PATH_CUT;
	else if (file_trusted(file))
		event->flags |= EXEC_PATH_TRUSTED;
	put_origin(slot);
	new_name(event, bprm);
	tell(&exec, counters, MEMORY_WALKED);
	return true;
}

SEC("lsm/bprm_check_security")
int BPF_PROG(exec_refuse, struct linux_binprm *bprm, int before)
{
	struct exec_scratch *scratch;
	bool refused = false;
	__u32 slot;

	if (before || !in_force() || !native_program(bprm) || !current_in_scope())
		return before;
	slot = take_walk_scratch();
	if (!slot)
		return 0;
	scratch = bpf_map_lookup_elem(&scratches, &slot);
	if (!scratch)
		return 0;
	refused = refuse_exec(bprm, scratch, slot);
	give_back(&scratch->busy, NAME_OF(WORD_SCRATCH, slot));
	return refused ? -EPERM : 0;
}

#endif
