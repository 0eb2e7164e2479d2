/* A 32-bit program, without a libc, that executes its first argument with the banned word by its own system call gate.
 */
static const char word[] = "cryptnono.banned.string1";

__asm__(".globl _start\n"
	"_start:\n"
	"	mov %esp, %eax\n"
	"	push %eax\n"
	"	call start\n");

/* The stack as the kernel leaves it: the number of arguments, and they. */
void start(const char **stack)
{
	const char *path = stack[2];
	const char *arguments[] = {path, word, 0}, *environment[] = {0};
	int result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(11), "b"(path), "c"(arguments), "d"(environment) : "memory");
	__asm__ volatile("int $0x80" : : "a"(1), "b"(127));
}
