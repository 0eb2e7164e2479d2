/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * What is known of one exec while its command line is matched, and the maps that hold it. State that changes in loops
 * is in map memory, pointers are on the stack: see match.h.
 */
#ifndef CRYPTNONO_BPF_LIB_EXEC_SCRATCH_H
#define CRYPTNONO_BPF_LIB_EXEC_SCRATCH_H

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

SCRATCH_PART(struct exec_scratch, struct path_buffer, path_of, path)
SCRATCH_PART(struct exec_scratch, struct origin, origin_of, event.origin)
SCRATCH_PART(struct exec_scratch, struct origin_names, origin_names_of, names)

static __always_inline void *match_page(const struct match_view *view, __u32 index)
{
	return bpf_map_lookup_elem(view->tables, &index);
}

#endif
