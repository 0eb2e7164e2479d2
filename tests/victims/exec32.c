/* A 32-bit program, without a libc, that executes the victim with the banned word by its own system call gate. */
static const char path[] = VICTIM;
static const char word[] = "cryptnono.banned.string1";

void _start(void)
{
	const char *arguments[] = {path, word, 0}, *environment[] = {0};
	int result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(11), "b"(path), "c"(arguments), "d"(environment) : "memory");
	__asm__ volatile("int $0x80" : : "a"(1), "b"(127));
}
