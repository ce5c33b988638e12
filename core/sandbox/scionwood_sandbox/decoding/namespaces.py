"""Take a process and its children out of sight of others: namespaces, and no privileges."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from pathlib import Path
from typing import NoReturn

from scionwood_sandbox.decoding.kernel import checked, library, prctl

_USER, _OTHERS = 0x10000000, 0x20000000 | 0x40000000 | 0x08000000  # processes, network, IPC
_MOUNTS, _SLAVE_OF_ALL, _NO_PROGRAMS = 0x20000, 1 << 14 | 1 << 19, 2 | 4 | 8
_DEATH_SIGNAL, _NO_NEW_PRIVILEGES, _CAPABILITIES = 1, 38, 0x20080522
_READ_ALL = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: what root reads files by


def enter() -> bool:
    """Let the children that this process forks from now on be in namespaces of their own.

    They name no process but each other, and have no network. A user who is not root needs a user
    namespace for that. Root gets none, in which it could no longer read the files of others.
    """
    trial = os.fork()
    if not trial:
        os._exit(not _entered())
    return not os.waitpid(trial, 0)[1] and _entered()


def see_own_processes() -> None:
    """Let this process have a `/proc` of its own namespace.

    Each process does it for itself: what its user has mounted until now it sees too.
    """
    checked(library().unshare(_MOUNTS))
    checked(library().mount(b"none", b"/", None, _SLAVE_OF_ALL, None))
    checked(library().mount(b"proc", b"/proc", b"proc", _NO_PROGRAMS, None))


def _entered() -> bool:
    user, group = os.geteuid(), os.getegid()
    try:
        checked(library().unshare(_OTHERS | (_USER if user else 0)))
        if user:
            Path("/proc/self/setgroups").write_text("deny", "ascii")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1", "ascii")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1", "ascii")
        read_end, its = os.pipe()
        first = os.fork()
        if not first:
            _stay(its)
        os.close(its)
        with open(read_end, "rb") as ready:
            return bool(ready.read())
    except OSError:
        return False


def _stay(ready: int) -> NoReturn:
    """Be the first process of the namespace: the others die with it, and it with its parent."""
    try:
        prctl(_DEATH_SIGNAL, signal.SIGKILL)
        see_own_processes()  # if this process cannot, the others could not
        os.write(ready, b"1")
        os.closerange(0, os.sysconf("SC_OPEN_MAX"))
        while True:
            signal.pause()
    finally:
        os._exit(1)


def drop_privileges() -> None:
    """Let this process keep no privilege of root but that of reading and writing any file."""
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITIES, 0))
    sets = ctypes.create_string_buffer(24)
    checked(library().capget(header, sets))
    capabilities = struct.unpack("6I", sets.raw)[1] & _READ_ALL
    checked(library().capset(header, struct.pack("6I", capabilities, capabilities, 0, 0, 0, 0)))
    prctl(_NO_NEW_PRIVILEGES, 1)
