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
#include <xmmintrin.h>

#define DEFAULT 0x1f80u
#define FLUSHES 0x8040u
#define MODE(n) ((unsigned int)(n) << 13)

enum { NEAREST, DOWN, UP, ZERO };

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
static void random_modes(unsigned int flags, int operations)
{
	_mm_setcsr(DEFAULT | flags | MODE(next_random() >> 16 & 3));
	compute(operations);
}

static void step(const char *pattern, double elapsed)
{
	if (!strcmp(pattern, "up")) {
		_mm_setcsr(DEFAULT | MODE(UP));
		compute(1000);
	} else if (!strcmp(pattern, "up-down")) {
		_mm_setcsr(DEFAULT | MODE(UP));
		compute(1);
		_mm_setcsr(DEFAULT | MODE(DOWN));
		compute(1);
	} else if (!strcmp(pattern, "three")) {
		static int turn;

		_mm_setcsr(DEFAULT | MODE(DOWN + turn++ % 3));
		compute(10);
	} else if (!strncmp(pattern, "cycle", 5)) {
		_mm_setcsr(DEFAULT | MODE((int)(elapsed * 4) & 3) | (pattern[5] ? FLUSHES : 0));
		compute(1000);
	} else if (!strcmp(pattern, "flush")) {
		_mm_setcsr(DEFAULT | FLUSHES);
		compute(1000);
	} else if (!strcmp(pattern, "stale")) {
		if (elapsed < 0.2) {
			_mm_setcsr(DEFAULT | FLUSHES | MODE(UP));
			compute(1000);
		} else {
			_mm_setcsr(DEFAULT);
			__asm__ volatile("vzeroall" ::: "memory");
			for (volatile int i = 0; i < 1000; i++)
				;
		}
	} else if (!strcmp(pattern, "yield")) {
		_mm_setcsr(DEFAULT | MODE(UP));
		compute(1000);
		_mm_setcsr(DEFAULT | MODE(NEAREST));
		sched_yield();
	} else if (!strcmp(pattern, "toggle") || !strcmp(pattern, "plain")) {
		random_modes(0, 300);
	} else if (!strcmp(pattern, "imitation")) {
		random_modes(FLUSHES, 300);
	} else if (!strcmp(pattern, "v2")) {
		random_modes(FLUSHES, 16 * 300);
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
