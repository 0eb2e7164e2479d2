"""Processes with a pid of the test's choice."""
import contextlib
import ctypes
import errno
import os
import struct
import time

import pytest

SYS_CLONE3 = 435  # on every architecture
# The GIL stays with the caller: a child that had to ask for it could wait for ever.
_libc = ctypes.PyDLL(None, use_errno=True)


def _clone3(pid):
    """fork(2) with this pid for the child, in the caller's pid namespace; 0 in the child. Needs CAP_CHECKPOINT_RESTORE or
    CAP_SYS_ADMIN, and Linux 5.5."""
    wanted = ctypes.c_int(pid)
    # struct clone_args of linux/sched.h up to set_tid_size; the only field set beside these two is exit_signal.
    arguments = ctypes.create_string_buffer(struct.pack("10Q", 0, 0, 0, 0, 17, 0, 0, 0, ctypes.addressof(wanted), 1))
    return _libc.syscall(SYS_CLONE3, arguments, len(arguments.raw) - 1)


def run_as(pid, procs, program, argv):
    """Runs a program under this pid in the cgroup of `procs`, a path of cgroup.procs; its exit code, -9 if it was killed. Waits
    while another process has the pid."""
    deadline = time.monotonic() + 20
    while (child := _clone3(pid)) < 0:
        error = ctypes.get_errno()
        if error in (errno.EPERM, errno.ENOSYS):
            pytest.skip(f"clone3 with set_tid: {os.strerror(error)}")
        assert error == errno.EEXIST and time.monotonic() < deadline, os.strerror(error)
        time.sleep(0.01)
    if child == 0:
        with contextlib.suppress(BaseException):
            with open(procs, "w") as file:
                file.write("0")
            os.execv(program, argv)
        os._exit(1)
    assert child == pid
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def unused_pid():
    """One that no process has and that the kernel is not about to give away."""
    last = int(open("/proc/loadavg").read().split()[4])
    limit = int(open("/proc/sys/kernel/pid_max").read())
    return next(pid for pid in (300 + (last + limit // 2 + i - 300) % (limit - 300) for i in range(limit))
                if not os.path.exists(f"/proc/{pid}"))
