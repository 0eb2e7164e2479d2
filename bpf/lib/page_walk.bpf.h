/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Reads a memory that is not the current one, by its page tables: that of a program which is being executed and has not
 * taken effect yet (linux_binprm.mm). x86-64 with 4 or 5 levels.
 *
 * That memory belongs to no task yet, so nobody but the kernel can write to it, and nobody can fault anything in or
 * move it. What can still happen is that a page is reclaimed; therefore each entry is read again after its page, and
 * must be the same. What is not present, or large, is not read at all. Whether the walk leads to the right place at all
 * is the caller's to prove (docs/adr/0017-lsm.md).
 */
#ifndef CRYPTNONO_BPF_LIB_PAGE_WALK_H
#define CRYPTNONO_BPF_LIB_PAGE_WALK_H

#define WALK_PAGE 4096
/* Of an entry: Intel SDM vol. 3, 4.5 */
#define ENTRY_PRESENT 1ULL
#define ENTRY_LARGE (1ULL << 7) /* of the second and third level */
/* What a kernel with 4 levels can have (MAX_PHYSMEM_BITS). Above it stands at most the bit that says that memory is
 * encrypted, which is the same in every entry; other entries are not followed, so memory above 64 TiB is not read. */
#define ENTRY_FRAME (((1ULL << 46) - 1) & ~(WALK_PAGE - 1ULL))
#define ENTRY_HIGH (((1ULL << 52) - 1) & ~((1ULL << 46) - 1))
/* The direct map begins above this with 4 levels, and below it with 5. */
#define LOWEST_OF_4_LEVELS 0xffff800000000000ULL

/* State that changes in loops: in map memory, see exec_scratch.bpf.h. */
struct page_walk {
	__u64 base; /* page_offset_base */
	__u64 root; /* the table of the highest level, as the kernel addresses it */
	__u64 high; /* ENTRY_HIGH of each entry */
	__u64 slot; /* where the entry of the page lies that was found last... */
	__u64 entry;
	/* of a read */
	__u64 from;
	__u32 left;
	__u32 done;
	__u32 shift; /* of the highest level */
	__u32 pad;
};

/* Finds the entry of a page; false if it has none, or none that is to be followed. */
static __noinline bool find_page(struct page_walk *walk, __u64 address)
{
	__u64 table, slot, entry;
	__u32 shift;
	int level;

	if (!walk)
		return false;
	table = walk->root;
	shift = walk->shift;
	for (level = 0; level < 5; level++) {
		slot = table + ((address >> (shift & 63)) & 511) * sizeof(entry);
		if (bpf_probe_read_kernel(&entry, sizeof(entry), (void *)slot) || !(entry & ENTRY_PRESENT) ||
		    (entry & ENTRY_HIGH) != walk->high)
			return false;
		if (shift == 12) {
			walk->slot = slot;
			walk->entry = entry;
			return true;
		}
		if (shift < 39 && entry & ENTRY_LARGE)
			return false;
		table = walk->base + (entry & ENTRY_FRAME);
		shift -= 9;
	}
	return false;
}

/* Reads bytes of one page. */
static __always_inline bool read_in_page(struct page_walk *walk, __u8 *to, __u32 size, __u64 from)
{
	__u64 again;

	if (!find_page(walk, from) ||
	    bpf_probe_read_kernel(to, size,
				  (void *)(walk->base + (walk->entry & ENTRY_FRAME) + (from & (WALK_PAGE - 1)))) ||
	    bpf_probe_read_kernel(&again, sizeof(again), (void *)walk->slot))
		return false;
	return !((again ^ walk->entry) & (ENTRY_PRESENT | ENTRY_FRAME | ENTRY_HIGH));
}

struct walked_read {
	struct page_walk *walk;
	__u8 *to;
};

static int read_page(__u32 index, struct walked_read *read)
{
	struct page_walk *walk = read->walk;
	__u32 size = WALK_PAGE - (walk->from & (WALK_PAGE - 1));

	if (size > walk->left)
		size = walk->left;
	barrier_var(size);
	if (!size || size > WALK_PAGE)
		return 1;
	if (!read_in_page(walk, read->to + (walk->done & (MATCH_CHUNK - 1)), size, walk->from))
		return 1;
	walk->from += size;
	walk->done += size;
	walk->left -= size;
	return !walk->left;
}

/* Reads at most MATCH_CHUNK bytes; false if some could not be read. `to` must have room for a page more, as far as the
 * verifier sees. */
static __always_inline bool read_walked(struct page_walk *walk, __u8 *to, __u32 size, __u64 from)
{
	struct walked_read read = {.walk = walk, .to = to};

	walk->from = from;
	walk->left = size;
	walk->done = 0;
	loop(MATCH_CHUNK / WALK_PAGE + 1, read_page, &read);
	return !walk->left;
}

/* Makes ready for the memory `mm`, of which `address` is in use. */
static __always_inline bool begin_walk(struct page_walk *walk, const struct mm_struct *mm, __u64 address)
{
	__u64 entry;

	if (!page_offset_base_at || bpf_probe_read_kernel(&walk->base, sizeof(walk->base), (void *)page_offset_base_at))
		return false;
	walk->root = (__u64)BPF_CORE_READ(mm, pgd);
	walk->shift = walk->base >= LOWEST_OF_4_LEVELS ? 39 : 48;
	if (bpf_probe_read_kernel(&entry, sizeof(entry),
				  (void *)(walk->root + ((address >> walk->shift) & 511) * sizeof(entry))))
		return false;
	walk->high = entry & ENTRY_HIGH;
	return true;
}

/* Where the arguments end is written down nowhere yet: behind the last of `argc` strings. */
struct argument_area {
	__u64 begin;
	__u64 end;    /* 0: not found */
	__u64 second; /* the second argument, 0 if there is none */
	__u64 bound;  /* the strings lie below it */
	__u64 block;  /* that is being looked at */
	__u32 wanted; /* NULs */
	__u32 pad;
};

#define AREA_BLOCK 512
/* 6 MiB is the most that arguments can have; one for the rounding. */
#define AREA_BLOCKS ((6 << 20) / AREA_BLOCK + 1)

struct area_search {
	struct argument_area *area;
	struct page_walk *walk;
	__u8 *text;
};

static int area_word(__u32 index, struct area_search *search)
{
	struct argument_area *area = search->area;
	__u64 word = *(__u64 *)&search->text[(index & (AREA_BLOCK / 8 - 1)) * 8];
	__u64 at = area->block + index * 8;
	int i;

	/* Is a byte of it 0? May be wrong in saying yes. */
	if (!((word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL))
		return 0;
	for (i = 0; i < 8; i++, at++, word >>= 8) {
		if (word & 255 || at < area->begin)
			continue;
		if (!area->second)
			area->second = at + 1;
		area->wanted--;
		if (!area->wanted) {
			area->end = at + 1;
			return 1;
		}
	}
	return 0;
}

static int area_block(__u32 index, struct area_search *search)
{
	struct argument_area *area = search->area;

	if (area->block >= area->bound || !read_in_page(search->walk, search->text, AREA_BLOCK, area->block))
		return 1;
	loop(AREA_BLOCK / 8, area_word, search);
	area->block += AREA_BLOCK;
	return area->end != 0;
}

/* Finds the end of `argc` strings at `begin`, below `bound`. `text`: room for a block. */
static __always_inline bool find_arguments(struct argument_area *area, struct page_walk *walk, __u8 *text, __u64 begin,
					   __u64 bound, __u32 argc)
{
	struct area_search search = {.area = area, .walk = walk, .text = text};

	area->begin = begin;
	area->bound = bound;
	area->second = 0;
	area->wanted = argc;
	area->block = begin & ~(AREA_BLOCK - 1ULL);
	area->end = argc ? 0 : begin;
	if (argc)
		loop(AREA_BLOCKS, area_block, &search);
	if (!area->end || area->end > bound)
		return false;
	if (area->second >= area->end)
		area->second = 0;
	return true;
}

#endif
