/*
 * A victim whose first instructions are visible: without a libc and without a loader, it writes one byte to descriptor
 * 3 and exits with status 0. If that byte arrives, the program has run. With -DWORKS (the victim work_act) it counts
 * for some seconds in between.
 */
#ifdef WORKS
#define WORK(instructions) instructions
#else
#define WORK(instructions)
#endif

#if defined(__x86_64__)
__asm__(".globl _start\n"
	"_start:\n"
	"	mov $1, %eax\n" /* write */
	"	mov $3, %edi\n"
	"	lea byte(%rip), %rsi\n"
	"	mov $1, %edx\n"
	"	syscall\n" WORK("	mov $0x200000000, %rcx\n"
				"1:	dec %rcx\n"
				"	jnz 1b\n") "	mov $60, %eax\n" /* exit */
						   "	xor %edi, %edi\n"
						   "	syscall\n"
						   "byte:	.ascii \"x\"\n");
#elif defined(__i386__)
__asm__(".globl _start\n"
	"_start:\n"
	"	mov $4, %eax\n" /* write */
	"	mov $3, %ebx\n"
	"	mov $byte, %ecx\n"
	"	mov $1, %edx\n"
	"	int $0x80\n"
	"	mov $1, %eax\n" /* exit */
	"	xor %ebx, %ebx\n"
	"	int $0x80\n"
	"byte:	.ascii \"x\"\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n"
	"_start:\n"
	"	mov x0, #3\n"
	"	adr x1, byte\n"
	"	mov x2, #1\n"
	"	mov x8, #64\n" /* write */
	"	svc #0\n" WORK("	mov x1, #0x200000000\n"
			       "1:	subs x1, x1, #1\n"
			       "	b.ne 1b\n") "	mov x0, #0\n"
						    "	mov x8, #93\n" /* exit */
						    "	svc #0\n"
						    "byte:	.ascii \"x\"\n");
#else
#error "write the first act for this architecture"
#endif
