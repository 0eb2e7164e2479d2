/* ping_pong N: two processes on CPU 0 hand a byte to and fro N times; prints the nanoseconds of a context switch. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(int count, char **arguments)
{
	long rounds = count == 2 ? atol(arguments[1]) : 0, i;
	int there[2], back[2];
	cpu_set_t set;
	char byte = 0;
	double begin;

	if (rounds <= 0 || pipe(there) || pipe(back))
		return 64;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	if (fork() == 0) {
		for (i = 0; i < rounds; i++)
			if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	begin = now();
	for (i = 0; i < rounds; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			return 1;
	printf("%.1f\n", (now() - begin) / (double)(2 * rounds) * 1e9);
	wait(NULL);
	return 0;
}
