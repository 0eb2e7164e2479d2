/*
 * connect_loop [-c CGROUP_PROCS] N: N times socket(), connect() to a random even address of 127.0.0.0/8, and close();
 * prints the median nanoseconds of the three together. It answers itself: accept() and the other side's close() are not
 * in the figure.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void join(const char *procs)
{
	int fd = open(procs, O_WRONLY);

	if (fd < 0 || write(fd, "0", 1) != 1) {
		perror(procs);
		exit(66);
	}
	close(fd);
}

int main(int count, char **arguments)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	uint64_t random = 88172645463325252ULL;
	uint32_t *times;
	int listener, i, n;

	if (count > 2 && !strcmp(arguments[1], "-c")) {
		join(arguments[2]);
		arguments += 2;
		count -= 2;
	}
	n = count == 2 ? atoi(arguments[1]) : 0;
	if (n <= 0)
		return 64;
	times = malloc(sizeof(*times) * (size_t)n);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		return 66;
	for (i = 0; i < n; i++) {
		uint64_t begin, connected, closing;
		int fd, accepted;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		address.sin_addr.s_addr = htonl(0x7f000000U | ((uint32_t)random & 0x00fffffeU) | 0x100U);
		begin = now();
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
			perror("connect");
			return 66;
		}
		connected = now();
		accepted = accept(listener, NULL, NULL);
		closing = now();
		close(fd);
		times[i] = (uint32_t)(now() - closing + connected - begin);
		close(accepted);
	}
	qsort(times, (size_t)n, sizeof(*times), ascending);
	printf("%u\n", times[n / 2]);
	return 0;
}
