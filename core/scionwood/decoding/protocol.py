"""Turn plain data and arrays into JSON and bytes, and back; nothing is ever unpickled.

What cannot be written in JSON is an object with one key that starts with `$`. Arrays are named by
their place in one of two blocks: `small` travels with the message, `big` in shared memory.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

BIG = 32 << 10
"""Arrays of this many bytes and more go by shared memory."""

_EXACT = 1 << 53  # JSON numbers beyond it lose digits elsewhere
_ALIGN = 64
_CODE = re.compile(r"[<>|=][biufcUSmM]\d+(\[\w+\])?")


@dataclass
class Blocks:
    """The arrays of one message, each with its offset in its block.

    Attributes:
        small: arrays that travel with the message.
        big: arrays that travel in shared memory.
    """

    small: list[tuple[int, np.ndarray]] = field(default_factory=list)
    big: list[tuple[int, np.ndarray]] = field(default_factory=list)

    def place(self, values: np.ndarray) -> tuple[bool, int]:
        """Return whether the array is big, and its offset in its block."""
        block = self.big if values.nbytes >= BIG else self.small
        at = -(-end(block) // _ALIGN) * _ALIGN
        block.append((at, values))
        return block is self.big, at


def end(block: list[tuple[int, np.ndarray]]) -> int:
    """Return the bytes that a block of arrays takes."""
    return block[-1][0] + block[-1][1].nbytes if block else 0


def pack(value: Any, blocks: Blocks) -> Any:
    """Return a value as JSON can hold it; its arrays are added to `blocks`.

    Raises:
        TypeError: the value is no plain data.
    """
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int | np.integer) and not isinstance(value, np.timedelta64):
        number = int(value)
        return number if abs(number) < _EXACT else {"$i": str(number)}
    if isinstance(value, float | np.floating):
        real = float(value)
        return real if math.isfinite(real) else {"$f": repr(real)}
    if isinstance(value, np.ndarray | np.generic):
        return _pack_array(np.asarray(value), blocks)
    return _pack_other(value, blocks)


def _pack_array(values: np.ndarray, blocks: Blocks) -> dict[str, Any]:
    if not _CODE.fullmatch(values.dtype.str):
        raise TypeError(f"an array of {values.dtype} is no plain data")
    values = np.ascontiguousarray(values).reshape(values.shape)
    return {"$a": [values.dtype.str, list(values.shape), *blocks.place(values)]}


def _pack_other(value: Any, blocks: Blocks) -> Any:
    def all_of(items: Any) -> list[Any]:
        return [pack(item, blocks) for item in items]

    if isinstance(value, list | range):
        return all_of(value)
    if isinstance(value, tuple):
        return {"$t": all_of(value)}
    if isinstance(value, frozenset | set):
        return {"$z": all_of(value)}
    if isinstance(value, Mapping):
        return {"$m": [all_of(pair) for pair in value.items()]}
    if isinstance(value, slice):
        return {"$s": all_of((value.start, value.stop, value.step))}
    if isinstance(value, Path):
        return {"$p": str(value)}
    if isinstance(value, bytes):
        return {"$b": value.hex()}
    if isinstance(value, np.dtype) and _CODE.fullmatch(value.str):
        return {"$d": value.str}
    if _is_frozen(type(value)):
        held = {part.name: pack(getattr(value, part.name), blocks) for part in fields(value)}
        return {"$o": [type(value).__module__, type(value).__qualname__, held]}
    raise TypeError(f"{type(value).__name__} is no plain data")


def _is_frozen(kind: Any) -> bool:
    return (
        isinstance(kind, type)
        and is_dataclass(kind)
        and bool(getattr(kind, "__dataclass_params__").frozen)  # noqa: B009 - mypy knows it not
    )


@dataclass
class Unpacker:
    """Rebuilds values from a message of a process that is not trusted.

    Attributes:
        small: the bytes of the small arrays.
        big: the shared memory of the big arrays, or None.
        packages: the packages whose frozen dataclasses may be rebuilt.
    """

    small: bytes
    big: np.ndarray | None
    packages: Collection[str]

    def unpack(self, value: Any) -> Any:
        """Return the value that `pack` wrote.

        Raises:
            ValueError: the message names what no reader sends, or lies outside its block.
        """
        if isinstance(value, list):
            return self._all(value)
        if not isinstance(value, dict):
            return value
        if len(value) != 1:
            raise ValueError("an object with several keys")
        ((kind, held),) = value.items()
        if kind in _TEXT:
            return _TEXT[kind](held)
        rebuild = getattr(self, _PARTS.get(kind, ""), None)
        if rebuild is None:
            raise ValueError(f"an object of kind {str(kind)[:20]!r}")
        return rebuild(held)

    def _all(self, held: Any) -> list[Any]:
        return [self.unpack(item) for item in held]

    def _tuple(self, held: Any) -> tuple[Any, ...]:
        return tuple(self._all(held))

    def _set(self, held: Any) -> frozenset[Any]:
        return frozenset(self._all(held))

    def _mapping(self, held: Any) -> dict[Any, Any]:
        return {self.unpack(key): self.unpack(item) for key, item in held}

    def _slice(self, held: Any) -> slice:
        start, stop, step = self._all(held)
        return slice(start, stop, step)

    def _array(self, held: Any) -> np.ndarray:
        code, shape, is_big, at = held
        dtype = _dtype(code)
        if any(not isinstance(n, int) or n < 0 for n in (*shape, at)):
            raise ValueError("a shape that no array has")
        source: Any = self.big if is_big else self.small
        count = math.prod(shape)
        if count == 0:
            return np.empty(shape, dtype)
        if not is_big:
            return np.frombuffer(source, dtype, count, at).reshape(shape).copy()
        if source is None or at + count * dtype.itemsize > source.nbytes:
            raise ValueError("an array outside its memory")
        values: np.ndarray = source[at : at + count * dtype.itemsize].view(dtype).reshape(shape)
        # The child can still write here. Whole numbers may be indices, which must not change.
        return values if dtype.kind in "fc" else values.copy()

    def _frozen(self, held: Any) -> Any:
        module, name, values = held
        kind: Any = getattr(sys.modules.get(module), name, None)
        if module.partition(".")[0] not in self.packages or not _is_frozen(kind):
            raise ValueError(f"an object of {module}.{name}"[:200])
        out = object.__new__(kind)
        for part in fields(kind):
            object.__setattr__(out, part.name, self.unpack(values[part.name]))
        return out


_PARTS = {
    "$a": "_array",
    "$t": "_tuple",
    "$z": "_set",
    "$m": "_mapping",
    "$s": "_slice",
    "$o": "_frozen",
}


def _dtype(code: str) -> np.dtype:
    if not _CODE.fullmatch(code):
        raise ValueError(f"an array of {code[:40]!r}")
    return np.dtype(code)


_TEXT: Mapping[str, Callable[[str], Any]] = {
    "$i": int,
    "$f": float,
    "$p": Path,
    "$b": bytes.fromhex,
    "$d": _dtype,
}
