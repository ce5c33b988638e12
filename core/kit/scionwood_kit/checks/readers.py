"""A reader reads its sample, refuses damaged files, and writes back all or nothing."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from scionwood.errors import OutputExistsError, ReadError, WriteError
from scionwood.files.reader import Reader, Record
from scionwood.plugins.plugin import Plugin
from scionwood_kit.checks.static import component
from scionwood_kit.rules import NothingToCheck, Problem, check

_TEXT = b"Dear colleague,\nplease find the data attached.\n"


@check
def check_readers_read_their_sample(plugin: Plugin) -> Iterator[Problem]:
    """A reader's sample has the dims, units, dtype and coordinates that the reader states."""
    for name, reader, path in _samples(plugin):
        for value, rule, remedy in _sample_faults(reader, path):
            yield Problem(f"reader {name!r}: {value}", rule, remedy)


@check
def check_readers_refuse_damage(plugin: Plugin) -> Iterator[Problem]:
    """A missing, empty, cut, random or foreign file raises a ReadError, and no other error.

    The message names the file, the format, the fault and the remedy.
    """
    for name, reader, path in _samples(plugin):
        for damage, content in _damages(path.read_bytes()).items():
            broken = path.with_stem(f"{damage}_file")
            if content is not None:
                broken.write_bytes(content)
            fault = _refusal_fault(name, reader, broken)
            if fault:
                rule = "a damaged file raises a ReadError with file, format, rule and remedy"
                remedy = 'raise ReadError(f"{path}", "not a ... file: ...", "Check ...")'
                yield Problem(f"reader {name!r}, {damage} file: {fault}", rule, remedy)


@check
def check_readers_rewrite(plugin: Plugin) -> Iterator[Problem]:
    """Rewriting unchanged data gives the same bytes; changed data is read back as written."""
    for name, reader, path in _samples(plugin):
        target = path.with_stem("same")
        with _open(reader, path) as opened:
            opened.rewrite(target, lambda record: record.data)
        if target.read_bytes() != path.read_bytes():
            rule = "rewriting unchanged data gives an equal file"
            remedy = "Copy the file, then overwrite the values alone"
            yield Problem(f"reader {name!r}: the bytes differ", rule, remedy)
        target = path.with_stem("flipped")
        with _open(reader, path) as opened:
            opened.rewrite(target, lambda record: np.flip(record.data, -1))
            expected = [np.flip(record.data, -1) for record in opened]
        with _open(reader, target) as opened:
            actual = [record.data for record in opened]
        if not _equal(expected, actual):
            rule = "reading a rewritten file returns what the function returned"
            remedy = "Write each record where it was read"
            yield Problem(f"reader {name!r}: flipped data is not read back", rule, remedy)


@check
def check_readers_write_all_or_nothing(plugin: Plugin) -> Iterator[Problem]:
    """A rewrite that fails leaves no file; an existing file is replaced on request only."""
    for name, reader, path in _samples(plugin):
        for value, rule, remedy in _write_faults(reader, path):
            yield Problem(f"reader {name!r}: {value}", rule, remedy)


def _samples(plugin: Plugin) -> Iterator[tuple[str, type[Reader], Path]]:
    if not plugin.readers:
        raise NothingToCheck("no readers")
    for name, reference in plugin.readers.items():
        reader = component(reference)
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"sample{reader.suffixes[0]}"
            reader.write_sample(path)
            yield name, reader, path


def _open(reader: Any, path: Path) -> Reader:
    opened: Reader = reader(path)  # the abstract class does not fix the constructor
    return opened


def _sample_faults(reader: type[Reader], path: Path) -> Iterator[tuple[str, str, str]]:
    if not all(suffix.startswith(".") for suffix in reader.suffixes):
        yield f"suffixes {reader.suffixes}", "a suffix starts with a dot", "Add it"
    with _open(reader, path) as opened:
        records, again = list(opened), list(opened)
        missing = {*opened.dims, "data"} - opened.units.keys()
        if missing:
            rule = "units has an entry for each dim and for 'data'"
            yield (
                f"no unit of {', '.join(sorted(missing))}",
                rule,
                "If it is unknown, write 'unknown'",
            )
        if len(records) != len(opened) or not records:
            rule = "len() is the number of records, and a sample has one or more"
            yield (
                f"len() {len(opened)}, records {len(records)}",
                rule,
                "Count the records that iter yields",
            )
        if not _equal([r.data for r in records], [r.data for r in again]):
            yield "its second pass differs", "a file can be read twice", "Start over in __iter__"
        for record in records:
            yield from _record_faults(opened, record)


def _record_faults(opened: Reader, record: Record) -> Iterator[tuple[str, str, str]]:
    where = f"record {dict(record.key)}"
    data = record.data
    if not record.key:
        yield where, "a key says which record it is", 'Such as {"gather": 12}'
    if data.ndim != len(opened.dims):
        yield f"{where}: shape {data.shape}", f"its axes are {opened.dims}", "Reshape it"
        return
    if data.dtype.name != opened.dtype:
        yield f"{where}: {data.dtype.name}", f"its dtype is {opened.dtype}", "Convert or restate it"
    sizes = dict(zip(opened.dims, data.shape, strict=True))
    for axis, values in record.coords.items():
        if axis not in sizes or np.shape(values) != (sizes[axis],):
            rule = "a coordinate has one value for each index of its axis"
            yield f"{where}: coords[{axis!r}] {np.shape(values)}", rule, f"Axes: {sizes}"
        elif np.issubdtype(np.asarray(values).dtype, np.number) and not _monotonic(values):
            yield f"{where}: coords[{axis!r}]", "a numeric coordinate is monotonic", "Sort it"


def _damages(content: bytes) -> dict[str, bytes | None]:
    # An odd cut inside a line: a format of lines or of even-sized records must notice it.
    cut = len(content) // 2 | 1
    while cut > 1 and content[cut - 1 : cut + 1].count(b"\n"):
        cut -= 2
    return {
        "missing": None,
        "empty": b"",
        "cut": content[:cut],
        "random": random.Random(0).randbytes(len(content)),
        "text": _TEXT,
    }


def _refusal_fault(name: str, reader: type[Reader], path: Path) -> str:
    try:
        with _open(reader, path) as opened:
            for _ in opened:
                pass
    except ReadError as error:
        return _message_fault(name, reader, path, error)
    except Exception as error:  # any other error of the reader is a fault
        return f"it raises {type(error).__name__}: {error}"
    return "it is read without an error"


def _message_fault(name: str, reader: type[Reader], path: Path, error: ReadError) -> str:
    message = str(error)
    formats = [name, reader.__name__.removesuffix("Reader"), *reader.suffixes]
    if path.name not in message:
        return f"its message does not name the file: {message}"
    # The suffix in the name of the file does not count.
    letters = _letters(message.replace(path.name, ""))
    # The format of a missing file is unknown.
    if path.exists() and not any(_letters(word) in letters for word in formats):
        return f"its message does not name the format: {message}"
    return "" if error.rule and error.remedy else f"it gives no rule or no remedy: {message}"


def _write_faults(reader: type[Reader], path: Path) -> Iterator[tuple[str, str, str]]:
    def fail(record: Record) -> np.ndarray:
        raise ArithmeticError("the function fails")

    target = path.with_stem("target")
    attempts: dict[str, tuple[Callable[[Record], np.ndarray], type[Exception]]] = {
        "the function raises": (fail, ArithmeticError),
        "the shape changes": (lambda record: record.data[..., :-1], WriteError),
    }
    for attempt, (function, error_type) in attempts.items():
        raised = _rewrite_error(reader, path, target, function)
        if not isinstance(raised, error_type):
            yield f"{attempt}: {raised!r}", f"it raises {error_type.__name__}", "See Reader.rewrite"
        left = sorted(item.name for item in path.parent.iterdir() if item != path)
        for item in left:
            (path.parent / item).unlink()
        if left:
            rule = "a rewrite that fails leaves no file"
            yield (
                f"{attempt}: {', '.join(left)} is left",
                rule,
                "Use scionwood.authoring.atomic_path",
            )
    target.write_bytes(b"precious")
    raised = _rewrite_error(reader, path, target, lambda record: record.data)
    if not isinstance(raised, OutputExistsError) or target.read_bytes() != b"precious":
        rule = "an existing file stays and OutputExistsError is raised"
        yield f"the target exists: {raised!r}", rule, "Use scionwood.authoring.atomic_path"


def _rewrite_error(
    reader: type[Reader], path: Path, target: Path, function: Callable[[Record], np.ndarray]
) -> Exception | None:
    try:
        with _open(reader, path) as opened:
            opened.rewrite(target, function)
    except Exception as error:  # any other error of the reader is a fault
        return error
    return None


def _equal(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    # By bytes, so that NaN equals NaN.
    return [(x.shape, x.tobytes()) for x in left] == [(x.shape, x.tobytes()) for x in right]


def _monotonic(values: np.ndarray) -> bool:
    steps = np.diff(values)
    return bool((steps >= 0).all() or (steps <= 0).all())


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
