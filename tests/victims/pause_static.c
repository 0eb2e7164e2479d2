/* A process that waits, and takes as little memory as a process can. */
#include <unistd.h>

int main(void)
{
	for (;;)
		pause();
}
