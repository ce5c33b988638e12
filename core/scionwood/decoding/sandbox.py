"""Forbid this process all but decoding: Landlock for files, seccomp for system calls, by ctypes."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


# Landlock: linux/landlock.h
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FOLDER_ONLY = _READ_DIR | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8  # list, remove, make a folder or file
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_NEWEST = (1 << 16) - 1
_SPECIAL = 0b1111111 << 6  # devices, sockets, links, FIFOs
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2

# seccomp: numbers of the calls on x86_64 and aarch64; -1 where a machine has no such call
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_SECCOMP, _IS_AVAILABLE, _REFUSE = (317, 277), 2, 0x50000
_CLONE, _CLONE3, _TGKILL = (56, 220), (435, 435), (234, 131)
_DENIED = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "execve": (59, 221), "execveat": (322, 281),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kill": (62, 129), "tkill": (200, 130), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424), "fork": (57, -1), "vfork": (58, -1), "setns": (308, 268),
    "unshare": (272, 97), "mount": (165, 40), "umount2": (166, 39), "bpf": (321, 280),
    "perf_event_open": (298, 241), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "io_uring_setup": (425, 425), "userfaultfd": (323, 282),
    "open_by_handle_at": (304, 265), "chmod": (90, -1), "fchmod": (91, 52), "fchmodat": (268, 53),
    "fchmodat2": (452, 452), "chown": (92, -1), "lchown": (94, -1), "fchown": (93, 55),
    "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "utime": (132, -1), "utimes": (235, -1), "futimesat": (261, -1), "utimensat": (280, 88),
    "syslog": (103, 116), "shmget": (29, 194), "mq_open": (240, 180), "personality": (135, 92),
    "setuid": (105, 146), "setgid": (106, 144), "chroot": (161, 51), "init_module": (175, 105),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
}  # fmt: skip
_WRITERS = {
    "chmod", "fchmod", "fchmodat", "fchmodat2", "utime", "utimes", "futimesat", "utimensat",
}  # fmt: skip


def landlock_version() -> int:
    """Return the version of Landlock that the kernel has; 0 where it has none."""
    try:
        return _system_call(_CREATE, None, ctypes.c_size_t(0), 1)
    except OSError:
        return 0


def restrict_files(read: Iterable[str | Path], write: Iterable[str | Path]) -> bool:
    """Let this process open nothing but what lies at or below the paths, for good.

    Args:
        read: files and folders to read.
        write: folders in which it may also make, change and remove files.

    Returns:
        False where the kernel has no Landlock; nothing is restricted then.

    Raises:
        OSError: the kernel refused.
    """
    version = landlock_version()
    if not version:
        return False
    rights = _RIGHTS.get(version, _NEWEST)
    sizes = {1: 8, 2: 8, 3: 8, 4: 16, 5: 16}
    rules = struct.pack("QQQ", rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    rules = rules[: sizes.get(version, 24)]
    handle = _system_call(_CREATE, rules, ctypes.c_size_t(len(rules)), 0)
    for path in read:
        _allow(handle, path, _READ_FILE | _READ_DIR)
    for path in write:
        _allow(handle, path, rights & ~1 & ~_SPECIAL | 1 << 7 | 1 << 8)
    _library().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _system_call(_RESTRICT, handle, 0)
    os.close(handle)
    return True


def _allow(rules: int, path: str | Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # it does not exist: there is nothing to allow
        return
    try:
        if not os.path.isdir(path):
            rights &= ~_FOLDER_ONLY
        rule = ctypes.create_string_buffer(struct.pack("<Qi", rights, handle))
        _system_call(_ADD, rules, 1, rule, 0)
    finally:
        os.close(handle)


@cache
def has_seccomp() -> bool:
    """Return whether the kernel filters system calls, and this machine's are known here."""
    if platform.machine() not in _MACHINES:
        return False
    which, _ = _MACHINES[platform.machine()]
    try:
        _system_call(_SECCOMP[which], _IS_AVAILABLE, 0, ctypes.byref(ctypes.c_uint32(_REFUSE)))
    except OSError:  # a kernel or a container without it
        return False
    return True


def restrict_calls(*, writing: bool) -> bool:
    """Deny this process sockets, programs, processes, tracing and signals to others, for good.

    Args:
        writing: permit it to set modes and times of files, for a child that rewrites.

    Returns:
        False where the machine's calls are not known; nothing is restricted then.

    Raises:
        OSError: the kernel refused.
    """
    if not has_seccomp():
        return False
    which, machine = _MACHINES[platform.machine()]
    denied = [
        numbers[which]
        for name, numbers in _DENIED.items()
        if numbers[which] >= 0 and not (writing and name in _WRITERS)
    ]
    lines = _program(which, machine, denied)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(lines), ctypes.addressof(code))
    )
    _library().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if _library().prctl(_SET_SECCOMP, _FILTER, program, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return True


_Line = tuple[int, int, int, int]


def _program(which: int, machine: int, denied: Collection[int]) -> list[_Line]:
    """Return the filter: (code, lines to skip if true, if false, operand) for each line."""
    load, skip_equal, skip_at_least, skip_bits, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse = (answer, 0, 0, 0x7FFF0000), (answer, 0, 0, _REFUSE | errno.EPERM)
    lines: list[_Line] = [
        (load, 0, 0, 4),
        (skip_equal, 1, 0, machine),
        (answer, 0, 0, 0x80000000),  # another machine's calls: the process ends
        (load, 0, 0, 0),
    ]
    if which == 0:
        lines += [(skip_at_least, 0, 1, 0x40000000), refuse]  # the x32 calls
    unknown = (answer, 0, 0, _REFUSE | errno.ENOSYS)
    lines += [(skip_equal, 0, 1, _CLONE3[which]), unknown]  # glibc falls back to clone
    threads = [(load, 0, 0, 16), (skip_bits, 1, 0, 0x10000), refuse, allow]
    lines += [(skip_equal, 0, 4, _CLONE[which]), *threads]
    own = [(load, 0, 0, 16), (skip_equal, 0, 1, os.getpid()), allow, refuse]
    lines += [(skip_equal, 0, 4, _TGKILL[which]), *own]
    for number in denied:
        lines += [(skip_equal, 0, 1, number), refuse]
    return [*lines, allow]


def _system_call(*arguments: object) -> int:
    result = int(_library().syscall(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
