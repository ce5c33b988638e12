"""Memory that a child decodes into and its parent sees, used again from record to record."""

from __future__ import annotations

import math
import mmap
import os
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from scionwood.decoding.protocol import BIG

ADD_SEALS, GET_SEALS = 1033, 1034
"""The commands of fcntl(2) for seals, which the module fcntl does not name on every build."""

FIXED = 1 | 2 | 4
"""The seals against more seals, shrinking and growing. A file that shrinks is a SIGBUS."""

_PAGE = 1 << 16


class Arena:
    """The memory files of a child. A page that exists costs nothing, a new one costs 3 us."""

    def __init__(self) -> None:
        self.free: set[int] = set()
        self._maps: dict[int, mmap.mmap] = {}
        self._unsent: dict[int, int] = {}
        self._lent: dict[int, tuple[int, int]] = {}  # by address: the block, and which loan it is
        self._loans = 0

    def empty(self, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
        """Return an array of undefined values in shared memory."""
        size = math.prod(shape) * dtype.itemsize
        block = self.take(size)
        whole = self.bytes_of(block)
        address = whole.__array_interface__["data"][0]
        self._loans += 1
        self._lent[address] = block, self._loans
        weakref.finalize(whole, self._back, address, self._loans).atexit = False
        values: np.ndarray = whole[:size].view(dtype).reshape(shape)
        return values

    def take(self, size: int) -> int:
        """Return a block of at least `size` bytes: a free one, or a new one."""
        fit = [block for block in self.free if len(self._maps[block]) >= size]
        if fit:
            block = min(fit, key=lambda each: len(self._maps[each]))
            self.free.discard(block)
            return block
        for block in self.free:  # too small: given back, so that memory stays bounded
            del self._maps[block]
        self.free.clear()
        block = next(n for n in range(1, len(self._maps) + 2) if n not in self._maps)
        file = sealed(-(-max(size, 1) // _PAGE) * _PAGE)
        self._maps[block], self._unsent[block] = mmap.mmap(file, 0), file
        return block

    def holding(self, values: np.ndarray) -> int | None:
        """Return the block that `empty` gave for an array, and count it as sent."""
        loan = self._lent.pop(values.__array_interface__["data"][0], None)
        return loan[0] if loan else None

    def bytes_of(self, block: int) -> np.ndarray:
        """Return a block as bytes."""
        return np.frombuffer(self._maps[block], np.uint8)

    def descriptor(self, block: int) -> int | None:
        """Return the descriptor of a block that the parent has not seen; the caller closes it."""
        return self._unsent.pop(block, None)

    def give_back(self, blocks: Sequence[int]) -> None:
        """Note that the parent no longer uses these blocks."""
        self.free.update(block for block in blocks if block in self._maps)

    def _back(self, address: int, loan: int) -> None:
        # An array that was never sent. A block that was sent comes back from the parent instead.
        block, current = self._lent.get(address, (0, 0))
        if current == loan:
            del self._lent[address]
            self.free.add(block)


def sealed(size: int, seals: int = FIXED) -> int:
    """Return the descriptor of a new memory file of a fixed size."""
    import fcntl  # POSIX alone has it

    file = os.memfd_create("records", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, size)
    fcntl.fcntl(file, ADD_SEALS, seals)
    return file


_arena: Arena | None = None


def use(arena: Arena) -> None:
    """Let `empty_record` take its memory from this arena: the child calls it once."""
    global _arena
    _arena = arena


def empty_record(shape: int | Sequence[int], dtype: Any) -> np.ndarray:
    """Return an array of undefined values for the data of a record.

    In the child of the reader service a large array lies in memory that the parent sees too, so
    that sending it copies nothing. Elsewhere it is `numpy.empty`.

    Args:
        shape: the lengths of the axes.
        dtype: the numpy dtype, or its name.

    Example:
        >>> scionwood.empty_record((24, 500), "float32").shape
        (24, 500)
    """
    lengths = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    kind = np.dtype(dtype)
    plain = kind.kind in "biufc"
    if _arena is None or not plain or math.prod(lengths) * kind.itemsize < BIG:
        return np.empty(lengths, kind)
    return _arena.empty(lengths, kind)
