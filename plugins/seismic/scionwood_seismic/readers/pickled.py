"""Read the plain values of a pickle without `pickle`: nothing is imported, and nothing is called.

PyTables pickles the attributes that HDF5 has no type for, so DASDAE files hold them. Their opcodes
are read here one by one. Those of numbers, text, lists, tuples and dictionaries are carried out.
The few names that numpy writes for its scalars and arrays are compared as text, and the arrays are
built from their bytes. Every other opcode and every other name is refused.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple, final

import numpy as np

LARGEST = 1 << 20
"""The most bytes of a pickle, and the most values that it may stand for."""

_DEEPEST = 50
_MARK = object()
_KIND = re.compile(r"[biufcmMSU]\d{1,6}")
_CORES = ("numpy.core.multiarray", "numpy._core.multiarray")
_KEYS = (str, int, float, bool, bytes, type(None))


class NotPlain(ValueError):
    """A pickle has an opcode, a name or a value that is not allowed."""


class NoPickle(NotPlain):
    """The bytes are no pickle that can be read to its end."""


def plain(data: bytes) -> Any:
    r"""Return what a pickle of plain values stands for.

    Args:
        data: the pickle, of any protocol.

    Returns:
        `None`, numbers, text, bytes, lists, tuples, dictionaries, and scalars, arrays and dtypes of
        numpy without objects. A list that is named twice becomes two equal lists.

    Raises:
        NotPlain: it names or calls anything else.
        NoPickle: the bytes are no pickle, or too many.

    Example:
        >>> from scionwood_seismic.readers.pickled import plain
        >>> plain(b"(lp0\nI4\na.")
        [4]
        >>> plain(b"cos\ngetcwd\n(tR.")
        Traceback (most recent call last):
        ...
        scionwood_seismic.readers.pickled.NotPlain: it names os.getcwd
    """
    if len(data) > LARGEST:
        raise NoPickle(f"it has {len(data):,} bytes, more than {LARGEST:,}")
    machine = _Machine()
    try:
        for operation, argument, _ in pickletools.genops(data):
            if operation.name == "STOP":
                (value,) = machine.stack
                return _Copy().of(value)
            machine.do(operation.name, argument)
    except NotPlain:
        raise
    except Exception as error:  # damaged opcodes make pickletools and numpy raise any exception
        raise NoPickle(f"it is damaged ({type(error).__name__}: {error})") from error
    raise NoPickle("it has no end")


class _Name(NamedTuple):
    """A module and a name in it, which are never looked up."""

    module: str
    name: str


@final
class _Part:
    """A dtype or an array that a later BUILD completes; the memo may point to it before."""

    def __init__(self, kind: str = "") -> None:
        self.kind = kind
        self.value: Any = None


class _Copy:
    """Copies a value, with an end to lists that contain themselves or grow without bounds."""

    def __init__(self) -> None:
        self.left = LARGEST

    def of(self, value: Any, depth: int = 0) -> Any:
        self.left -= 1
        if self.left < 0 or depth > _DEEPEST:
            raise NotPlain("it stands for too many values, or for too deep a list")
        if type(value) in (list, tuple):
            return type(value)([self.of(item, depth + 1) for item in value])
        if type(value) is dict:
            return {key: self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, _Part):
            value = value.value
        elif isinstance(value, np.generic) or type(value) in _KEYS:
            return value
        if not isinstance(value, np.ndarray | np.dtype):
            raise NotPlain("it names more than plain values")
        return value


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        """Carry out one opcode.

        Raises:
            NotPlain: it is none of those of plain values.
        """
        if name in _CONSTANTS:
            self.stack.append(argument if _CONSTANTS[name] is ... else _CONSTANTS[name])
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise NotPlain(f"it has the opcode {name}")

    def above(self) -> list[Any]:
        """Pop what lies above the last mark, and the mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
        values = self.stack[at + 1 :]
        del self.stack[at:]
        return values

    def top(self, count: int) -> list[Any]:
        """Pop a number of values."""
        if len(self.stack) < count:
            raise NotPlain("its stack is too short")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def last(self, kind: type) -> Any:
        """Return the value on top of the stack, which must have a type."""
        value = self.stack[-1]
        if type(value) is not kind:
            raise NotPlain(f"it fills a {type(value).__name__} as if it were a {kind.__name__}")
        return value

    def extend(self, values: list[Any]) -> None:
        self.last(list).extend(values)

    def update(self, values: list[Any]) -> None:
        pairs = list(zip(values[::2], values[1::2], strict=True))
        if not all(type(key) in _KEYS for key, _ in pairs):
            raise NotPlain("a key of a dictionary is no text and no number")
        self.last(dict).update(pairs)

    def fresh(self, values: list[Any]) -> None:
        """Push a new dictionary."""
        self.stack.append({})
        self.update(values)

    def name(self, module: Any, name: Any) -> None:
        if (module, name) not in _NAMES:
            raise NotPlain(f"it names {module}.{name}")
        self.stack.append(_Name(module, name))

    def reduce(self) -> None:
        """Push what one of the known names stands for with its arguments."""
        name, arguments = self.top(2)
        match name, arguments:
            case _Name(name="encode"), (str() as text, "latin1"):
                self.stack.append(text.encode("latin1"))
            case _Name(name="bytes"), ():
                self.stack.append(b"")
            case _Name(name="dtype"), (str() as kind, 0 | 1, 0 | 1) if _KIND.fullmatch(kind):
                self.stack.append(_Part(kind))
            case _Name(name="scalar"), (_Part(value=np.dtype() as dtype), raw):
                self.stack.append(_array((), dtype, raw)[()])
            case _Name(name="_reconstruct"), (_Name(name="ndarray"), (0,), b"b"):
                self.stack.append(_Part())
            case _:
                raise NotPlain("it calls something with other arguments than numpy does")

    def build(self) -> None:
        """Complete a dtype or an array."""
        (state,) = self.top(1)
        part = self.stack[-1]
        if not isinstance(part, _Part) or part.value is not None:
            raise NotPlain("it sets the state of something else than an array")
        match state:
            case (3, str() as order, None, None, None, int(), int(), int()) if part.kind:
                part.value = np.dtype(_order(order) + part.kind)
            case (4, str() as order, None, None, None, int(), int(), int(), (dict() | None, unit)):
                name, number, ratio, event = unit
                if (ratio, event) != (1, 1) or part.kind[:1] not in "mM":
                    raise NotPlain("a unit of time is divided")
                kind = f"{part.kind}[{int(number)}{name.decode('ascii')}]"
                part.value = np.dtype(_order(order) + kind)
            case (1, tuple() as shape, _Part(value=np.dtype() as dtype), 0 | 1 as fortran, raw):
                if part.kind or not dtype.itemsize:
                    raise NotPlain("an array has no size")
                part.value = _array(shape, dtype, raw, "F" if fortran else "C")
            case _:
                raise NotPlain("an array or dtype has a state that numpy does not write here")


def _order(order: str) -> str:
    if order not in ("<", ">", "|", "="):
        raise NotPlain(f"it has the byte order {order!r}")
    return order


def _array(shape: tuple[int, ...], dtype: np.dtype[Any], raw: Any, order: Any = "C") -> Any:
    """Return an array of bytes that must have its size."""
    data = raw.encode("latin1") if isinstance(raw, str) else raw  # text in pickles of Python 2
    if type(data) is not bytes or not all(type(side) is int and side >= 0 for side in shape):
        raise NotPlain("an array has no bytes, or no shape")
    if len(data) != prod(shape) * dtype.itemsize or max(shape, default=0) > LARGEST:
        raise NotPlain(f"an array of {shape} values has {len(data)} bytes")
    return np.ndarray(shape, dtype, data, order=order).copy(order)


_NAMES = {
    ("_codecs", "encode"),  # bytes in the protocols 0 to 2; empty ones are __builtin__.bytes()
    ("__builtin__", "bytes"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    *((core, name) for core in _CORES for name in ("scalar", "_reconstruct")),
}

_CONSTANTS: dict[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "MARK": _MARK,
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"), ...),
    **dict.fromkeys(("FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"), ...),
    **dict.fromkeys(("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), ...),
    **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"), ...),
}
"""What an opcode pushes; `...` means its argument."""

_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "EMPTY_LIST": lambda it, _: it.stack.append([]),
    "EMPTY_DICT": lambda it, _: it.stack.append({}),
    "LIST": lambda it, _: it.stack.append(it.above()),
    "TUPLE": lambda it, _: it.stack.append(tuple(it.above())),
    "TUPLE1": lambda it, _: it.stack.append(tuple(it.top(1))),
    "TUPLE2": lambda it, _: it.stack.append(tuple(it.top(2))),
    "TUPLE3": lambda it, _: it.stack.append(tuple(it.top(3))),
    "DICT": lambda it, _: it.fresh(it.above()),
    "APPEND": lambda it, _: it.extend(it.top(1)),
    "APPENDS": lambda it, _: it.extend(it.above()),
    "SETITEM": lambda it, _: it.update(it.top(2)),
    "SETITEMS": lambda it, _: it.update(it.above()),
    "GLOBAL": lambda it, text: it.name(*text.split(" ", 1)),
    "STACK_GLOBAL": lambda it, _: it.name(*it.top(2)),
    "REDUCE": lambda it, _: it.reduce(),
    "BUILD": lambda it, _: it.build(),
    "MEMOIZE": lambda it, _: it.memo.update({len(it.memo): it.stack[-1]}),
    **dict.fromkeys(
        ("PUT", "BINPUT", "LONG_BINPUT"),
        lambda it, number: it.memo.update({number: it.stack[-1]}),
    ),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"), lambda it, number: it.stack.append(it.memo[number])
    ),
}
