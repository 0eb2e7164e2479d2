/*
 * round_modes PATTERN SECONDS: a program that computes in directed rounding modes, in one of these ways:
 *
 *   up          upwards for ever
 *   up-down     upwards and downwards in turn, for each operation (interval arithmetic)
 *   three       upwards, downwards, to zero in turn
 *   cycle       all four modes, a quarter of a second each
 *   cycle-flush the same with flush-to-zero and denormals-are-zero
 *   flush       nearest, with flush-to-zero and denormals-are-zero (-ffast-math)
 *   stale       upwards once, then nearest, with the vector registers zeroed, for ever
 *   yield       upwards while it computes, nearest whenever it gives up the CPU
 *   toggle      all four modes at random, as fast as RandomX, without flush-to-zero and without its memory
 *   imitation   the same with flush-to-zero: like RandomX in all that can be seen
 *   v2          imitation with mode changes 16 times rarer
 *   plain       toggle with RandomX's memory: a RandomX that clears flush-to-zero
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NEAREST, DOWN, UP, ZERO };

#if defined(__x86_64__)
#include <xmmintrin.h>

static void set_mode(unsigned int mode, int flush)
{
	_mm_setcsr(0x1f80u | (flush ? 0x8040u : 0) | mode << 13); /* FTZ and DAZ */
}

static void zero_vectors(void)
{
	__asm__ volatile("vzeroall" ::: "memory");
}
#elif defined(__aarch64__)
/* FPCR counts nearest, up, down, zero; and has one bit that flushes both. */
static void set_mode(unsigned int mode, int flush)
{
	static const unsigned long modes[] = {[NEAREST] = 0, [UP] = 1, [DOWN] = 2, [ZERO] = 3};
	const unsigned long fpcr = modes[mode] << 22 | (flush ? 1UL << 24 : 0);

	__asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}

static void zero_vectors(void)
{
}
#else
#error "write these for this architecture"
#endif

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static volatile double sink = 1;

static void compute(int operations)
{
	while (operations--)
		sink = sink * 1.0000001 + 1e-9;
}

static unsigned int next_random(void)
{
	static unsigned int state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

/* RandomX draws a mode about once an iteration of its loop (a microsecond), and in 37 % of its programs never. */
static void random_modes(int flush, int operations)
{
	set_mode(next_random() >> 16 & 3, flush);
	compute(operations);
}

static void step(const char *pattern, double elapsed)
{
	if (!strcmp(pattern, "up")) {
		set_mode(UP, 0);
		compute(1000);
	} else if (!strcmp(pattern, "up-down")) {
		set_mode(UP, 0);
		compute(1);
		set_mode(DOWN, 0);
		compute(1);
	} else if (!strcmp(pattern, "three")) {
		static int turn;

		set_mode(DOWN + turn++ % 3, 0);
		compute(10);
	} else if (!strncmp(pattern, "cycle", 5)) {
		set_mode((unsigned int)(elapsed * 4) & 3, pattern[5] != 0);
		compute(1000);
	} else if (!strcmp(pattern, "flush")) {
		set_mode(NEAREST, 1);
		compute(1000);
	} else if (!strcmp(pattern, "stale")) {
		if (elapsed < 0.2) {
			set_mode(UP, 1);
			compute(1000);
		} else {
			set_mode(NEAREST, 0);
			zero_vectors();
			for (volatile int i = 0; i < 1000; i++)
				;
		}
	} else if (!strcmp(pattern, "yield")) {
		set_mode(UP, 0);
		compute(1000);
		set_mode(NEAREST, 0);
		sched_yield();
	} else if (!strcmp(pattern, "toggle") || !strcmp(pattern, "plain")) {
		random_modes(0, 300);
	} else if (!strcmp(pattern, "imitation")) {
		random_modes(1, 300);
	} else if (!strcmp(pattern, "v2")) {
		random_modes(1, 16 * 300);
	} else {
		exit(64);
	}
}

/* Through a volatile pointer, or the compiler leaves out what nobody reads. */
static void hold(size_t bytes)
{
	static char *volatile held;

	held = malloc(bytes);
	if (!held)
		exit(1);
	memset(held, 1, bytes);
}

int main(int count, char **arguments)
{
	const size_t memory = (size_t)256 << 20;
	double begin = now(), elapsed = 0;

	if (count != 3)
		return 64;
	if (!strcmp(arguments[1], "plain") || !strcmp(arguments[1], "imitation") || !strcmp(arguments[1], "v2"))
		hold(memory);
	begin = now();
	printf("hashing %.6f\n", begin);
	fflush(stdout);
	while ((elapsed = now() - begin) < atof(arguments[2]))
		step(arguments[1], elapsed);
	return 0;
}
