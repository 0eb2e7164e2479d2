/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/* The texts of one command line, brought into the scratch piece by piece: load_piece(). */
#ifndef CRYPTNONO_BPF_LIB_PIECES_H
#define CRYPTNONO_BPF_LIB_PIECES_H

#include "exec_scratch.bpf.h"

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

#endif
