/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * The matcher: one source for the kernel and for user space, so that both give the same verdict on every input.
 *
 * It finds thousands of strings in one pass over a text whose length does not matter, with two automatons in the manner
 * of Aho and Corasick (1975), whose goto function is a hash table instead of a matrix: 50,000 strings then fit in a few
 * MiB, and most bytes of an honest command line touch only the filters, which are small.
 *
 *   words       finds whole words: strings with no [A-Za-z0-9_] directly before or after. Its alphabet is not the byte.
 * A maximal run of word bytes is ONE symbol (its hash), and a non-word byte is a symbol together with what stands on
 * either side of it. Because a run is maximal, reaching a state means that the match began and ended at a word
 * boundary; no occurrence is ever judged by looking at another one. substrings  finds strings anywhere. Its alphabet is
 * the byte, but it leaves its root only when the last three bytes are how some string begins, which one bit of a 4 KiB
 * page answers.
 *
 * Both fold ASCII upper case and take NUL, which the kernel puts between arguments, for a space.
 *
 * Symbols are compared by a 64-bit hash that is seeded at random for each generation of the rules. The odds of a false
 * match are (distinct symbols at a state) x (symbols read) / 2^64: docs/adr/0003 has the sum.
 *
 * The tables lie in pages of MATCH_PAGE bytes, in one array map, so that replacing that map replaces all of them at
 * once. The including file provides static void *match_page(const struct match_view *view, __u32 index); which returns
 * the page, or NULL if there is none (the verifier wants that case; it does not happen).
 */
#ifndef CRYPTNONO_BPF_LIB_MATCH_H
#define CRYPTNONO_BPF_LIB_MATCH_H

#include "../api/match.h"

#ifdef __cplusplus
#define MATCH_INLINE static inline __attribute__((always_inline))
#else
#define MATCH_INLINE static __always_inline
#endif

/* Bytes read in one step of a machine; the loop around the steps is the caller's (lib/loop.bpf.h in the kernel). Large
 * enough to make the call's cost vanish, small enough for the verifier to walk. */
#define MATCH_BYTES_PER_STEP 16

/* What a run reads. In the kernel these are pointers that the verifier must know, so they live on the stack... */
struct match_view {
	void *tables; /* kernel: the inner map; user space: the first page */
	const struct match_header *header;
	const __u8 *text; /* the chunk: MATCH_CHUNK bytes are addressable */
};

/*
 * ...and in the kernel this must not: the verifier would follow each value of each flag through the loops, and give up
 * after a million instructions. In a map's memory it knows nothing of them and needs to know nothing; all indexes are
 * masked.
 *
 * One machine over the texts of one command line. Begin each text with match_begin_text, put a chunk into view->text
 * and its length into `len`, 0 into `pos`, say whether it is the `final` one, and call the machine's step function
 * until it returns 1.
 */
struct match_run {
	__u32 pos;
	__u32 len;
	__u32 state;
	__u32 gram;    /* substrings: the last three bytes, folded */
	__u64 hash;    /* words: of the run being read */
	__u64 symbol;  /* read, but not yet consumed by a transition */
	__u64 start;   /* the symbol as the root knows it */
	__u32 held;    /* words: a non-word byte + 1 that waits for its right neighbour */
	__u32 final;   /* no chunk follows */
	__u32 pending; /* `symbol` is valid */
	__u32 in_word;
	__u32 prev_word; /* the byte before `pos` is a word byte */
	/* the verdict, accumulated over all texts of one command line */
	__u64 groups;
	__u32 rule;   /* first hit, MATCH_NO_RULE if none */
	__u32 flags;  /* MATCH_OUT_* of everything found */
	__u32 accept; /* which MATCH_OUT_* count in this text */
	__u32 reserved;
};

/*
 * An index as the verifier must see it: masked right before it is used. Before Linux 6.10 it knows nothing of what an
 * OR gives, and the compiler, which knows more, would leave the mask out.
 */
MATCH_INLINE __u32 match_masked(__u32 index, __u32 mask)
{
#ifdef __bpf__
	asm volatile("" : "+r"(index));
#endif
	return index & mask;
}

MATCH_INLINE __u64 match_mix(__u64 x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL; /* the multiplier of Pelle Evensen's rrmxmx-like mixers; any odd one with good
				       spread */
	x ^= x >> 32;
	return x;
}

MATCH_INLINE __u64 match_word_start(const struct match_header *header)
{
	return header->seed;
}

MATCH_INLINE __u64 match_word_add(__u64 hash, __u8 folded)
{
	return (hash ^ folded) * 0x9e3779b97f4a7c15ULL + 0x7f4a7c15ULL;
}

MATCH_INLINE __u64 match_word_symbol(__u64 hash)
{
	return match_mix(hash) | 1; /* odd: a word */
}

/* A non-word byte and its surroundings: 10 bits. */
MATCH_INLINE __u32 match_gap_index(__u8 byte, __u32 prev_word, __u32 next_word)
{
	return (__u32)byte | prev_word << 8 | next_word << 9;
}

MATCH_INLINE __u64 match_gap_symbol(const struct match_header *header, __u32 gap_index)
{
	return match_mix(header->seed + 0x9e3779b97f4a7c15ULL * (gap_index + 1)) & ~1ULL; /* even: not a word */
}

MATCH_INLINE __u64 match_byte_symbol(const struct match_header *header, __u8 folded)
{
	return match_mix(header->seed + 0xc2b2ae3d27d4eb4fULL * (folded + 1U));
}

MATCH_INLINE __u64 match_gram_symbol(const struct match_header *header, __u32 gram)
{
	return match_mix(header->seed + 0x165667b19e3779f9ULL * (gram + 1ULL));
}

MATCH_INLINE __u32 match_gram_bit(__u32 gram)
{
	return (gram * 0x9e3779b1U) >> 17; /* 15 bits: MATCH_PAGE * 8 */
}

MATCH_INLINE __u64 match_goto_key(__u32 state, __u64 symbol)
{
	__u64 key = match_mix(symbol ^ ((__u64)state * 0x9fb21c651e98df25ULL));

	return key ? key : 1; /* 0 marks an empty slot */
}

MATCH_INLINE __u32 match_goto_bucket(__u64 key, __u32 buckets)
{
	return (__u32)(((key >> 32) * buckets) >> 32);
}

/* The state after `symbol`, or 0: no edge. */
MATCH_INLINE __u32 match_goto(const struct match_view *view, __u32 state, __u64 symbol)
{
	const __u64 key = match_goto_key(state, symbol);
	__u32 bucket = match_goto_bucket(key, view->header->goto_buckets);
	int probe, slot;

	for (probe = 0; probe < MATCH_MAX_PROBES; probe++) {
		const struct match_edge *edges =
			(const struct match_edge *)match_page(view, view->header->goto_page + (bucket >> 6));

		if (!edges)
			return 0;
		edges += (bucket & 63) * MATCH_BUCKET_EDGES;
		for (slot = 0; slot < MATCH_BUCKET_EDGES; slot++) {
			if (edges[slot].key == key)
				return edges[slot].next;
			if (!edges[slot].key)
				return 0;
		}
		bucket++;
		if (bucket >= view->header->goto_buckets)
			bucket = 0;
	}
	return 0;
}

/* Takes note of what ends in `state`. */
MATCH_INLINE void match_arrive(const struct match_view *view, struct match_run *run, __u32 output)
{
	const struct match_output *out =
		(const struct match_output *)match_page(view, view->header->output_page + (output >> 8));

	if (!out)
		return;
	out += output & 255;
	if (!(out->flags & run->accept))
		return;
	run->flags |= out->flags & run->accept;
	run->groups |= out->groups;
	if (run->rule == MATCH_NO_RULE)
		run->rule = out->rule;
}

/* May a string begin with the word `symbol`? No false "no". */
MATCH_INLINE int match_word_may_start(const struct match_view *view, __u64 symbol)
{
	const __u32 word = (__u32)(symbol >> 40) & view->header->filter_mask;
	const __u64 *page = (const __u64 *)match_page(view, view->header->filter_page + (word >> 9));
	const __u64 bits = 1ULL << ((symbol >> 1) & 63) | 1ULL << ((symbol >> 7) & 63);

	return page && (page[word & 511] & bits) == bits;
}

/*
 * One transition with the pending symbol. From the root the symbol either starts something or is forgotten; elsewhere
 * it either leads on, or the state falls back to its longest suffix and the symbol stays pending. Each fall-back gives
 * up at least one symbol that was read, so there are never more fall-backs than symbols.
 */
MATCH_INLINE void match_transition(const struct match_view *view, struct match_run *run, __u32 root)
{
	const int at_root = run->state == root;
	const struct match_state *state;
	__u32 next;

	next = match_goto(view, run->state, at_root ? run->start : run->symbol);
	if (next || at_root)
		run->pending = 0;
	if (!next && at_root)
		return;
	state = (const struct match_state *)match_page(view,
						       view->header->state_page + ((next ? next : run->state) >> 9));
	if (!state)
		return;
	if (next) {
		state += next & 511;
		run->state = next;
		if (state->output)
			match_arrive(view, run, state->output);
	} else {
		run->state = state[run->state & 511].fail;
		/* Back at the root of the words most symbols end here; a gap's symbol is even and is looked up. */
		if (root == MATCH_ROOT_WORDS && run->state == root && run->start & 1)
			run->pending = match_word_may_start(view, run->start);
	}
}

MATCH_INLINE void match_emit_word(const struct match_view *view, struct match_run *run)
{
	run->symbol = run->start = match_word_symbol(run->hash);
	run->hash = match_word_start(view->header);
	run->in_word = 0;
	run->prev_word = 1;
	run->pending = run->state != MATCH_ROOT_WORDS || match_word_may_start(view, run->symbol);
}

MATCH_INLINE void match_emit_gap(const struct match_view *view, struct match_run *run, __u32 next_word)
{
	const __u32 index = match_gap_index((__u8)(run->held - 1), run->held >> 16, next_word) & 1023;

	run->held = 0;
	if (run->state == MATCH_ROOT_WORDS &&
	    !(view->header->gap_starts[match_masked(index >> 3, 127)] >> (index & 7) & 1))
		return;
	run->symbol = run->start = match_gap_symbol(view->header, index);
	run->pending = 1;
}

/*
 * Reads on as far as nothing can happen, in registers: at the root, where nearly every symbol is read only to be
 * forgotten, to the first symbol that may start a string; elsewhere to the first symbol. Or to the end of the chunk, or
 * MATCH_BYTES_PER_STEP bytes.
 */
MATCH_INLINE void match_words_skim(const struct match_view *view, struct match_run *run)
{
	__u32 pos = run->pos, held = run->held, in_word = run->in_word, prev_word = run->prev_word;
	const __u32 at_root = run->state == MATCH_ROOT_WORDS;
	__u64 hash = run->hash;
	int i;

	for (i = 0; i < MATCH_BYTES_PER_STEP && pos < run->len; i++) {
		const __u8 byte = view->text[pos & (MATCH_CHUNK - 1)];
		const __u8 folded = match_word_fold[byte];

		if (held) {
			const __u32 gap = match_gap_index((__u8)(held - 1), held >> 16, folded != 0) & 1023;

			if (!at_root || view->header->gap_starts[match_masked(gap >> 3, 127)] >> (gap & 7) & 1)
				break;
			held = 0;
		}
		if (folded) {
			hash = match_word_add(hash, folded);
			in_word = 1;
		} else {
			if (in_word) {
				if (!at_root || match_word_may_start(view, match_word_symbol(hash)))
					break;
				hash = match_word_start(view->header);
				in_word = 0;
				prev_word = 1;
			}
			held = ((byte ? byte : ' ') + 1U) | prev_word << 16;
			prev_word = 0;
		}
		pos++;
	}
	run->pos = pos;
	run->held = held;
	run->in_word = in_word;
	run->prev_word = prev_word;
	run->hash = hash;
}

/* Makes the symbol that stands at `pos` pending, if there is one. Returns 1 when the chunk is used up. */
MATCH_INLINE int match_words_read(const struct match_view *view, struct match_run *run)
{
	__u8 folded;

	match_words_skim(view, run);
	if (run->pos >= run->len) {
		if (!run->final)
			return 1;
		if (run->in_word)
			match_emit_word(view, run);
		else if (run->held)
			match_emit_gap(view, run, 0);
		else
			return 1;
		return 0;
	}
	folded = match_word_fold[view->text[run->pos & (MATCH_CHUNK - 1)]];
	if (run->held)
		match_emit_gap(view, run, folded != 0);
	else if (!folded && run->in_word)
		match_emit_word(view, run);
	return 0;
}

/* One step of the word machine. Returns 1 when the chunk is used up. */
MATCH_INLINE int match_words_step(const struct match_view *view, struct match_run *run)
{
	if (!run->pending && match_words_read(view, run))
		return 1;
	if (run->pending)
		match_transition(view, run, MATCH_ROOT_WORDS);
	return 0;
}

/* One step of the substring machine. Returns 1 when the chunk is used up. `filter` is the gram page. */
MATCH_INLINE int match_substrings_step(const struct match_view *view, struct match_run *run, const __u8 *filter)
{
	__u32 gram, bit;
	__u8 folded;
	int i;

	if (run->pending) {
		match_transition(view, run, MATCH_ROOT_SUBSTRINGS);
		return 0;
	}
	for (i = 0; i < MATCH_BYTES_PER_STEP; i++) {
		if (run->pos >= run->len)
			return 1;
		folded = match_byte_fold[view->text[run->pos & (MATCH_CHUNK - 1)]];
		run->pos++;
		gram = (run->gram << 8 | folded) & 0xffffff;
		run->gram = gram;
		bit = match_gram_bit(gram);
		if (run->state != MATCH_ROOT_SUBSTRINGS || (filter[bit >> 3 & (MATCH_PAGE - 1)] >> (bit & 7) & 1)) {
			run->symbol = match_byte_symbol(view->header, folded);
			run->start = match_gram_symbol(view->header, gram);
			run->pending = 1;
			return 0;
		}
	}
	return 0;
}

/* Makes `run` ready for a machine at the beginning of a text; the verdict so far stays. */
MATCH_INLINE void match_begin_text(const struct match_view *view, struct match_run *run, __u32 accept, __u32 root)
{
	run->state = root;
	run->gram = 0;
	run->hash = match_word_start(view->header);
	run->held = 0;
	run->pending = 0;
	run->in_word = 0;
	run->prev_word = 0;
	run->accept = accept;
}

#endif
