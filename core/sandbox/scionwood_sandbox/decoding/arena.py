"""Memory that a child decodes into and its parent sees, used again from record to record."""

from __future__ import annotations

import math
import mmap
import os
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scionwood_sandbox.decoding.protocol import BIG

_ADD_SEALS, _FIXED = 1033, 1 | 2 | 4
"""The command of fcntl(2), and the seals against more seals, shrinking and growing. The module
fcntl does not name them on every build. A file that shrinks is a SIGBUS."""

_SMALLEST = 1 << 16
_BLOCKS = 64  # of one child: each is a descriptor of its parent. More arrays go as bytes.


class Arena:
    """The memory of a child that its parent sees too. A page that exists costs nothing.

    Args:
        more: asks the parent for a block of so many bytes; None where there is no more.
    """

    def __init__(self, more: Callable[[int], tuple[int, mmap.mmap] | None]) -> None:
        self.free: set[int] = set()
        self._more = more
        self._maps: dict[int, mmap.mmap] = {}
        self._lent: dict[int, tuple[int, int]] = {}  # by address: the block, and which loan it is
        self._loans = 0

    def empty(self, shape: Sequence[int], dtype: np.dtype) -> np.ndarray | None:
        """Return an array of undefined values in shared memory; None if there is no more."""
        size = math.prod(shape) * dtype.itemsize
        block = self.take(size)
        if block is None:
            return None
        block_bytes = self.bytes_of(block)
        address = block_bytes.__array_interface__["data"][0]
        self._loans += 1
        self._lent[address] = block, self._loans
        weakref.finalize(block_bytes, self._back, address, self._loans).atexit = False
        values: np.ndarray = block_bytes[:size].view(dtype).reshape(shape)
        return values

    def take(self, size: int) -> int | None:
        """Return a block of at least `size` bytes: a free or a new one; None without."""
        fit = [block for block in self.free if len(self._maps[block]) >= size]
        if fit:
            block = min(fit, key=lambda free_block: len(self._maps[free_block]))
            self.free.discard(block)
            return block
        # A power of two: the next record, a little larger, fits too.
        new_block = self._more(max(_SMALLEST, 1 << (size - 1).bit_length()))
        if new_block is None:
            return None
        self._maps[new_block[0]] = new_block[1]
        return new_block[0]

    def holding(self, values: np.ndarray) -> int | None:
        """Return the block that `empty` gave for an array, and count it as sent."""
        loan = self._lent.pop(values.__array_interface__["data"][0], None)
        return loan[0] if loan else None

    def bytes_of(self, block: int) -> np.ndarray:
        """Return a block as bytes."""
        return np.frombuffer(self._maps[block], np.uint8)

    def give_back(self, blocks: Sequence[int]) -> None:
        """Note that the parent no longer uses these blocks."""
        self.free.update(block for block in blocks if block in self._maps)

    def _back(self, address: int, loan: int) -> None:
        # An array that was never sent. A block that was sent comes back from the parent instead.
        block, current = self._lent.get(address, (0, 0))
        if current == loan:
            del self._lent[address]
            self.free.add(block)


class Grants:
    """What a parent gave its child's arena: it makes each block, and counts them all."""

    def __init__(self) -> None:
        self.total = 0
        self._maps: dict[int, mmap.mmap] = {}
        self._held: set[int] = set()
        self._freed: deque[int] = deque()

    def grant(self, size: int) -> tuple[int, int] | None:
        """Return the number and the descriptor of a new block, which the caller closes."""
        block = len(self._maps) + 1
        if block > _BLOCKS:
            return None
        file = sealed(size)
        try:
            self._maps[block] = mmap.mmap(file, size)
        except BaseException:
            os.close(file)
            raise
        self.total += size
        return block, file

    def bytes_of(self, block: int) -> np.ndarray:
        """Return a block as bytes. It goes back to the child when they are used no more."""
        if block not in self._maps or block in self._held:
            raise ValueError("memory that its sender does not have")
        block_bytes = np.frombuffer(self._maps[block], np.uint8)
        self._held.add(block)
        weakref.finalize(block_bytes, self._freed.append, block).atexit = False
        return block_bytes

    def take_freed(self) -> list[int]:
        """Return the blocks to give back, each once."""
        freed = [self._freed.popleft() for _ in range(len(self._freed))]
        self._held.difference_update(freed)
        return freed


def sealed(size: int) -> int:
    """Return the descriptor of a new memory file of a fixed size."""
    import fcntl  # POSIX alone has it

    file = os.memfd_create("records", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(file, size)
        fcntl.fcntl(file, _ADD_SEALS, _FIXED)
    except OSError:
        os.close(file)
        raise
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
        >>> from scionwood_sandbox import empty_record
        >>> empty_record((24, 500), "float32").shape
        (24, 500)
    """
    lengths = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    kind = np.dtype(dtype)
    plain = kind.kind in "biufc"
    shared = None
    if _arena is not None and plain and math.prod(lengths) * kind.itemsize >= BIG:
        shared = _arena.empty(lengths, kind)
    return np.empty(lengths, kind) if shared is None else shared
