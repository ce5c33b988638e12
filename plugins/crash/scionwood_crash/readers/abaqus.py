"""Read the shells of Abaqus and CalculiX decks through meshio, which knows few of their elements.

Source: meshio 5.3; CalculiX CrunchiX user's manual: *ELEMENT, *ELSET.
"""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import meshio

from scionwood import ReadError

_TYPES: dict[str, str] = meshio.abaqus._abaqus.abaqus_to_meshio_type
_SHELLS = {name for name, kind in _TYPES.items() if kind in ("triangle", "quad")}
_MIDSIDE = {name for name, kind in _TYPES.items() if kind in ("triangle6", "quad8", "quad9")}
_MIDSIDE |= {"S6", "S8"}
LARGEST_SET = 10_000_000
"""Numbers in a generated set at most, which bounds the memory of a damaged deck."""

Block = tuple[int, list[str]]
"""The number of a keyword's line, from 1, and its lines."""


def read_abaqus(path: Path) -> Any:
    """Return the shells of three and four nodes as a mesh of meshio.

    Other elements are left out with a warning, and sets of nodes in silence.

    Args:
        path: the deck, without includes.

    Raises:
        ReadError: it has no nodes, no such shells, or shells with midside nodes, or an element
            has no type.
    """
    blocks = list(_blocks(path))
    others: Counter[str] = Counter()
    for number, lines in blocks:
        if _keyword(lines) == "ELEMENT":
            kind = _kind(path, number, lines)
            others[kind] += kind not in _SHELLS
    if not any(_keyword(lines) == "NODE" for _, lines in blocks):
        rule = "Abaqus: it has no *NODE: a part of a model, or the restart of another run"
        raise ReadError(str(path), rule, "Name the main deck, written out as one file")
    _check(path, others)
    text = "".join(_readable_lines(path, blocks))
    left = ", ".join(sorted(kind for kind, count in others.items() if count))
    if left:
        warnings.warn(f"{path.name}: elements of type {left} are left out", stacklevel=2)
    return meshio.abaqus._abaqus.read_buffer(io.StringIO(text))


def _blocks(path: Path) -> Iterator[Block]:
    lines: list[str] = []
    start = 1
    for number, line in enumerate(path.read_text("latin-1").splitlines(keepends=True), 1):
        if line.startswith("**"):
            continue
        if line.startswith("*") and lines:
            yield start, lines
            start, lines = number, []
        lines.append(line)
    if lines:
        yield start, lines


def _keyword(lines: list[str]) -> str:
    return lines[0].partition(",")[0].strip().replace("*", "").upper()


def _options(lines: list[str]) -> dict[str, str]:
    """Return the options of a keyword, such as `TYPE`."""
    pairs = (entry.partition("=") for entry in lines[0].split(",")[1:])
    return {name.strip().upper(): value.strip() for name, _, value in pairs}


def _kind(path: Path, number: int, lines: list[str]) -> str:
    kind = _options(lines).get("TYPE", "").upper()
    if not kind:
        rule = f"Abaqus: the elements of line {number} have no TYPE"
        raise ReadError(str(path), rule, "Is it damaged? Copy it again")
    return kind


def _check(path: Path, others: Counter[str]) -> None:
    shells = [kind for kind in others if kind in _SHELLS]
    midside = sorted(_MIDSIDE & set(others))
    if midside:
        rule = f"Abaqus: it has shells with midside nodes ({', '.join(midside)})"
        raise ReadError(str(path), rule, "Mesh with shells of three and four nodes")
    if others and not shells:
        rule = f"Abaqus: it has no shells, only elements of type {', '.join(sorted(others))}"
        raise ReadError(str(path), rule, "Only thin shells of three and four nodes can be read")


def _readable_lines(path: Path, blocks: list[Block]) -> Iterator[str]:
    """Yield the lines that meshio can read: all nodes as one block, shells, and sets of shells."""
    nodes = [line for _, lines in blocks if _keyword(lines) == "NODE" for line in lines[1:]]
    yield from ["*NODE\n", *nodes] if nodes else []
    set_names: set[str] = set()
    for number, lines in blocks:
        keyword, options = _keyword(lines), _options(lines)
        if keyword == "ELEMENT" and options["TYPE"].upper() in _SHELLS:
            set_name = options.get("ELSET", "")
            set_names.add(set_name)
            ending = f", ELSET={set_name}" if set_name else ""
            yield f"*ELEMENT, TYPE={options['TYPE'].upper()}{ending}\n"
            yield from lines[1:]
        if keyword == "ELSET" and options.get("ELSET"):
            rows = list(_members(path, number, lines, "GENERATE" in options, set_names))
            set_names.add(options["ELSET"])
            yield f"*ELSET, ELSET={options['ELSET']}\n"
            yield from rows


def _members(
    path: Path, number: int, lines: list[str], generate: bool, set_names: set[str]
) -> Iterator[str]:
    """Yield the lines of a set: numbers, and names of sets that are kept."""
    for line in lines[1:]:
        fields = [field.strip() for field in line.split(",") if field.strip()]
        if generate and all(field.isdigit() for field in fields) and len(fields) in (2, 3):
            first, last, step = (*map(int, fields), 1)[:3]
            if not step or (last - first) // step > LARGEST_SET:
                rule = f"Abaqus: the set of line {number} generates {line.strip()}"
                raise ReadError(str(path), rule, f"A set has at most {LARGEST_SET} members")
            yield from (f"{member}\n" for member in range(first, last + 1, step))
        elif fields and fields[0].isdigit():
            yield line if line.endswith("\n") else f"{line}\n"
        else:
            yield from (f"{field}\n" for field in fields if field in set_names)
