"""Objects of the kernel that are pinned, read and written without the program that pinned them. And a binary that is not this one."""
import ctypes
import os
import platform
import re
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
CREATE, LOOKUP, UPDATE, PIN, GET = 0, 1, 2, 6, 7
ARRAY = 2
# struct pin_about of bpf/api/pins.h, its beginning: magic, records, sizes of records, owner, epoch, died_ns
ABOUT = struct.Struct("=QIIIIQQ")


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    result = LIBC.syscall(BPF, command, buffer, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def opened(path):
    text = ctypes.create_string_buffer(os.fsencode(path))
    return bpf(GET, struct.pack("=QII", ctypes.addressof(text), 0, 0))


def array(path, value_bytes):
    """Pins a map of one element there."""
    fd = bpf(CREATE, struct.pack("=IIII", ARRAY, 4, value_bytes, 1))
    text = ctypes.create_string_buffer(os.fsencode(path))
    bpf(PIN, struct.pack("=QII", ctypes.addressof(text), fd, 0))
    os.close(fd)


def element(path, value=None, size=112):
    """Element 0 of the map that is pinned there; or sets its first bytes."""
    fd = opened(path)
    key, buffer = ctypes.create_string_buffer(4), ctypes.create_string_buffer(size)
    attributes = struct.pack("=IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(buffer), 0)
    try:
        bpf(LOOKUP, attributes)
        if value is not None:
            buffer[:len(value)] = value
            bpf(UPDATE, attributes)
        return buffer.raw
    finally:
        os.close(fd)


def epochs(directory):
    """The daemons that have something there."""
    return sorted(path for path in directory.glob("*") if path.name != "active") if directory.exists() else []


def links(directory):
    return sorted(path.name for epoch in epochs(directory) for path in epoch.glob("link-*"))


def other_binary(binary, version, path):
    """A copy that says it is another version; and how to run it in the place of the first (`through` of the fixture)."""
    other = version[:-1] + ("8" if version[-1] == "9" else "9")
    image = binary.read_bytes()
    # Not the end of the name of a library's version.
    image, times = re.subn(rb"(?<![_.0-9])" + re.escape(version.encode()) + rb"\0", other.encode() + b"\0", image)
    assert times
    path.write_bytes(image)
    path.chmod(0o755)
    return other, ["sh", "-c", 'other=$0; shift; exec "$other" "$@"', str(path)]
