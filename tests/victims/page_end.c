/*
 * page_end PROGRAM xWORD: executes PROGRAM with WORD lying at the very end of a mapping, the next page unmapped. The x
 * keeps this program's own command line from being the one that is found.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long page = sysconf(_SC_PAGESIZE);
	char *pages, *word, *arguments[3], *environment[] = {NULL};

	if (argc < 3)
		return 2;
	pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(pages + page, page);
	word = pages + page - strlen(argv[2] + 1) - 1;
	strcpy(word, argv[2] + 1);
	arguments[0] = argv[1];
	arguments[1] = word;
	arguments[2] = NULL;
	execve(argv[1], arguments, environment);
	return 127;
}
