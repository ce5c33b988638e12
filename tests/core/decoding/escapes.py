"""What code that has taken over a decoder would try. Each function is called in a child."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

ARM = platform.machine() == "aarch64"
LIBC = ctypes.CDLL(None, use_errno=True)
PROBES: dict[str, tuple[Callable[[Targets], object], frozenset[str]]] = {}


class Targets:
    """What a child should not reach: a process, a socket, a secret, and the file's own folder."""

    def __init__(self, path: Path, victim: int, address: str, secret: str) -> None:
        self.path, self.folder = path, path.parent
        self.victim, self.address, self.secret = victim, address, secret


def by(*walls: str) -> Callable[[Callable[[Targets], object]], Callable[[Targets], object]]:
    """Note an attempt, and the walls of which each alone stops it."""

    def note(function: Callable[[Targets], object]) -> Callable[[Targets], object]:
        PROBES[function.__name__] = function, frozenset(walls)
        return function

    return note


def attempt(path: Path, victim: int, address: str, secret: str) -> dict[str, str]:
    """Return for each attempt the name of the error that ended it, or `escaped`."""
    targets, out = Targets(path.absolute(), victim, address, secret), {}
    for name, (function, _) in PROBES.items():
        try:
            result = function(targets)
            out[name] = f"escaped: {result!r:.60}"
        except OSError as error:
            out[name] = errno.errorcode.get(error.errno or 0, str(error))
        except (ValueError, MemoryError) as error:  # what `resource` and `mmap` make of an errno
            out[name] = str(error)
    return out


def call(number: int | tuple[int, int], *arguments: object) -> int:
    if isinstance(number, tuple):
        number = number[ARM]
    return checked(LIBC.syscall(ctypes.c_long(number), *arguments))


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def forked(child: int) -> int:
    if child == 0:
        os._exit(0)
    return child


@by("seccomp", "namespaces")
def own_a_descriptor_as_another(to):
    left, right = socket.socketpair()
    with left, right:
        fcntl.fcntl(left, fcntl.F_SETOWN, to.victim)


@by("seccomp", "namespaces")
def read_the_memory_of_another(to):
    here = ctypes.create_string_buffer(8)
    part = (ctypes.c_size_t * 2)(ctypes.addressof(here), 8)
    checked(LIBC.process_vm_readv(to.victim, part, 1, part, 1, 0))


@by("seccomp")
def send_a_datagram(to):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"escaped", to.address)


@by("seccomp")
def send_a_datagram_from_a_pair(to):
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        left.sendto(b"escaped", to.address)


@by("seccomp")
def send_to_an_address(to):
    left, right = socket.socketpair()
    with left, right:
        left.sendto(b"escaped", to.address)


@by("seccomp")
def pass_a_descriptor_on(to):
    left, right = socket.socketpair()
    with left, right:
        socket.send_fds(left, [b"a"], [left.fileno()])


@by("seccomp")
def share_memory_by_key(to):
    key = checked(LIBC.shmget(0, ctypes.c_size_t(1 << 20), 0o1600))
    LIBC.shmctl(key, 0, None)


@by("seccomp")
def queue_messages(to):
    queue = checked(LIBC.msgget(0, 0o1600))
    LIBC.msgctl(queue, 0, None)


@by("seccomp")
def widen_a_pipe(to):
    ours, its = os.pipe()
    try:
        fcntl.fcntl(its, 1031, 1 << 20)
    finally:
        os.close(ours)
        os.close(its)


def mapped(protection: int, flags: int, size: int) -> None:
    LIBC.mmap.restype = ctypes.c_void_p
    place = LIBC.mmap(None, ctypes.c_size_t(size), protection, flags, -1, ctypes.c_long(0))
    if place == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "refused")
    LIBC.munmap(ctypes.c_void_p(place), ctypes.c_size_t(size))


CALLS: dict[str, tuple[str, Callable[[Targets], object]]] = {
    # Other processes: their limits, signals, memory and priority
    "limit_another": (
        "seccomp namespaces",
        lambda to: resource.prlimit(to.victim, resource.RLIMIT_CPU, (1, 1)),
    ),
    "raise_own_limits": (
        "seccomp",
        lambda to: resource.prlimit(
            0, resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        ),
    ),
    "set_own_limits": (
        "seccomp",
        lambda to: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)),
    ),
    "signal_another": ("seccomp namespaces", lambda to: os.kill(to.victim, signal.SIGTERM)),
    "signal_the_caller": (
        "seccomp namespaces",
        lambda to: os.kill(os.getppid() or 0x7FFFFFF0, signal.SIGCONT),
    ),
    "signal_a_group": ("seccomp", lambda to: os.kill(0, signal.SIGCONT)),
    "signal_a_thread": (
        "seccomp namespaces",
        lambda to: call((234, 131), to.victim, to.victim, 18),
    ),
    "signal_a_thread_by_its_number": (
        "seccomp namespaces",
        lambda to: call((200, 130), to.victim, 18),
    ),
    "queue_a_signal": (
        "seccomp namespaces",
        lambda to: call((129, 138), to.victim, 18, ctypes.create_string_buffer(128)),
    ),
    "hold_another": ("seccomp namespaces", lambda to: os.pidfd_open(to.victim)),
    "trace_another": (
        "seccomp namespaces",
        lambda to: checked(LIBC.ptrace(16, to.victim, None, None)),
    ),
    "read_the_environment_of_another": (
        "landlock namespaces",
        lambda to: Path(f"/proc/{to.victim}/environ").read_bytes(),
    ),
    "slow_another": (
        "seccomp namespaces",
        lambda to: os.setpriority(os.PRIO_PROCESS, to.victim, 19),
    ),
    "slow_itself": ("seccomp", lambda to: os.setpriority(os.PRIO_PROCESS, 0, 5)),
    "pin_another": ("seccomp namespaces", lambda to: os.sched_setaffinity(to.victim, {0})),
    "reschedule_another": (
        "seccomp namespaces",
        lambda to: os.sched_setscheduler(to.victim, os.SCHED_IDLE, os.sched_param(0)),
    ),
    "delay_the_disk_of_another": (
        "seccomp namespaces",
        lambda to: call((251, 30), 1, to.victim, 3 << 13),
    ),
    "follow_the_death_of_its_parent": ("seccomp", lambda to: checked(LIBC.prctl(1, 18, 0, 0, 0))),
    "lead_a_session": ("seccomp", lambda to: checked(LIBC.setpgid(0, 0))),
    # Programs, processes and privileges
    "fork": ("seccomp", lambda to: forked(checked(LIBC.fork()))),
    "clone": ("seccomp", lambda to: forked(call((56, 220), 17, None, None, None, None))),
    "clone_by_the_new_call": ("seccomp", lambda to: call(435, ctypes.create_string_buffer(88), 88)),
    "clone_a_namespace": (
        "seccomp",
        lambda to: forked(call((56, 220), 0x10000000 | 17, None, None, None, None)),
    ),
    "run_a_program": ("seccomp", lambda to: os.execv("/proc/self/nothing", ["nothing"])),
    "run_a_program_by_descriptor": (
        "seccomp",
        lambda to: call((322, 281), -1, b"", None, None, 0x1000),
    ),
    "enter_a_namespace": ("seccomp", lambda to: checked(LIBC.unshare(0x10000000))),
    "change_the_root": ("seccomp", lambda to: os.chroot("/")),
    "mount": ("seccomp", lambda to: checked(LIBC.mount(b"none", b"/", None, 1 << 18, None))),
    "become_another_user": (
        "seccomp",
        lambda to: os.setresuid(os.getuid(), os.getuid(), os.getuid()),
    ),
    "change_the_personality": ("seccomp", lambda to: checked(LIBC.personality(0x0040000))),
    "load_a_filter_of_its_own": (
        "seccomp",
        lambda to: checked(LIBC.prctl(22, 2, ctypes.create_string_buffer(16), 0, 0)),
    ),
    "load_a_program_into_the_kernel": (
        "seccomp",
        lambda to: call((321, 280), 0, ctypes.create_string_buffer(128), 128),
    ),
    "count_events": (
        "seccomp",
        lambda to: call((298, 241), ctypes.create_string_buffer(128), 0, -1, -1, 0),
    ),
    "handle_its_own_faults": ("seccomp", lambda to: call((323, 282), 0)),
    "ask_by_a_ring": ("seccomp", lambda to: call(425, 8, ctypes.create_string_buffer(120))),
    "keep_a_key": ("seccomp", lambda to: call((248, 217), b"user", b"a", b"b", 1, -2)),
    "call_by_other_numbers": ("seccomp", lambda to: call(9999 if ARM else 0x40000000 | 39)),
    # The network
    "open_a_connection": ("seccomp", lambda to: socket.socket(socket.AF_INET).close()),
    "listen_to_the_kernel": (
        "seccomp",
        lambda to: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    ),
    # Memory that is not counted
    "make_a_memory_file": ("seccomp", lambda to: os.close(os.memfd_create("escaped"))),
    "share_memory": ("seccomp", lambda to: mmap.mmap(-1, 1 << 20).close()),
    "grow_a_stack": ("seccomp", lambda to: mapped(3, 0x122, 1 << 33)),
    "fill_the_heap": ("seccomp", lambda to: mapped(3, 0x22, 1 << 33)),
    # Files
    "read_another_file": ("landlock", lambda to: Path(to.secret).read_bytes()),
    "list_another_folder": ("landlock", lambda to: os.listdir("/etc")),
    "write_into_its_file": ("seccomp landlock", lambda to: to.path.open("ab").close()),
    "make_a_file": ("seccomp landlock", lambda to: (to.folder / "escaped").write_bytes(b"")),
    "make_a_file_without_a_name": (
        "seccomp landlock",
        lambda to: os.close(os.open("/tmp", os.O_RDWR | os.O_TMPFILE)),
    ),
    "open_by_the_new_call": (
        "seccomp",
        lambda to: call(437, -100, os.fsencode(to.path), ctypes.create_string_buffer(24), 24),
    ),
    "open_by_a_handle": (
        "seccomp",
        lambda to: call((304, 265), -100, ctypes.create_string_buffer(136), 0),
    ),
    "make_a_folder": ("seccomp landlock", lambda to: (to.folder / "escaped-folder").mkdir()),
    "rename_its_file": ("seccomp landlock", lambda to: to.path.rename(to.path)),
    "remove_a_file": ("seccomp landlock", lambda to: (to.folder / "victim").unlink()),
    "link_a_file": (
        "seccomp landlock",
        lambda to: (to.folder / "escaped-link").symlink_to("victim"),
    ),
    "cut_its_file": ("seccomp landlock", lambda to: os.truncate(to.path, to.path.stat().st_size)),
    "permit_others": ("seccomp", lambda to: to.path.chmod(0o666)),
    "date_a_file_back": ("seccomp", lambda to: os.utime(to.path, (1, 1))),
    "give_a_file_away": ("seccomp", lambda to: os.chown(to.path, os.getuid(), os.getgid())),
    "mark_a_file": ("seccomp", lambda to: os.setxattr(to.path, "user.escaped", b"1")),
    "watch_files": ("seccomp", lambda to: os.close(checked(LIBC.inotify_init1(0)))),
    "type_into_the_terminal": ("seccomp", lambda to: fcntl.ioctl(2, 0x5412, b"x")),
}
"""Attempts of one call, with the walls of which each alone stops it."""
PROBES |= {name: (call, frozenset(walls.split())) for name, (walls, call) in CALLS.items()}


# What ends a child, or lets its caller wait: called one at a time


def _descriptor() -> int:
    """Return the descriptor that leads to the parent: the one socket."""
    for number in range(256):
        name, size = ctypes.create_string_buffer(128), ctypes.c_int(128)
        if LIBC.getpeername(number, name, ctypes.byref(size)) == 0:
            return number
    raise AssertionError("there is no socket")


def trickle(path: Path) -> None:
    """Send a message of 32 MiB, a byte each twentieth of a second."""
    number = _descriptor()
    os.write(number, struct.pack("<QQIQQ", 1 << 25, 0, 0, 0, 0))
    while True:
        os.write(number, b" ")
        time.sleep(0.05)


def close_in_silence(path: Path) -> None:
    """Close the connection and live on."""
    number = _descriptor()
    os.close(number)
    time.sleep(600)


def burn(path: Path) -> None:
    """Use CPU, deaf to the signal that ends it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXCPU})
    while True:
        pass


def forge(path: Path, message: list[object]) -> None:
    """Answer in place of the decoder."""
    from scionwood_sandbox.decoding.wire import Link, send

    link = Link(socket.socket(fileno=_descriptor()))
    send(link, message, inline=True)
    time.sleep(600)


def call_as_a_machine_of_32_bits(path: Path) -> None:
    """Run `int 0x80`, whose numbers are others."""
    code = bytes.fromhex("b814000000cd80c3")  # getpid
    LIBC.mmap.restype = ctypes.c_void_p
    place = LIBC.mmap(None, ctypes.c_size_t(4096), 7, 0x22, -1, ctypes.c_long(0))
    ctypes.memmove(place, code, len(code))
    ctypes.CFUNCTYPE(ctypes.c_int)(place)()


def mapped_text(path: Path) -> str:
    """Return what a decoder should: the text of its file."""
    return path.read_text("utf-8") + sys.byteorder[:0]
