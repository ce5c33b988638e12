"""Let a process open nothing but some files and folders: Landlock, linux/landlock.h."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from scionwood_sandbox.decoding.kernel import call

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FOLDER_ONLY = _READ_DIR | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8  # list, remove, make a folder or file
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_NEWEST = (1 << 16) - 1
_SPECIAL = 0b1111111 << 6  # devices, sockets, links, FIFOs


def version() -> int:
    """Return the version of Landlock that the kernel has; 0 where it has none."""
    try:
        return call(_CREATE, None, ctypes.c_size_t(0), 1)
    except OSError:
        return 0


def restrict_files(read: Iterable[str | Path], write: Iterable[str | Path]) -> None:
    """Let this process open nothing but what lies at or below the paths, for good."""
    present = version()
    rights = _RIGHTS.get(present, _NEWEST)
    sizes = {1: 8, 2: 8, 3: 8, 4: 16, 5: 16}
    rules = struct.pack("QQQ", rights, 3 if present >= 4 else 0, 3 if present >= 6 else 0)
    rules = rules[: sizes.get(present, 24)]
    handle = call(_CREATE, rules, ctypes.c_size_t(len(rules)), 0)
    for path in read:
        _allow(handle, path, _READ_FILE | _READ_DIR)
    for path in write:
        _allow(handle, path, rights & ~1 & ~_SPECIAL | 1 << 7 | 1 << 8)
    call(_RESTRICT, handle, 0)
    os.close(handle)


def _allow(rules: int, path: str | Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # it does not exist: there is nothing to allow
        return
    try:
        if not os.path.isdir(path):
            rights &= ~_FOLDER_ONLY
        rule = ctypes.create_string_buffer(struct.pack("<Qi", rights, handle))
        call(_ADD, rules, 1, rule, 0)
    finally:
        os.close(handle)
