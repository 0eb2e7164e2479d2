/*
 * scan_act [-n COUNT] [-d DELAY_MS] [-p] [-q] [-f] [-s] [-o] [-a STEP] [-w WAIT_MS] ADDRESS PORT
 *
 * Connects to COUNT destinations, without waiting for more than 20 ms for any.
 *
 *   by default  ports from PORT on, one after the other; with -a 1 addresses from ADDRESS on instead, at PORT
 *   -p          all at once; then waits WAIT_MS
 *   -q          closes each at once
 *   -f          each in a child of its own, with -s in a session of its own
 *   -o          as -f, but goes on for COUNT milliseconds with the one destination
 *
 * Prints "done" at the end, and with -f how many children were killed and how many lived.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_storage base;
static socklen_t base_size;
static uint16_t first_port;
static uint32_t step;

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static int open_to(uint32_t index)
{
	struct sockaddr_storage peer = base;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&peer;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&peer;
	uint16_t port = htons((uint16_t)(first_port + (step ? 0 : index)));
	int fd = socket(peer.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (peer.ss_family == AF_INET) {
		v4->sin_port = port;
		v4->sin_addr.s_addr = htonl(ntohl(v4->sin_addr.s_addr) + step * index);
	} else {
		v6->sin6_port = port;
		v6->sin6_addr.s6_addr[15] = (uint8_t)(v6->sin6_addr.s6_addr[15] + step * index);
	}
	connect(fd, (struct sockaddr *)&peer, base_size);
	return fd;
}

static void wait_for(int fd, int milliseconds)
{
	struct pollfd waited = {.fd = fd, .events = POLLOUT};

	poll(&waited, 1, milliseconds);
}

static void pause_ms(long milliseconds)
{
	struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};

	nanosleep(&time, NULL);
}

int main(int count, char **arguments)
{
	int parallel = 0, quick = 0, forks = 0, sessions = 0, storm = 0, option, status, wait_ms = 0;
	long number = 1, delay = 0, i, killed = 0, lived = 0;
	uint64_t begin = now_ms();

	while ((option = getopt(count, arguments, "n:d:a:w:pqfso")) != -1) {
		switch (option) {
		case 'n':
			number = atol(optarg);
			break;
		case 'd':
			delay = atol(optarg);
			break;
		case 'a':
			step = (uint32_t)atol(optarg);
			break;
		case 'w':
			wait_ms = atoi(optarg);
			break;
		case 'p':
			parallel = 1;
			break;
		case 'q':
			quick = 1;
			break;
		case 'f':
			forks = 1;
			break;
		case 's':
			sessions = 1;
			break;
		case 'o':
			storm = forks = 1;
			break;
		default:
			return 64;
		}
	}
	if (count - optind != 2)
		return 64;
	first_port = (uint16_t)atoi(arguments[optind + 1]);
	base.ss_family = AF_INET;
	base_size = sizeof(struct sockaddr_in);
	if (inet_pton(AF_INET, arguments[optind], &((struct sockaddr_in *)&base)->sin_addr) != 1) {
		base.ss_family = AF_INET6;
		base_size = sizeof(struct sockaddr_in6);
		if (inet_pton(AF_INET6, arguments[optind], &((struct sockaddr_in6 *)&base)->sin6_addr) != 1)
			return 64;
	}
	alarm(120);
	for (i = 0; storm ? now_ms() - begin < (uint64_t)number : i < number; i++) {
		if (!forks) {
			int fd = open_to((uint32_t)i);

			if (!parallel) {
				wait_for(fd, quick ? 0 : 20);
				close(fd);
			}
		} else if (fork() == 0) {
			if (sessions)
				setsid();
			wait_for(open_to(storm ? 0 : (uint32_t)i), storm ? 0 : 20);
			_exit(0);
		} else {
			wait(&status);
			killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
			lived += WIFEXITED(status);
		}
		if (delay)
			pause_ms(delay);
	}
	if (wait_ms)
		pause_ms(wait_ms);
	if (forks)
		printf("killed %ld lived %ld\n", killed, lived);
	printf("done\n");
	return 0;
}
