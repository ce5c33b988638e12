"""Make valid pickles that run code when they are unpickled, each in another way."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable

STATUS = 77
"""The exit status of a process that ran the code of a hostile file."""


class Trap:
    """Ends the process that makes, calls, fills or restores it."""

    def __new__(cls, *_: object) -> Trap:
        """End the process."""
        os._exit(STATUS)


Gadget = tuple[str, str]
"""A module and a class in it, whose `__new__` must never run."""

_TRAP = (Trap.__module__, Trap.__qualname__)
_CORE = "numpy._core.multiarray"


def hostile_pickle(seed: str, gadget: Gadget = _TRAP) -> bytes:
    """Return a pickle that makes an object of a class.

    The seed decides the protocol, the opcodes that name and call the class, what stands before it,
    and the plain values, arrays and scalars that it is hidden in.

    Args:
        seed: the same seed gives the same pickle.
        gadget: the class.
    """
    rng = random.Random(seed)
    class_code = rng.choice(_CLASS_LOOKUPS)(*gadget)
    payload = rng.choice(_CONSTRUCTIONS)(class_code, gadget)
    for _ in range(rng.randrange(3)):
        payload = rng.choice(_HIDDEN)(payload)
    start = rng.choice((b"", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"))
    return start + rng.choice(_BEFORE) + payload + b"."


def _text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _plain(value: object, protocol: int = 2) -> bytes:
    """Return the opcodes of a value between those of a header and the end."""
    return pickle.dumps(value, protocol)[2:-1]


_CLASS_LOOKUPS: tuple[Callable[[str, str], bytes], ...] = (
    _global,
    lambda module, name: _text(module) + _text(name) + b"\x93",
    lambda module, name: b"Vnumpy\n0" + _text(module) + b"q\x05" + _text(name) + b"q\x060h\x06\x93",
    # Every name is an attribute of `unittest.mock.call`: a guard of names that reads on is passed.
    lambda module, name: b"\x80\x04cunittest.mock\ncall.a b\n0" + _global(module, name),
    lambda module, name: _global(module, name) + b"p9\n0(g9\nN01g9\n",
    lambda module, name: (
        _global("builtins", "getattr")
        + b"("
        + _global("importlib", "import_module")
        + b"("
        + _text(module)
        + b"tR"
        + _text(name)
        + b"tR"
    ),
)
"""Ways to put the class on the stack."""

_CONSTRUCTIONS: tuple[Callable[[bytes, Gadget], bytes], ...] = (
    lambda class_code, _: class_code + b"(I7\ntR",
    lambda class_code, _: class_code + b")R",
    lambda class_code, _: class_code + b"K\x07\x85R",
    lambda class_code, _: b"(" + class_code + b"K\x07o",
    lambda _, gadget: f"(I7\ni{gadget[0]}\n{gadget[1]}\n".encode(),
    lambda class_code, _: class_code + b")\x81",
    lambda class_code, _: class_code + b"K\x07\x85\x81",
    lambda class_code, _: class_code + b")}\x92",
    lambda class_code, _: _global("functools", "partial") + b"(" + class_code + b"tR)R",
)
"""Ways to call it: REDUCE, OBJ, INST, NEWOBJ, NEWOBJ_EX, and a call of what was called."""

_HIDDEN: tuple[Callable[[bytes], bytes], ...] = (
    lambda payload: b"]" + payload + b"a",
    lambda payload: b"(K\x01" + payload + b"t",
    lambda payload: b"}X\x01\x00\x00\x00a" + payload + b"s",
    lambda payload: b"(lp3\n" + payload + b"ag3\n0",
    # An array of objects, and the state of an array.
    lambda payload: (
        _global(_CORE, "_reconstruct")
        + b"("
        + _global("numpy", "ndarray")
        + b"K\x00\x85C\x01btR(K\x01K\x01\x85"
        + _global("numpy", "dtype")
        + b"(X\x02\x00\x00\x00O8I00\nI01\ntR"
        + b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftbI00\n]("
        + payload
        + b"etb"
    ),
    # The bytes of a scalar.
    lambda payload: (
        _global(_CORE, "scalar")
        + b"("
        + _global("numpy", "dtype")
        + b"(X\x02\x00\x00\x00i4I00\nI01\ntR"
        + b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ"
        + b"\xff\xff\xff\xffK\x00tb"
        + b"("
        + payload
        + b"01C\x04\x01\x00\x00\x00tR"
    ),
)
"""Plain values around it."""

_BEFORE = (b"", b"S'a sentence.'\n0", b"N0", b"I01\n0", b"]0", b"(V1\n1", _plain(1.5) + b"0")
"""What stands before it, and is dropped."""
