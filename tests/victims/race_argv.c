/*
 * race_argv CGROUP.PROCS TELL_ARGV xWORD RUNS: executes TELL_ARGV with an argument whose first byte, and whose pointer,
 * another thread flips between WORD and an innocent one all the time. Prints: killed, lived, and lived with WORD.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char word[256], innocent[256];
static char *volatile arguments[3];
static volatile int stop;

static void *flip(void *unused)
{
	(void)unused;
	while (!stop) {
		word[0] = 'x';
		arguments[1] = innocent;
		word[0] = 'c';
		arguments[1] = word;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int killed = 0, lived = 0, banned_lived = 0, status, i, fd;
	char *environment[] = {NULL};
	pthread_t thread;

	if (argc < 5 || (fd = open(argv[1], O_WRONLY | O_CLOEXEC)) < 0 || write(fd, "0", 1) != 1)
		return 2;
	strncpy(word, argv[3] + 1, sizeof(word) - 1);
	strcpy(innocent, word);
	innocent[0] = 'x';
	arguments[0] = argv[2];
	arguments[1] = word;
	if (pthread_create(&thread, NULL, flip, NULL))
		return 2;
	for (i = 0; i < atoi(argv[4]); i++) {
		pid_t pid = vfork(); /* shares the memory that the thread writes */

		if (pid == 0) {
			execve(argv[2], (char **)arguments, environment);
			_exit(127);
		}
		waitpid(pid, &status, 0);
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			killed++;
		else if (WIFEXITED(status) && WEXITSTATUS(status) == 42)
			banned_lived++;
		else
			lived++;
	}
	stop = 1;
	pthread_join(thread, NULL);
	printf("%d %d %d\n", killed, lived, banned_lived);
	return 0;
}
