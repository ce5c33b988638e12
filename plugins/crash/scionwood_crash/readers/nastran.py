"""Parse shells of Nastran and OptiStruct bulk data, with their properties and numbers.

meshio loses the property of elements beside others that have none, and stops at shells with an
angle or an offset.

Source: MSC Nastran, "Quick Reference Guide", bulk data entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import meshio
import numpy as np

from scionwood import ReadError

SHELLS = {"CQUAD4": 4, "CTRIA3": 3, "CQUADR": 4, "CTRIAR": 3}
_MIDSIDE = ("CQUAD8", "CTRIA6", "CQUAD")
_EXPONENT = re.compile(r"(?<=[0-9.])([+-][0-9]+)$")


def read_nastran(path: Path) -> meshio.Mesh:
    """Return nodes and shells of bulk data, with `part_id` and, from PSHELL, `thickness`.

    The mesh also has `points_id` and `cells_id`, the numbers of the file, and `others`, the number
    of other elements by name. An element without property belongs to part 1.

    Args:
        path: the file.

    Raises:
        ReadError: ENDDATA is missing, a card is damaged, a node lies in other coordinates, the file
            includes another, or an element has midside nodes or thicknesses of its corners.
    """
    points: dict[int, list[float]] = {}
    blocks: dict[str, list[list[int]]] = {"quad": [], "triangle": []}
    thickness: dict[int, float] = {}
    others: dict[str, int] = {}
    for number, name, fields in _entries(path):
        try:
            if name == "GRID":
                _plain(path, fields)
                points[int(fields[0])] = [_float(field) for field in fields[2:5]]
            elif name in SHELLS:
                kind = "quad" if SHELLS[name] == 4 else "triangle"
                element, nodes = (
                    int(fields[0]),
                    [int(field) for field in fields[2 : 2 + SHELLS[name]]],
                )
                blocks[kind].append([element, int(fields[1] or 1), *nodes])
            elif name == "PSHELL":
                thickness[int(fields[0])] = _float(fields[2])
            elif name in _MIDSIDE or name == "INCLUDE":
                _refuse(path, name)
            elif _is_element(name):
                others[name] = others.get(name, 0) + 1
        except (ValueError, IndexError) as error:
            rule = f"Nastran: line {number} ({name}) cannot be read ({error})"
            raise ReadError(str(path), rule, "Is it truncated? Copy it again") from error
    return _mesh(path, points, blocks, thickness, others)


def _mesh(
    path: Path,
    points: dict[int, list[float]],
    blocks: dict[str, list[list[int]]],
    thickness: dict[int, float],
    others: dict[str, int],
) -> meshio.Mesh:
    place = {number: at for at, number in enumerate(points)}
    cells, data, ids = [], {"part_id": [], "thickness": []}, []  # type: ignore[var-annotated]
    for kind, rows in blocks.items():
        if not rows:
            continue
        table = np.array(rows, np.int64)
        missing = sorted(set(table[:, 2:].ravel().tolist()) - place.keys())
        if missing:
            rule = f"Nastran: node {missing[0]} of an element does not exist"
            raise ReadError(str(path), rule, "Is it truncated, or is an include missing?")
        nodes = np.array([[place[node] for node in row[2:]] for row in rows], np.int64)
        cells.append((kind, nodes))
        ids.append(table[:, 0])
        data["part_id"].append(table[:, 1])
        data["thickness"].append(np.array([thickness.get(part, 0.0) for part in table[:, 1]]))
    nonzero = {
        name: values for name, values in data.items() if any(block.any() for block in values)
    }
    mesh: Any = meshio.Mesh(
        np.array(list(points.values())).reshape(-1, 3), cells, cell_data=nonzero
    )
    mesh.points_id, mesh.cells_id = np.array(list(points), np.int64), ids
    mesh.others = others
    return mesh


def _entries(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Yield line, name and fields of each entry up to ENDDATA; a field without text is empty."""
    lines = path.read_text("latin-1").split("\n")  # 0x85, three dots of Windows, ends no line
    begin = [at for at, line in enumerate(lines) if line.strip().upper().startswith("BEGIN BULK")]
    at, entries = (begin[0] + 1 if begin else 0), 0
    while at < len(lines):
        line = lines[at].split("$")[0].rstrip()
        at += 1
        if line.strip().upper().startswith("ENDDATA"):
            if not entries:
                break
            return
        if not line.strip() or line.startswith(("+", "*", " ", "//", "#")):
            continue  # a continuation: what is read here lies on the first lines of an entry
        fields = _fields(line, lines[at] if at < len(lines) else "")
        name = fields[0].rstrip("*").upper()
        if name in SHELLS and _has_numbers(_continuations(lines, at)["*" in line[:8] :]):
            rule = f"Nastran: line {at} ({name}) goes on with thicknesses of its corners"
            raise ReadError(str(path), rule, "State the thickness in PSHELL")
        entries += 1
        yield at, name, fields[1:]
    rule = "Nastran: it ends without a card after BEGIN BULK"
    rule = "Nastran: ENDDATA is missing" if entries else rule
    raise ReadError(str(path), rule, "Is it truncated? Copy it again")


def _continuations(lines: list[str], at: int) -> list[str]:
    """Return the lines that continue the entry before a line."""
    texts: list[str] = []
    for line in lines[at:]:
        text = line.split("$")[0].rstrip()
        if not text or text[0] not in "+* ,":
            return texts
        texts.append(text)
    return texts


def _has_numbers(lines: list[str]) -> bool:
    """Return whether a field of continuations is a number other than 0; markers are none."""
    fields = (field for line in lines for field in _fields(line, "")[1:])
    numbers = (field for field in fields if re.fullmatch(r"[+-]?[0-9.]+([ED+-].*)?", field.upper()))
    return any(_float(field) for field in numbers)


def _fields(line: str, following: str) -> list[str]:
    """Return the fields of an entry's first line: free, small or large format."""
    if "," in line:
        return [part.strip() for part in line.split(",")] + [""] * 8
    line = line.expandtabs(8)
    if "*" not in line[:8]:
        return [line[at : at + 8].strip() for at in range(0, 72, 8)]
    both = [line, following.expandtabs(8) if following.startswith("*") else ""]
    wide = [part[at : at + 16].strip() for part in both for at in range(8, 72, 16)]
    return [line[:8].strip(), *wide]


def _float(text: str) -> float:
    """Return a number of Nastran, such as `1.5-3` for 1.5e-3; an empty field is 0."""
    return float(_EXPONENT.sub(r"e\1", text.replace("D", "E").replace("d", "e")) or 0)


def _plain(path: Path, fields: list[str]) -> None:
    if int(fields[1] or 0):
        rule = f"Nastran: node {fields[0]} lies in the coordinate system {fields[1]}"
        raise ReadError(str(path), rule, "Export the nodes in the basic coordinate system")


def _refuse(path: Path, name: str) -> None:
    rule = f"Nastran: {name} is not supported"
    remedy = "Write the model out as one file, with shells of three and four nodes"
    raise ReadError(str(path), rule, remedy)


def _is_element(name: str) -> bool:
    kinds = ("CBAR", "CBEAM", "CBUSH", "CHEXA", "CTETRA", "CPENTA", "CPYRA", "CROD", "CELAS")
    return name.startswith((*kinds, "CONM", "CGAP", "CSHEAR", "CTUBE", "CWELD", "CFAST"))
