"""Pickles of files are decoded as plain values; nothing that they name is imported or called."""

from __future__ import annotations

import copyreg
import math
import pickle
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from audit import audited
from case_table import table

from scionwood import ReadError
from scionwood_kit.fuzzing.pickles import hostile_pickle
from scionwood_seismic.readers.opening import open_file
from scionwood_seismic.readers.pickled import LARGEST, NoPickle, NotPlain, plain

GADGET = ("scionwood_gadget", "Trip")


class Trip:
    """Counts how often it is made."""

    made = 0

    def __new__(cls, *_: object) -> Trip:
        Trip.made += 1
        return object.__new__(cls)


@pytest.fixture(autouse=True)
def gadget(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType(GADGET[0])
    module.Trip = Trip
    monkeypatch.setitem(sys.modules, GADGET[0], module)
    plain(pickle.dumps("Python imports a codec when it first meets such text", 0))


@contextmanager
def nothing_happens() -> Iterator[None]:
    """Fail if Python imports, opens, compiles or unpickles anything, or a trap is made."""
    before = Trip.made
    with audited() as events:
        yield
    assert not [event for event in events if not event.startswith(("object.", "sys._"))]
    assert Trip.made == before


def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs():
    kinds = set()
    for number in range(600):
        data = hostile_pickle(f"{number}", GADGET)
        before = Trip.made
        pickle.loads(data)
        assert Trip.made > before, data  # it is a valid pickle, and it runs
        with nothing_happens(), pytest.raises(NotPlain) as refused:
            plain(data)
        kinds.add(str(refused.value)[:20])
    assert len(kinds) > 5  # of reasons


def test_codes_of_extensions_and_names_outside_of_the_pickle_are_refused():
    copyreg.add_extension(*GADGET, 77)
    try:
        for code in (b"\x82\x4d", b"\x83\x4d\0", b"\x84\x4d\0\0\0"):
            data = b"\x80\x02" + code + b")R."
            before = Trip.made
            pickle.loads(data)
            assert Trip.made > before
            with nothing_happens(), pytest.raises(NotPlain):
                plain(data)
    finally:
        copyreg.remove_extension(*GADGET, 77)
    for data in (b"Pname\n.", b"N\x51."):
        with nothing_happens(), pytest.raises(NotPlain):
            plain(data)


def drawn(rng: random.Random, depth: int = 0) -> Any:
    """Return a value as DASDAE files hold them: plain, of numpy, or a collection of such."""
    kinds: list[Callable[[], Any]] = [
        lambda: rng.choice((None, True, False, 0, -1, 255, 2**31, -(2**70), 0.1, -math.inf)),
        lambda: rng.choice(("", "distance", "a\nb\\n", "\u0995\u09bf", "\ud7ff'\"", "x" * 300)),
        lambda: rng.randbytes(rng.choice((0, 1, 9, 300))),
        lambda: rng.choice((np.float64, np.int16, np.complex64, np.bool_))(rng.randrange(9)),
        lambda: np.datetime64(rng.randrange(10**18), rng.choice(("ns", "ms", "D", "25s"))),
        lambda: rng.choice((np.timedelta64(4, "us"), np.datetime64("NaT", "ns"))),
        lambda: rng.choice((np.str_("m / s"), np.str_(""), np.bytes_(b"raw"))),
        lambda: np.dtype(rng.choice(("<f4", ">i2", "M8[ns]", "U3", "S7", "bool"))),
        lambda: _array(rng),
    ]
    if depth < 3:
        kinds += [
            lambda: [drawn(rng, depth + 1) for _ in range(rng.randrange(5))],
            lambda: tuple(drawn(rng, depth + 1) for _ in range(rng.randrange(5))),
            lambda: {f"key {n}": drawn(rng, depth + 1) for n in range(rng.randrange(4))},
            lambda: [drawn(rng, depth + 1)] * 3,
        ] * 2
    return rng.choice(kinds)()


def _array(rng: random.Random) -> np.ndarray:
    shape = tuple(rng.randrange(4) for _ in range(rng.randrange(4)))
    kind = rng.choice(("<f8", ">i4", "M8[ns]", "m8[s]", "U2", "S3", "?"))
    values = np.frombuffer(bytes(range(65, 65 + 48)) * 60, np.uint8)[: math.prod(shape)]
    return np.asarray(values.reshape(shape).astype(kind), order=rng.choice("CF"))


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fmM")
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return repr(a) == repr(b)


def test_plain_values_are_what_pickle_makes_of_them():
    for number in range(600):
        rng = random.Random(number)
        value = drawn(rng)
        data = pickle.dumps(value, rng.randrange(5))
        assert same(plain(data), pickle.loads(data)), (number, value)


def test_damage_gives_an_error_or_plain_values():
    for number in range(1500):
        rng = random.Random(number)
        data = bytearray(pickle.dumps(drawn(rng), rng.randrange(6)))
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.choice(
                (*b"\x93\x81\x8c.(Rbocis0", rng.randrange(256))
            )
        try:
            with nothing_happens():
                plain(bytes(data))
        except NotPlain:
            pass


BOMBS = {
    "lists of lists": b"]" + b"".join(b"(h\0e2" if n else b"\x94" for n in range(3)) + b".",
    "a list in itself": b"]q\0h\0a.",
    "doubled": b"]q\0" + b"".join(b"](h%ch%ceq%c" % (n, n, n + 1) for n in range(40)) + b".",
    "deep": b"N" + b"\x85" * 60_000 + b".",
    "a deep key": b"}N" + b"\x85" * 60_000 + b"Ns.",
    "a long number": b"L" + b"9" * 60_000 + b"L\n.",
    "an array without bytes": pickle.dumps(np.zeros(3), 2).replace(
        b"K\x03\x85", b"J\0\0\0\x7f\x85"
    ),
}


@table("name", BOMBS)
def test_a_pickle_that_stands_for_too_much_is_refused(name):
    with pytest.raises(NotPlain):
        plain(BOMBS[name])


def test_no_other_file_is_unpickled(tmp_path):
    """ObsPy and DASCore have formats that are pickles, and find them by unpickling the file."""
    ends = (".mseed", ".sac", ".su", ".sg2", ".sgy", ".h5", ".tdms", ".das", ".raw", ".nc", ".pkl")
    for number, end in enumerate(ends * 3):
        path = tmp_path / f"a{end}"
        start = rb"(S'dascore.core Patch'" + b"\n0" if number % 2 else b""
        path.write_bytes(start + hostile_pickle(f"{number}"))  # which ends this process if it runs
        with audited() as events, pytest.raises(ReadError):
            open_file(path)
        assert not [event for event in events if event.startswith("pickle.")]


def test_what_is_no_pickle_is_told_from_what_is_not_allowed():
    for data in (b"Silixa Ltd.", b"", b"(lp0\n", b"X" * (LARGEST + 1), b"I1\nI2\n."):
        with pytest.raises(NoPickle):
            plain(data)
    with pytest.raises(NotPlain, match=r"it names posix\.system") as refused:
        plain(b"cposix\nsystem\n(S'id'\ntR.")
    assert not isinstance(refused.value, NoPickle)
