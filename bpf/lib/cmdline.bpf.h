/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Matches the command line of the current process, which has just executed a program, against the rules in force.
 *
 * match_all() feeds both machines of match.h with the texts of the command line, piece by piece. State that changes in
 * loops is in map memory, pointers are on the stack: see match.h.
 */
#ifndef CRYPTNONO_BPF_LIB_CMDLINE_H
#define CRYPTNONO_BPF_LIB_CMDLINE_H

#include "../api/exec.h"
#include "origin.bpf.h"
#include "path.bpf.h"

/* Of page_walk.bpf.h, here because both objects have the same variables. Where the kernel's variable page_offset_base
 * lies: the virtual address of physical address 0. Set before load. */
const volatile __u64 page_offset_base_at = 0;
/* The first scratch of a program whose memory is MEMORY_WALKED. Set before load. */
const volatile __u32 walk_scratches_begin = 0;

/* Where the arguments are read: a constant of each program, so that none has the other's code. */
enum memory {
	MEMORY_CURRENT, /* in the memory of the current process */
	MEMORY_WALKED,	/* in one that is not current yet: exec_refuse.bpf.h. Not with PLAIN_LOOPS */
};

#ifndef PLAIN_LOOPS
#include "page_walk.bpf.h"
#endif

/* One generation of the rules; the inner map's size is its own. */
struct rule_tables {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, MATCH_PAGE);
};

/* Slot 0: the rules in force. Replacing it is atomic, and the kernel returns from the replacement only when no program
 * uses the old rules any more. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct rule_tables);
} rules SEC(".maps");

struct match_view;
static __always_inline void *match_page(const struct match_view *view, __u32 index);
#include "lib/match.h"

/* The texts of one command line, in the order in which each machine reads them. */
enum piece {
	PIECE_PATH,	/* the executable's resolved path, the only text in which an allowed path counts */
	PIECE_FILENAME, /* as given to execve, and a space... */
	PIECE_REST, /* ...and the arguments after argv[0]: the line that the predecessor saw. Goes on only as far as a
		     * string that began in the file name could reach; the rest is argv's business. */
	PIECE_ARGV, /* all of it, in chunks */
	PIECE_NONE,
};

/* Where the scan of one command line stands. */
struct scan_state {
	struct match_run run;
	__u64 address; /* of the argument area's unread part, in user memory */
	__u64 rest;    /* of the second argument, 0 if there is none */
	__u32 left;
	__u32 failed;	  /* part of the text could not be read */
	__u32 root;	  /* the machine that runs */
	__u32 piece;	  /* the next one */
	__u32 generation; /* of the rules at the beginning */
	__u32 replaced;	  /* the rules, since then (with PLAIN_LOOPS) */
};

struct exec_scratch;

/* Everything about the exec that is being looked at. Pointers, and what the verifier may follow; the rest is in
 * `state`. */
struct exec_context {
	struct match_view view;
	struct scan_state *state;
	struct exec_scratch *scratch;
	const char *filename;
	__u64 argv_begin;
	__u64 argv_end;
	__u32 path_begin;
	__u32 slot; /* of the scratch */
	bool path_complete;
};

/* What does not fit on the stack. One per CPU: the hook runs with preemption disabled. Not a per-CPU map, whose values
 * may not be this large. */
struct exec_scratch {
	struct scan_state state;
#ifdef PLAIN_LOOPS
	struct exec_context exec; /* for subprograms, to which no pointer can be given */
#else
	/* Of programs whose memory is MEMORY_WALKED. */
	struct page_walk walk;
	struct argument_area area;
	__u32 busy;
	__u32 pad;
#endif
	struct exec_event event;
	/* The text being matched; afterwards the payload of the event, which is why it is larger than a chunk. */
	__u8 text[MATCH_CHUNK + 2 * EXEC_PATH_MAX];
	struct path_buffer path;
	struct origin_names names;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* user space: one per possible CPU, then those of take_walk_scratch() */
	__type(key, __u32);
	__type(value, struct exec_scratch);
} scratches SEC(".maps");

static __always_inline struct path_buffer *path_of(__u32 slot)
{
	struct exec_scratch *scratch = bpf_map_lookup_elem(&scratches, &slot);

	return scratch ? &scratch->path : NULL;
}

static __always_inline struct origin *origin_of(__u32 slot)
{
	struct exec_scratch *scratch = bpf_map_lookup_elem(&scratches, &slot);

	return scratch ? &scratch->event.origin : NULL;
}

static __always_inline struct origin_names *origin_names_of(__u32 slot)
{
	struct exec_scratch *scratch = bpf_map_lookup_elem(&scratches, &slot);

	return scratch ? &scratch->names : NULL;
}

static __always_inline void *match_page(const struct match_view *view, __u32 index)
{
	return bpf_map_lookup_elem(view->tables, &index);
}

struct first_argument {
	__u8 *buffer;
	__u64 address;
	bool found;
};

/* Moves `address` behind the first argument's NUL. */
static int skip_argument(__u32 index, struct first_argument *first)
{
	long got = bpf_probe_read_user_str(first->buffer, MATCH_CHUNK, (void *)first->address);

	if (got <= 0)
		return 1;
	first->found = got < MATCH_CHUNK;
	first->address += first->found ? got : MATCH_CHUNK - 1;
	return first->found;
}

/* MAX_ARG_STRLEN, 128 KiB, in chunks, and one for the rounding. */
#define ARGUMENT_CHUNKS 5

/* Where the second argument begins, or 0. Uses the text buffer. */
static __noinline __u64 second_argument(struct exec_context *exec)
{
	struct first_argument first = {.buffer = exec->scratch->text, .address = exec->argv_begin};

	if (exec->argv_end > exec->argv_begin)
		loop(ARGUMENT_CHUNKS, skip_argument, &first);
	return first.found && first.address < exec->argv_end ? first.address : 0;
}

static __always_inline __u64 find_second_argument(struct exec_context *exec, enum memory memory)
{
#ifndef PLAIN_LOOPS
	if (memory == MEMORY_WALKED)
		return exec->scratch->area.second;
#endif
	return second_argument(exec);
}

static __always_inline long load_path(struct exec_context *exec)
{
	__u32 length = (EXEC_PATH_MAX - exec->path_begin) & (EXEC_PATH_MAX - 1);

	match_begin_text(&exec->view, &exec->state->run,
			 MATCH_OUT_BANNED | MATCH_OUT_ALLOW_LITERAL | MATCH_OUT_ALLOW_PATH, exec->state->root);
	exec->state->run.final = 1;
	exec->state->piece = PIECE_FILENAME;
	return bpf_probe_read_kernel(exec->scratch->text, length,
				     &exec->scratch->path.text[exec->path_begin & (EXEC_PATH_MAX - 1)])
		       ? 0
		       : length;
}

/* The space stands there for the word machine even if no argument follows: it does what the end does, it ends a word,
 * and it stays held. The substring machine sees it only as the separator that it is. */
static __always_inline long load_filename(struct exec_context *exec, enum memory memory)
{
	const bool words = exec->state->root == MATCH_ROOT_WORDS;
	long length;

	match_begin_text(&exec->view, &exec->state->run, MATCH_OUT_BANNED | MATCH_OUT_ALLOW_LITERAL, exec->state->root);
	/* The word machine hardly ever needs to know; see load_rest. */
	exec->state->rest = words ? 0 : find_second_argument(exec, memory);
	exec->state->run.final = 0;
	exec->state->piece = PIECE_REST;
	length = bpf_probe_read_kernel_str(exec->scratch->text, EXEC_PATH_MAX, exec->filename);
	if (length <= 0 || length > EXEC_PATH_MAX)
		return 0;
	if (!words && !exec->state->rest)
		return length - 1;
	exec->scratch->text[(length - 1) & (EXEC_PATH_MAX - 1)] = ' ';
	return length;
}

struct user_read {
	__u8 *to;
	__u64 from;
	__u32 size;
	bool failed;
};

static int read_attempt(__u32 attempt, struct user_read *read)
{
	__u32 size = read->size;

	if (size > MATCH_CHUNK)
		return 1;
	read->failed = bpf_probe_read_user(read->to, size, (void *)read->from);
	return !read->failed;
}

/* A page that the kernel is moving elsewhere (compaction, NUMA balancing) cannot be read for some microseconds. Who
 * waits for that needs nobody to decide later, while the process runs. At most about a millisecond. */
#define READ_ATTEMPTS 256

/* Reads at most MATCH_CHUNK bytes of the new image's memory; false if they cannot be read. */
static __always_inline bool read_user(__u8 *to, __u32 size, __u64 from)
{
	struct user_read read = {.to = to, .from = from, .size = size};

	if (!bpf_probe_read_user(to, size, (void *)from))
		return true;
	loop(READ_ATTEMPTS, read_attempt, &read);
	return !read.failed;
}

static __always_inline bool read_arguments(struct exec_context *exec, __u8 *to, __u32 size, __u64 from,
					   enum memory memory)
{
#ifndef PLAIN_LOOPS
	if (memory == MEMORY_WALKED)
		return read_walked(&exec->scratch->walk, to, size, from);
#endif
	return read_user(to, size, from);
}

static __always_inline long load_rest(struct exec_context *exec, enum memory memory)
{
	const struct match_run *run = &exec->state->run;
	__u64 left;

	exec->state->piece = PIECE_ARGV;
	exec->state->address = exec->argv_begin;
	left = exec->argv_end - exec->argv_begin;
	exec->state->left = left ? left - 1 : 0; /* less the last NUL */
	if (exec->state->root == MATCH_ROOT_WORDS) {
		/* The usual end: no string began in the file name, and none can begin with a space after a word byte.
		 */
		if (run->state == MATCH_ROOT_WORDS && run->held >> 16)
			return 0;
		exec->state->rest = find_second_argument(exec, memory);
	}
	if (!exec->state->rest)
		return 0;
	left = exec->argv_end - exec->state->rest - 1;
	exec->state->run.final = left <= exec->view.header->max_length;
	if (!exec->state->run.final)
		left = exec->view.header->max_length;
	barrier_var(left);
	if (left > EXEC_PATH_MAX)
		left = EXEC_PATH_MAX;
	if (!read_arguments(exec, exec->scratch->text, left, exec->state->rest, memory)) {
		exec->state->failed = 1;
		return 0;
	}
	return left;
}

static __always_inline long load_argv(struct exec_context *exec, enum memory memory)
{
	__u32 size = exec->state->left;

	if (exec->state->address == exec->argv_begin)
		match_begin_text(&exec->view, &exec->state->run, MATCH_OUT_BANNED | MATCH_OUT_ALLOW_LITERAL,
				 exec->state->root);
	barrier_var(size);
	if (size > MATCH_CHUNK)
		size = MATCH_CHUNK;
	if (size && !read_arguments(exec, exec->scratch->text, size, exec->state->address, memory)) {
		exec->state->failed = 1;
		size = 0;
		exec->state->left = 0;
	}
	exec->state->address += size;
	exec->state->left -= size;
	exec->state->run.final = exec->state->left == 0;
	if (!exec->state->left)
		exec->state->piece = PIECE_NONE;
	return size;
}

/* Puts the next piece into the text buffer; returns its length. */
static __always_inline long load_piece_from(struct exec_context *exec, enum memory memory)
{
	switch (exec->state->piece) {
	case PIECE_PATH:
		return load_path(exec);
	case PIECE_FILENAME:
		return load_filename(exec, memory);
	case PIECE_REST:
		return load_rest(exec, memory);
	default:
		return load_argv(exec, memory);
	}
}

static __noinline long load_piece(struct exec_context *exec)
{
	return load_piece_from(exec, MEMORY_CURRENT);
}

#ifndef PLAIN_LOOPS
static __noinline long load_piece_walked(struct exec_context *exec)
{
	return load_piece_from(exec, MEMORY_WALKED);
}
#endif

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
