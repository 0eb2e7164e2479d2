/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Matches the command line of the current process, which has just executed a program, against the rules in force.
 *
 * match_all() feeds both machines of match.h with the texts of the command line, piece by piece (pieces.bpf.h).
 */
#ifndef CRYPTNONO_BPF_LIB_CMDLINE_H
#define CRYPTNONO_BPF_LIB_CMDLINE_H

#include "pieces.bpf.h"

/* More steps than a chunk can take: each byte is read once, held once, and costs at most two transitions; and what an
 * earlier chunk left behind is no deeper than the longest rule. */
#define STEPS_MAX (4 * MATCH_CHUNK + 2 * 4096)

static int words_step(__u32 index, struct exec_context *exec)
{
	return match_words_step(&exec->view, &exec->state->run);
}

static int substrings_step(__u32 index, struct exec_context *exec)
{
	const __u8 *filter = match_page(&exec->view, exec->view.header->gram_page);

	return filter ? match_substrings_step(&exec->view, &exec->state->run, filter) : 1;
}

#ifndef PLAIN_LOOPS

static __always_inline void run_machine(struct exec_context *exec)
{
	if (exec->state->root == MATCH_ROOT_WORDS)
		loop(STEPS_MAX, words_step, exec);
	else
		loop(STEPS_MAX, substrings_step, exec);
}

#else

/* Finds the exec again of which only the scratch is known, and the rules in force. False if those are no longer the
 * ones it began with. */
static __always_inline bool find_again(struct exec_context *exec, __u32 slot)
{
	struct exec_scratch *scratch = bpf_map_lookup_elem(&scratches, &slot);
	__u32 zero = 0;

	if (!scratch)
		return false;
	*exec = scratch->exec;
	exec->scratch = scratch;
	exec->state = &scratch->state;
	exec->view.text = scratch->text;
	exec->view.tables = bpf_map_lookup_elem(&rules, &zero);
	if (!exec->view.tables)
		return false;
	exec->view.header = bpf_map_lookup_elem(exec->view.tables, &zero);
	if (!exec->view.header)
		return false;
	if (exec->view.header->generation != scratch->state.generation)
		scratch->state.replaced = 1;
	return !scratch->state.replaced;
}

SUBPROGRAM int words_step_of(__u32 slot)
{
	struct exec_context exec;

	return !find_again(&exec, slot) || words_step(0, &exec);
}

SUBPROGRAM int substrings_step_of(__u32 slot)
{
	struct exec_context exec;

	return !find_again(&exec, slot) || substrings_step(0, &exec);
}

/* One loop in the other, so that the verifier walks the square root of the steps twice. */
#define STEPS_ROOT 384
_Static_assert(STEPS_ROOT *STEPS_ROOT >= STEPS_MAX, "");

SUBPROGRAM int words_steps_of(__u32 slot)
{
	__u32 i;

	for (i = 0; i < STEPS_ROOT; i++) {
		if (words_step_of(slot))
			return 1;
	}
	return 0;
}

SUBPROGRAM int substrings_steps_of(__u32 slot)
{
	__u32 i;

	for (i = 0; i < STEPS_ROOT; i++) {
		if (substrings_step_of(slot))
			return 1;
	}
	return 0;
}

static __always_inline void run_machine(struct exec_context *exec)
{
	__u32 i;

	if (exec->state->root == MATCH_ROOT_WORDS) {
		for (i = 0; i < STEPS_ROOT; i++) {
			if (words_steps_of(exec->slot))
				break;
		}
	} else {
		for (i = 0; i < STEPS_ROOT; i++) {
			if (substrings_steps_of(exec->slot))
				break;
		}
	}
}

#endif

static __always_inline int match_piece_from(struct exec_context *exec, enum memory memory)
{
	struct scan_state *state = exec->state;

	if (state->piece == PIECE_NONE) {
		if (state->root == MATCH_ROOT_SUBSTRINGS || !(exec->view.header->flags & MATCH_HAS_SUBSTRINGS))
			return 1;
		state->root = MATCH_ROOT_SUBSTRINGS;
		state->piece = PIECE_PATH;
	}
#ifndef PLAIN_LOOPS
	if (memory == MEMORY_WALKED)
		state->run.len = load_piece_walked(exec);
	else
#endif
		state->run.len = load_piece(exec);
	state->run.pos = 0;
	run_machine(exec);
	return 0;
}

static int match_piece(__u32 index, struct exec_context *exec)
{
	return match_piece_from(exec, MEMORY_CURRENT);
}

/* More pieces than a command line can have, for both machines. */
#define PIECES_MAX (2 * (EXEC_MAX_CHUNKS + PIECE_NONE))

#ifndef PLAIN_LOOPS

static int match_piece_walked(__u32 index, struct exec_context *exec)
{
	return match_piece_from(exec, MEMORY_WALKED);
}

static __always_inline void run_machines(struct exec_context *exec, enum memory memory)
{
	if (memory == MEMORY_WALKED)
		loop(PIECES_MAX, match_piece_walked, exec);
	else
		loop(PIECES_MAX, match_piece, exec);
}

#else

SUBPROGRAM int match_piece_of(__u32 slot)
{
	struct exec_context exec;

	return !find_again(&exec, slot) || match_piece(0, &exec);
}

static __always_inline void run_machines(struct exec_context *exec, enum memory memory)
{
	__u32 i;

	exec->state->generation = exec->view.header->generation;
	exec->state->replaced = 0;
	exec->scratch->exec = *exec;
	for (i = 0; i < PIECES_MAX; i++) {
		if (match_piece_of(exec->slot))
			break;
	}
	if (exec->state->replaced)
		exec->state->failed = 1;
}

#endif

/* Runs both machines over all pieces: one nest of loops, so that the verifier walks it once. */
static __always_inline void match_all(struct exec_context *exec, enum memory memory)
{
	struct scan_state *state = exec->state;

	state->failed = 0;
	state->run.groups = 0;
	state->run.rule = MATCH_NO_RULE;
	state->run.flags = 0;
	state->root = exec->view.header->flags & MATCH_HAS_WORDS ? MATCH_ROOT_WORDS : MATCH_ROOT_SUBSTRINGS;
	state->piece = exec->view.header->flags & (MATCH_HAS_WORDS | MATCH_HAS_SUBSTRINGS) ? PIECE_PATH : PIECE_NONE;
	run_machines(exec, memory);
}

#endif
