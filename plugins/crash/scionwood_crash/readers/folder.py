"""Find the simulations in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np

from scionwood import ReadError

HISTORIES = (".pvd", ".vtp", ".vtkhdf", ".zarr", ".zip", ".d3plot")
"""Suffixes of files that hold a history."""
DECKS = (".k", ".key", ".dyn", ".rad")
MESHES = (*DECKS, ".vtu", ".vtk", ".inp", ".bdf", ".nas", ".fem", ".med")
_NUMBERED = re.compile(r"(.*?)(\d{3,})")
_TIME = re.compile(rb"\nTIME 1 1 double\n")
_STATE_FILE = re.compile(r"d3plot\d+$", re.IGNORECASE)


@final
@dataclass(frozen=True)
class DeckFiles:
    """What a folder holds.

    Attributes:
        runs: files with a history, sorted.
        meshes: files with a mesh alone, which no network learns from.
        others: all other files, but those that belong to a run.
    """

    runs: list[Path] = field(default_factory=list)
    meshes: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)


def find_runs(source: str | Path) -> DeckFiles:
    """Find the simulations below a folder, in a file, or by a pattern.

    A hidden file, and whatever lies inside a Zarr store, is left out. The states that a PVD file
    lists and the files of `global_features.json` belong to their run.

    Args:
        source: a folder, a file, or a pattern such as `runs/*/d3plot`.

    Raises:
        ReadError: nothing has that name.
    """
    text = str(source)
    path = Path(text)
    if path.is_dir() and not _store(path):
        return _sorted(_below(path))
    if path.exists():
        return DeckFiles(runs=[path])
    paths = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor)))) if text else []
    if not paths and not set("*?[") & set(text):
        rule = "nothing has that name, and no file matches it"
        raise ReadError(f"source {text!r}", rule, "Name a folder of simulations, or a pattern")
    return DeckFiles(runs=[path for path in paths if not _STATE_FILE.search(path.name)])


def files_of(path: Path) -> list[Path]:
    """Return the files of a run, sorted: of a Zarr store, of a d3plot with its states, of a PVD.

    Args:
        path: a file or a folder with a history.
    """
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    if path.name.lower().endswith("d3plot"):
        return sorted(path.parent.glob(f"{path.name}*"))
    if path.suffix == ".vtk":
        return numbered(path)
    if path.suffix.lower() == ".pvd":
        inside = [file for file in _below(path.parent) if _of(file, path.with_suffix(""))]
        return sorted({path, *inside})
    return [path]


def numbered(path: Path) -> list[Path]:
    """Return the files of which a name such as `crashA001.vtk` is the first, in order.

    A file that states no time, as those of `anim_to_vtk` do, or is not the first, stands alone.

    Args:
        path: a legacy VTK file.
    """
    name = _NUMBERED.fullmatch(path.stem)
    if name is None or stated_time(path) is None:
        return [path]
    matches = [(_NUMBERED.fullmatch(file.stem), file) for file in path.parent.glob("*.vtk")]
    family = sorted((int(m[2]), file) for m, file in matches if m and m[1] == name[1])
    return [file for _, file in family] if family and family[0][1] == path else [path]


def stated_time(path: Path) -> float | None:
    """Return the time that a legacy VTK file states at its beginning, or `None`."""
    with path.open("rb") as file:
        head = file.read(1024)
    match = _TIME.search(head)
    if match is None:
        return None
    if b"\nBINARY" in head[: match.start()]:
        return float(np.frombuffer(head, ">f8", 1, match.end())[0])
    return float(head[match.end() :].split(maxsplit=1)[0])


def _below(folder: Path) -> Iterable[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not _store(path):
            yield from _below(path)
        else:
            yield path


def _store(path: Path) -> bool:
    return path.is_dir() and (path.suffix == ".zarr" or any(path.glob(".zgroup")))


def _sorted(paths: Iterable[Path]) -> DeckFiles:
    listing = DeckFiles()
    all_paths = list(paths)
    states = {file for path in all_paths if path.suffix == ".vtk" for file in numbered(path)[1:]}
    collections = {path.with_suffix("") for path in all_paths if path.suffix.lower() == ".pvd"}
    for path in all_paths:
        suffix = ".d3plot" if path.name.lower().endswith("d3plot") else path.suffix.lower()
        listed = suffix in (".vtu", ".vtp") and any(
            _of(path, collection) for collection in collections
        )
        if path in states:
            continue
        if (suffix in HISTORIES and not listed) or (suffix == ".vtk" and len(numbered(path)) > 1):
            listing.runs.append(path)
        elif suffix in MESHES and not listed:
            listing.meshes.append(path)
        elif not listed and not _STATE_FILE.search(path.name) and suffix != ".json":
            listing.others.append(path)
    return listing


def _of(path: Path, collection: Path) -> bool:
    """Return whether a file is a state of a PVD file of that name."""
    folders = [collection.with_name(collection.name + end) for end in ("", ".frames", "_files")]
    inside = any(path.is_relative_to(folder) for folder in folders)
    sibling = path.parent == collection.parent and path.name.startswith(collection.name)
    return inside or sibling
