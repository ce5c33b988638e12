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
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

BIG = 32 << 10
"""Arrays of this many bytes and more go by shared memory."""

_EXACT = 1 << 53  # JSON numbers beyond it lose digits elsewhere
_ALIGN = 64
_ODD_KEYS = 1 << 12
_CODE = re.compile(r"[<>|=][biufcUSmM]\d+(\[\w+\])?")


@dataclass
class Blocks:
    """The arrays of one message, each with its offset in its block."""

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
    """Return a value as JSON can hold it; its arrays are added to `blocks`."""
    if value is None or isinstance(value, bool | np.bool_ | str):
        return value if value is None else str(value) if isinstance(value, str) else bool(value)
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
        field_values = {
            part.name: pack(getattr(value, part.name), blocks) for part in fields(value)
        }
        return {"$o": [type(value).__module__, type(value).__qualname__, field_values]}
    raise TypeError(f"{type(value).__name__} is no plain data")


def _is_frozen(kind: Any) -> bool:
    return (
        isinstance(kind, type)
        and is_dataclass(kind)
        and bool(getattr(kind, "__dataclass_params__").frozen)  # noqa: B009 - mypy knows it not
    )


@dataclass
class Unpacker:
    """Rebuilds values from a message of a process that is not trusted."""

    small: bytes | bytearray
    big: np.ndarray | None
    packages: Collection[str]
    odd_keys: int = 0

    def unpack(self, value: Any) -> Any:
        """Return the value that `pack` wrote."""
        if isinstance(value, list):
            return self._all(value)
        if not isinstance(value, dict):
            return value
        if len(value) != 1:
            raise ValueError("an object with several keys")
        ((kind, payload),) = value.items()
        if kind in _TEXT:
            return _TEXT[kind](payload)
        rebuild = getattr(self, _PARTS.get(kind, ""), None)
        if rebuild is None:
            raise ValueError(f"an object of kind {str(kind)[:20]!r}")
        return rebuild(payload)

    def _all(self, payload: Any) -> list[Any]:
        return [self.unpack(item) for item in payload]

    def _tuple(self, payload: Any) -> tuple[Any, ...]:
        return tuple(self._all(payload))

    def _set(self, payload: Any) -> frozenset[Any]:
        return frozenset(self._key(item) for item in payload)

    def _mapping(self, payload: Any) -> dict[Any, Any]:
        return {self._key(key): self.unpack(item) for key, item in payload}

    def _key(self, payload: Any) -> Any:
        """Return a key; those whose hashes a sender can let collide are few, or they take hours."""
        key = self.unpack(payload)
        if not isinstance(key, str | bytes | Path) and not (
            isinstance(key, int | float) and abs(key) < _EXACT
        ):
            self.odd_keys += 1
            if self.odd_keys > _ODD_KEYS:
                raise ValueError("too many keys that are neither text nor small numbers")
        return key

    def _slice(self, payload: Any) -> slice:
        start, stop, step = self._all(payload)
        return slice(start, stop, step)

    def _array(self, payload: Any) -> np.ndarray:
        code, shape, is_big, at = payload
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

    def _frozen(self, payload: Any) -> Any:
        module, name, values = payload
        kind: Any = getattr(sys.modules.get(module), name, None)
        if module.partition(".")[0] not in self.packages or not _is_frozen(kind):
            raise ValueError(f"an object of {module}.{name}"[:200])
        out, annotated = object.__new__(kind), hints(kind)
        for part in fields(kind):
            content = self.unpack(values[part.name])
            if not fits(content, annotated.get(part.name, Any)):
                raise ValueError(f"{name}.{part.name} of type {type(content).__name__}")
            object.__setattr__(out, part.name, content)
        return out


@cache
def hints(target: Any) -> dict[str, Any]:
    """Return the annotations of a class or function; none that name what only checkers import."""
    try:
        return get_type_hints(target, localns={"np": np, "Path": Path})
    except (NameError, TypeError):
        return {}


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value that was unpacked can be what an annotation says.

    A tuple may have become a list, and an object of a subclass one of its base.

    Example:
        >>> from scionwood_sandbox.decoding.protocol import fits
        >>> fits({"a": 1}, dict[str, int | None]), fits({"a": "1"}, dict[str, int])
        (True, False)
    """
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if kind is Literal:
        return value in parts
    if kind is None or kind is NoneType:
        return value is None
    if hint is Any or not isinstance(kind, type):  # a variable, an annotation of another kind
        return True
    if kind is float and isinstance(value, int):
        return True
    if issubclass(kind, np.ndarray | np.generic):
        return isinstance(value, np.ndarray)
    if isinstance(value, dict) and issubclass(kind, Mapping) and len(parts) == 2:
        return all(fits(key, parts[0]) and fits(item, parts[1]) for key, item in value.items())
    if isinstance(value, list | tuple | frozenset) and issubclass(kind, Collection):
        if kind is tuple and parts and parts[1:] != (...,):
            return len(value) == len(parts) and all(map(fits, value, parts))
        one = parts[0] if parts else Any
        return not issubclass(kind, str | bytes | Mapping) and all(
            fits(item, one) for item in value
        )
    return isinstance(value, kind) or issubclass(kind, type(value))


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


def _path(text: str) -> Path:
    if "\0" in text:
        raise ValueError("a path that no file has")
    return Path(text)


_TEXT: Mapping[str, Callable[[str], Any]] = {
    "$i": int,
    "$f": float,
    "$p": _path,
    "$b": bytes.fromhex,
    "$d": _dtype,
}
