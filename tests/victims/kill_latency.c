/*
 * Executes one command line many times, one after the other, and prints for each how long it took to die.
 *
 *   kill_latency [-n RUNS] [-l LIMIT_MS] [-c CGROUP.PROCS] [-k] PROGRAM [ARGV...]
 *
 * Joins the cgroup first, if one is given. The first byte of every argument is dropped, so that this program's own
 * command line is innocent where PROGRAM's is not. Descriptor 3 of PROGRAM is a pipe: a byte in it means that PROGRAM
 * ran (see work_act.c). Who lives after the limit is ended by SIGTERM. -k: the first kill is the last run.
 *
 * A line for each: seconds at the call of execve (CLOCK_MONOTONIC), microseconds from there until the parent knows of
 * the death, how it ended (killed: SIGKILL; ended: by itself; lived: after the limit), and whether it ran (0 or 1).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* Of the one child. */
static int lives_after(const sigset_t *child_ended, long limit_ms)
{
	const struct timespec limit = {.tv_sec = limit_ms / 1000, .tv_nsec = limit_ms % 1000 * 1000000};
	int result;

	do
		result = sigtimedwait(child_ended, NULL, &limit);
	while (result < 0 && errno == EINTR);
	return result < 0;
}

static int run(char **argv, long limit_ms, const sigset_t *child_ended)
{
	static char *environment[] = {NULL};
	volatile double begin = 0; /* written by the child, which shares memory until it executes */
	const char *ending;
	double took;
	int ends[2], status, lives;
	ssize_t acts;
	char bytes[16];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		die("pipe");
	pid = vfork();
	if (pid == 0) {
		dup2(ends[1], 3);
		begin = now();
		execve(argv[0], argv + 1, environment);
		_exit(127);
	}
	if (pid < 0)
		die("vfork");
	lives = lives_after(child_ended, limit_ms);
	took = now() - begin;
	if (lives)
		kill(pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (lives) { /* that of the SIGTERM */
		const struct timespec none = {0};

		sigtimedwait(child_ended, NULL, &none);
	}
	acts = read(ends[0], bytes, sizeof(bytes));
	close(ends[0]);
	close(ends[1]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		die(argv[0]);
	ending = lives ? "lived" : WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? "killed" : "ended";
	printf("%.6f %.1f %s %d\n", begin, took * 1e6, ending, acts > 0);
	fflush(stdout);
	return ending[0] == 'k';
}

int main(int argc, char **argv)
{
	long runs = 1, limit_ms = 5000;
	int option, until_kill = 0;
	sigset_t child_ended;

	while ((option = getopt(argc, argv, "+n:l:c:k")) != -1) {
		switch (option) {
		case 'n':
			runs = atol(optarg);
			break;
		case 'l':
			limit_ms = atol(optarg);
			break;
		case 'k':
			until_kill = 1;
			break;
		case 'c': {
			int fd = open(optarg, O_WRONLY | O_CLOEXEC);

			if (fd < 0 || write(fd, "0", 1) != 1)
				die(optarg);
			close(fd);
			break;
		}
		default:
			return 2;
		}
	}
	if (optind >= argc)
		return 2;
	for (int i = optind + 1; i < argc; i++)
		argv[i]++;
	sigemptyset(&child_ended);
	sigaddset(&child_ended, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child_ended, NULL);
	while (runs--)
		if (run(&argv[optind], limit_ms, &child_ended) && until_kill)
			break;
	return 0;
}
