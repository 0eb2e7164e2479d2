/*
 * randomx_miner [-t threads] [-i] [-f] [-d busy_ms:idle_ms] [-r repeats] seconds
 * -i interpreter; -f fast mode; -r: so many child
 * processes, one after the other, each hashing for so many seconds (a miner that restarts).
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "randomx.h"

int main(int count, char **arguments)
{
	struct hashing how = {.threads = 1};
	int option, repeats = 0, status = 0;

	while ((option = getopt(count, arguments, "t:ifd:r:")) != -1) {
		switch (option) {
		case 't':
			how.threads = atoi(optarg);
			break;
		case 'i':
			how.interpreter = 1;
			break;
		case 'f':
			how.fast = 1;
			break;
		case 'd':
			if (sscanf(optarg, "%d:%d", &how.busy_ms, &how.idle_ms) != 2)
				return 64;
			break;
		case 'r':
			repeats = atoi(optarg);
			break;
		default:
			return 64;
		}
	}
	if (optind + 1 != count)
		return 64;
	how.seconds = atof(arguments[optind]);
	if (!repeats)
		return hash_randomx(&how);
	/* The parent lives; it says how its children ended. */
	for (; repeats > 0; repeats--) {
		pid_t child = fork();

		if (child == 0)
			_exit(hash_randomx(&how));
		waitpid(child, &status, 0);
		if (WIFSIGNALED(status))
			break;
	}
	printf("child %s\n", WIFSIGNALED(status) ? "killed" : "lived");
	return 0;
}
