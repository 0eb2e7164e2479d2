/*
 * Executes one command line many times, as fast as one or more workers can, and counts how it ended.
 *
 *   exec_storm [-n RUNS] [-w WORKERS] [-c CGROUP.PROCS] [-m] [-x] [-f] PROGRAM [ARGV...]
 *
 * Joins the cgroup first, if one is given. Descriptor 3 of PROGRAM is a pipe: a byte in it means that PROGRAM ran (see
 * first_act.c). -m executes a memfd copy of PROGRAM by execveat. A "%d" in an argument becomes the run's number.
 * -x drops the first byte of every argument, so that this program's own command line is innocent where PROGRAM's is
 * not. Prints one line of JSON: spawned, killed (SIGKILL), exited (status 0), other, acts (bytes), seconds, us_p50,
 * us_p99.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct result {
	long spawned, killed, exited, other, acts;
};

static int memfd = -1;
static int use_fork; /* -f: as a shell does; else vfork, which is faster */

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int copy_to_memfd(const char *path)
{
	struct stat status;
	int in = open(path, O_RDONLY | O_CLOEXEC), out = memfd_create("victim", MFD_CLOEXEC);

	if (in < 0 || out < 0 || fstat(in, &status) || sendfile(out, in, NULL, status.st_size) != status.st_size)
		die(path);
	close(in);
	return out;
}

static void worker(struct result *result, float *times, long first, long runs, char **argv)
{
	char numbered[8][256], *arguments[256], *environment[] = {NULL};
	int ends[2], i, slots = 0, status;
	long run, n;
	char bytes[4096];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		die("pipe");
	for (run = first; run < first + runs; run++) {
		double begin;
		pid_t pid;

		for (i = 0, slots = 0; argv[i] && i < 255; i++) {
			arguments[i] = argv[i];
			if (strstr(argv[i], "%d") && slots < 8) {
				snprintf(numbered[slots], sizeof(numbered[0]), argv[i], (int)run);
				arguments[i] = numbered[slots++];
			}
		}
		arguments[i] = NULL;
		begin = now_us();
		pid = use_fork ? fork() : vfork();
		if (pid == 0) {
			dup2(ends[1], 3);
			if (memfd >= 0)
				syscall(SYS_execveat, memfd, "", arguments, environment, AT_EMPTY_PATH);
			else
				execve(argv[-1], arguments, environment);
			_exit(127);
		}
		if (pid < 0)
			die("vfork");
		result->spawned++;
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		times[run] = now_us() - begin;
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			result->killed++;
		else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			result->exited++;
		else
			result->other++;
		while ((n = read(ends[0], bytes, sizeof(bytes))) > 0)
			result->acts += n;
	}
}

static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	long runs = 1, workers = 1, i;
	const char *procs = NULL;
	struct result *results, sum = {0};
	float *times;
	double begin;
	int option, copy = 0, strip = 0;

	while ((option = getopt(argc, argv, "+n:w:c:mxf")) != -1) {
		switch (option) {
		case 'n':
			runs = atol(optarg);
			break;
		case 'w':
			workers = atol(optarg);
			break;
		case 'c':
			procs = optarg;
			break;
		case 'm':
			copy = 1;
			break;
		case 'f':
			use_fork = 1;
			break;
		case 'x':
			strip = 1;
			break;
		default:
			return 2;
		}
	}
	if (optind >= argc || runs < 1 || workers < 1 || workers > 64) {
		fprintf(stderr,
			"usage: exec_storm [-n RUNS] [-w WORKERS] [-c CGROUP.PROCS] [-m] [-x] PROGRAM [ARGV...]\n");
		return 2;
	}
	for (i = optind + 1; strip && i < argc; i++)
		argv[i]++;
	if (copy)
		memfd = copy_to_memfd(argv[optind]);
	if (procs) {
		int fd = open(procs, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, "0", 1) != 1)
			die(procs);
		close(fd);
	}
	results = mmap(NULL, sizeof(*results) * workers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	times = mmap(NULL, sizeof(*times) * (runs + workers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	begin = now_us();
	for (i = 0; i < workers; i++) {
		long first = runs * i / workers, count = runs * (i + 1) / workers - first;

		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			worker(&results[i], times, first, count, &argv[optind + 1]);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	for (i = 0; i < workers; i++) {
		sum.spawned += results[i].spawned;
		sum.killed += results[i].killed;
		sum.exited += results[i].exited;
		sum.other += results[i].other;
		sum.acts += results[i].acts;
	}
	begin = now_us() - begin;
	qsort(times, runs, sizeof(*times), by_size);
	printf("{\"spawned\": %ld, \"killed\": %ld, \"exited\": %ld, \"other\": %ld, \"acts\": %ld, \"seconds\": %.3f, "
	       "\"us_p50\": %.1f, \"us_p99\": %.1f}\n",
	       sum.spawned, sum.killed, sum.exited, sum.other, sum.acts, begin / 1e6, times[runs / 2],
	       times[runs * 99 / 100]);
	return sum.spawned == runs ? 0 : 1;
}
