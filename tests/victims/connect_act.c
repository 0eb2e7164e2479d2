/*
 * connect_act HOW ADDRESS PORT: one connect, or one datagram, in one of the ways that there are. Prints what the call
 * returned, after it returned: a process that is killed in the call prints nothing. Exit status 77: this way is not to
 * be had here, and why is printed. It ends itself after ten seconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static struct sockaddr_storage peer;
static socklen_t peer_size;

static void returned(long result)
{
	if (result < 0)
		printf("returned -1 %s\n", strerrorname_np(errno));
	else
		printf("returned 0\n");
	fflush(stdout);
}

static _Noreturn void unavailable(const char *what)
{
	printf("skip: %s: %s\n", what, strerror(errno));
	exit(77);
}

/* Returns a socket of the peer's family. */
static int open_socket(int type, int protocol)
{
	int fd = socket(peer.ss_family, type, protocol);

	if (fd < 0)
		unavailable("socket");
	return fd;
}

static void use_address(const char *text, uint16_t port, int mapped)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&peer;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&peer;
	char buffer[64];

	if (mapped) {
		snprintf(buffer, sizeof(buffer), "::ffff:%s", text);
		text = buffer;
	}
	if (strchr(text, ':')) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		peer_size = sizeof(*v6);
		if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
			exit(64);
	} else {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		peer_size = sizeof(*v4);
		if (inet_pton(AF_INET, text, &v4->sin_addr) != 1)
			exit(64);
	}
}

static void plain(int type, int protocol)
{
	returned(connect(open_socket(type, protocol), (struct sockaddr *)&peer, peer_size));
}

static void nonblocking(void)
{
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK, 0);

	connect(fd, (struct sockaddr *)&peer, peer_size);
	_exit(0); /* at once: nobody is left whom a later signal would reach */
}

static void fast_open(void)
{
	returned(sendto(open_socket(SOCK_STREAM, 0), "x", 1, MSG_FASTOPEN, (struct sockaddr *)&peer, peer_size));
}

static void fast_open_connect(void)
{
	int fd = open_socket(SOCK_STREAM, 0), one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)))
		unavailable("TCP_FASTOPEN_CONNECT");
	if (connect(fd, (struct sockaddr *)&peer, peer_size))
		returned(-1);
	else
		returned(write(fd, "x", 1));
}

static void bound(void)
{
	struct sockaddr_storage any = {.ss_family = peer.ss_family};
	int fd = open_socket(SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&any, peer_size))
		exit(66);
	returned(connect(fd, (struct sockaddr *)&peer, peer_size));
}

static void *connect_in_thread(void *unused)
{
	plain(SOCK_STREAM, 0);
	return unused;
}

static void in_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, connect_in_thread, NULL);
	pthread_join(thread, NULL);
}

static void datagram(void)
{
	returned(sendto(open_socket(SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr *)&peer, peer_size));
}

static void connected_datagram(void)
{
	int fd = open_socket(SOCK_DGRAM, 0);

	if (connect(fd, (struct sockaddr *)&peer, peer_size))
		returned(-1);
	else
		returned(send(fd, "x", 1, 0));
}

/* By hand, as liburing would: one entry, submitted and waited for. */
static void uring(uint8_t flags)
{
	struct io_uring_params parameters = {0};
	int ring = (int)syscall(SYS_io_uring_setup, 1, &parameters), fd = open_socket(SOCK_STREAM, 0);
	struct io_uring_sqe *entries;
	struct io_uring_cqe *done;
	char *submission, *completion;
	uint32_t *array, *tail;

	if (ring < 0)
		unavailable("io_uring_setup");
	submission =
		mmap(NULL, parameters.sq_off.array + 4, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	completion = mmap(NULL, parameters.cq_off.cqes + sizeof(*done) * parameters.cq_entries, PROT_READ | PROT_WRITE,
			  MAP_SHARED, ring, IORING_OFF_CQ_RING);
	entries = mmap(NULL, sizeof(*entries), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	if (submission == MAP_FAILED || completion == MAP_FAILED || entries == MAP_FAILED)
		exit(66);
	memset(entries, 0, sizeof(*entries));
	entries->opcode = IORING_OP_CONNECT;
	entries->flags = flags;
	entries->fd = fd;
	entries->addr = (uint64_t)(uintptr_t)&peer;
	entries->off = peer_size;
	array = (uint32_t *)(submission + parameters.sq_off.array);
	tail = (uint32_t *)(submission + parameters.sq_off.tail);
	array[0] = 0;
	__atomic_store_n(tail, 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		exit(66);
	done = (struct io_uring_cqe *)(completion + parameters.cq_off.cqes);
	errno = -done->res;
	returned(done->res);
}

int main(int count, char **arguments)
{
	const char *how = count == 4 ? arguments[1] : "";

	if (count != 4)
		return 64;
	alarm(10);
	use_address(arguments[2], (uint16_t)atoi(arguments[3]), strstr(how, "mapped") != NULL);
	if (!strcmp(how, "connect") || !strcmp(how, "mapped"))
		plain(SOCK_STREAM, 0);
	else if (!strcmp(how, "mptcp"))
		plain(SOCK_STREAM, IPPROTO_MPTCP);
	else if (!strcmp(how, "nonblock"))
		nonblocking();
	else if (!strcmp(how, "fastopen") || !strcmp(how, "fastopen-mapped"))
		fast_open();
	else if (!strcmp(how, "fastopen-connect"))
		fast_open_connect();
	else if (!strcmp(how, "bind"))
		bound();
	else if (!strcmp(how, "thread"))
		in_thread();
	else if (!strcmp(how, "udp"))
		connected_datagram();
	else if (!strcmp(how, "sendto") || !strcmp(how, "sendto-mapped"))
		datagram();
	else if (!strcmp(how, "uring"))
		uring(0);
	else if (!strcmp(how, "uring-async"))
		uring(IOSQE_ASYNC);
	else
		return 64;
	return 0;
}
