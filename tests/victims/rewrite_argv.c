/*
 * rewrite_argv ROOM WORD_ HOW: after half a second shows WORD1 as its command line: by writing to its argument memory
 * (HOW m), or by moving the bounds of it to other memory (HOW p: PR_SET_MM_ARG_START and _END, which need
 * CAP_SYS_RESOURCE). ROOM is as long as WORD1 at least; WORD_ ends in "_" where WORD1 ends in "1", so that the real
 * command line is innocent.
 */
#include <linux/prctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const size_t size = 256;
	/* Of a file's mapping, as the program's own data are, /proc/PID/cmdline shows nothing. */
	char *word = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t room;

	if (argc < 4 || word == MAP_FAILED)
		return 2;
	room = strlen(argv[1]);
	strncpy(word, argv[2], size - 1);
	word[strlen(word) - 1] = '1';
	usleep(500 * 1000);
	if (argv[3][0] == 'm') {
		memset(argv[1], ' ', room);
		memcpy(argv[1], word, strlen(word));
	} else if (prctl(PR_SET_MM, PR_SET_MM_ARG_START, word, 0, 0) ||
		   prctl(PR_SET_MM, PR_SET_MM_ARG_END, word + strlen(word) + 1, 0, 0)) {
		perror("PR_SET_MM");
		return 3;
	}
	sleep(30);
	return 0;
}
