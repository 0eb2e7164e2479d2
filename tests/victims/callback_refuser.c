/*
 * Preloaded into a daemon: a kernel before 5.17, which refuses BPF programs that hold the address of a callback.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/syscall.h>

static int holds_callback(const union bpf_attr *load)
{
	const struct bpf_insn *instructions = (const struct bpf_insn *)(uintptr_t)load->insns;

	for (unsigned i = 0; i < load->insn_cnt; i++) {
		if (instructions[i].code == (BPF_LD | BPF_DW | BPF_IMM) && instructions[i].src_reg == BPF_PSEUDO_FUNC)
			return 1;
	}
	return 0;
}

/* libbpf calls bpf(2) through it. */
long syscall(long number, ...)
{
	static long (*real)(long, ...);
	va_list list;
	long given[6];

	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		given[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_bpf && given[0] == BPF_PROG_LOAD && holds_callback((const union bpf_attr *)given[1])) {
		errno = EINVAL;
		return -1;
	}
	return real(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}
