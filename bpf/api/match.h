/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * The rule tables: the layout that src/match/ writes and bpf/lib/match.h reads, in the kernel and in user space.
 *
 * One ARRAY map of MATCH_PAGE-byte values holds one generation of the rules, whole:
 *
 *   page 0            struct match_header
 *   filter_page ...   words that a string may begin with: a Bloom filter, two bits in one 64-bit word
 *   gram_page         one page: the first three bytes of each substring, one bit of 32,768 each
 *   goto_page ...     edges, in buckets of MATCH_BUCKET_EDGES (a cache line), linear probing over buckets
 *   state_page ...    per state: where to fall back, what ends here
 *   output_page ...   what ends in a state, suffixes included
 *
 * Numbers of pages, states and buckets are the builder's business; readers take them from the header.
 */
#ifndef CRYPTNONO_BPF_API_MATCH_H
#define CRYPTNONO_BPF_API_MATCH_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define MATCH_PAGE 4096
#define MATCH_MAGIC 0x6e6f6e6f
/* Bytes of text that one read from user memory brings. A power of two. */
#define MATCH_CHUNK 32768

#define MATCH_BUCKET_EDGES 4
/* Buckets looked at before "no edge"; the builder enlarges the table until this is enough. */
#define MATCH_MAX_PROBES 4

#define MATCH_ROOT_WORDS 0
#define MATCH_ROOT_SUBSTRINGS 1
#define MATCH_NO_RULE 0xffffffffU
/* Groups share the bits of a 64-bit mask; all groups from the 63rd on share the last bit. */
#define MATCH_MAX_GROUPS 64

/* match_output.flags */
#define MATCH_OUT_BANNED 1U	   /* a banned string or substring */
#define MATCH_OUT_ALLOW_LITERAL 2U /* a literal without which no allowed pattern can match: user space must decide */
#define MATCH_OUT_ALLOW_PATH 4U	   /* the path of an allowed executable; counts in the executable's path only */

/* match_header.flags */
#define MATCH_HAS_WORDS 1U
#define MATCH_HAS_SUBSTRINGS 2U
#define MATCH_ALWAYS_DEFER 4U /* some allowed pattern needs no literal: user space decides every hit */

struct match_header {
	__u32 magic;
	__u32 generation;
	__u64 seed; /* random; never 0 */
	__u32 flags;
	__u32 pages;
	__u32 filter_page;
	__u32 filter_mask; /* 64-bit words in the filter - 1; a power of two of them, 512 at least */
	__u32 gram_page;
	__u32 goto_page;
	__u32 goto_buckets;
	__u32 state_page;
	__u32 states;
	__u32 output_page;
	__u32 outputs;
	__u32 max_length;     /* bytes of the longest string in the tables */
	__u8 gap_starts[128]; /* 1,024 bits: non-word bytes, with surroundings, that a string may begin with */
};

struct match_edge {
	__u64 key; /* match_goto_key of the state and the symbol; 0: empty slot, and the end of the probing */
	__u32 next;
	__u32 reserved;
};

struct match_state {
	__u32 fail;
	__u32 output; /* 0: nothing ends here */
};

struct match_output {
	__u64 groups; /* of every banned string that ends here, the shorter ones too */
	__u32 rule;   /* the longest of them */
	__u32 flags;  /* MATCH_OUT_* */
};

#ifdef __cplusplus
#define MATCH_ASSERT(condition) static_assert(condition, #condition)
#else
#define MATCH_ASSERT(condition) _Static_assert(condition, #condition)
#endif
MATCH_ASSERT(sizeof(struct match_header) == 192);
MATCH_ASSERT(__builtin_offsetof(struct match_header, seed) == 8);
MATCH_ASSERT(__builtin_offsetof(struct match_header, gap_starts) == 64);
MATCH_ASSERT(sizeof(struct match_edge) == 16);
MATCH_ASSERT(sizeof(struct match_state) == 8);
MATCH_ASSERT(sizeof(struct match_output) == 16);

/* [A-Za-z0-9_] folded to lower case; 0 for every other byte. */
static const __u8 match_word_fold[256] = {
	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,
	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,
	0,   0,	  0,   0,   48,	 49,  50,  51,	52,  53,  54,  55,  56,	 57,  0,   0,	0,   0,	  0,   0,   0,	 97,
	98,  99,  100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119,
	120, 121, 122, 0,   0,	 0,   0,   95,	0,   97,  98,  99,  100, 101, 102, 103, 104, 105, 106, 107, 108, 109,
	110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 0,   0,   0,	0,   0,	  0,   0,   0,	 0,
	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,
	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,
	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,
	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,
	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,
	0,   0,	  0,   0,   0,	 0,   0,   0,	0,   0,	  0,   0,   0,	 0,
};

/* Every byte, upper case folded to lower, NUL to a space. */
static const __u8 match_byte_fold[256] = {
	32,  1,	  2,   3,   4,	 5,   6,   7,	8,   9,	  10,  11,  12,	 13,  14,  15,	16,  17,  18,  19,  20,	 21,
	22,  23,  24,  25,  26,	 27,  28,  29,	30,  31,  32,  33,  34,	 35,  36,  37,	38,  39,  40,  41,  42,	 43,
	44,  45,  46,  47,  48,	 49,  50,  51,	52,  53,  54,  55,  56,	 57,  58,  59,	60,  61,  62,  63,  64,	 97,
	98,  99,  100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119,
	120, 121, 122, 91,  92,	 93,  94,  95,	96,  97,  98,  99,  100, 101, 102, 103, 104, 105, 106, 107, 108, 109,
	110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131,
	132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 145, 146, 147, 148, 149, 150, 151, 152, 153,
	154, 155, 156, 157, 158, 159, 160, 161, 162, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174, 175,
	176, 177, 178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193, 194, 195, 196, 197,
	198, 199, 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216, 217, 218, 219,
	220, 221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240, 241,
	242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255,
};

#endif
