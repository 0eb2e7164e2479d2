"""The predecessor's recipe for command lines, after its description; see README.md. Usage: exec.py RULES.json, as root."""
import collections
import json
import os
import re
import shlex
import signal
import sys

import ahocorasick
from bcc import BPF

PROGRAM = r"""
#include <linux/sched.h>

#define TEXT 128
enum { ARGUMENT, RETURN };

struct piece {
	u32 pid, kind;
	s32 result;
	char comm[TASK_COMM_LEN];
	char text[TEXT];
};

BPF_RINGBUF_OUTPUT(pieces, 16);

static __always_inline void send_text(struct piece *piece, const char *text)
{
	bpf_probe_read_user_str(piece->text, sizeof(piece->text), text);
	pieces.ringbuf_output(piece, sizeof(*piece), 0);
}

int syscall__execve(struct pt_regs *ctx, const char __user *filename, const char __user *const __user *arguments,
		    const char __user *const __user *environment)
{
	struct piece piece = {.pid = bpf_get_current_pid_tgid() >> 32, .kind = ARGUMENT};
	const char *text = NULL;

	bpf_get_current_comm(&piece.comm, sizeof(piece.comm));
	send_text(&piece, filename);
#pragma unroll
	for (int i = 1; i < 128; i++) {
		if (bpf_probe_read_user(&text, sizeof(text), &arguments[i]) || !text)
			return 0;
		send_text(&piece, text);
	}
	return 0;
}

int returned(struct pt_regs *ctx)
{
	struct piece piece = {.pid = bpf_get_current_pid_tgid() >> 32, .kind = RETURN, .result = PT_REGS_RC(ctx)};

	bpf_get_current_comm(&piece.comm, sizeof(piece.comm));
	pieces.ringbuf_output(&piece, sizeof(piece), 0);
	return 0;
}
"""
RETURN = 1


def main():
    with open(sys.argv[1]) as file:
        banned = json.load(file)["bannedCommandStrings"]
    automaton = ahocorasick.Automaton()
    for word in banned:
        automaton.add_word(word.casefold(), word.casefold())
    automaton.make_automaton()
    arguments = collections.defaultdict(list)
    bpf = BPF(text=PROGRAM)

    def matches(line):
        for _, word in automaton.iter(line):
            if not re.search(rf"\w{re.escape(word)}|{re.escape(word)}\w", line):
                return True
        return False

    def piece(_context, data, _size):
        event = bpf["pieces"].event(data)
        if event.kind != RETURN:
            arguments[event.pid].append(event.text.decode())
            return
        if matches(shlex.join(arguments.pop(event.pid, [])).casefold()):
            try:
                os.kill(event.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    bpf["pieces"].open_ring_buffer(piece)
    execve = bpf.get_syscall_fnname("execve")
    bpf.attach_kprobe(event=execve, fn_name="syscall__execve")
    bpf.attach_kretprobe(event=execve, fn_name="returned")
    while True:
        bpf.ring_buffer_poll()


main()
