"""A file of another program, and what the library that wrote it says is in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

SPACE = ("x", "y", "z")
ORDER = ("sample", "time", *SPACE)


@dataclass(frozen=True)
class Layout:
    """A file, and what its own library reads from it.

    Attributes:
        file: its name in the folder.
        layout: the format, and what is special in this file.
        writer: the package that wrote it, with its version; `sample of` if the package ships it.
        values: (sample, time, x, y, z) of each field, by the name that a user should see; fewer
            axes of space if the file has fewer. Empty if the file has to be refused.
        points: the points of `time`, `x`, `y`, `z`, where the library has them.
        units: units of axes and fields, where the library has them.
        boundary: the boundary of axes, where the library has it.
        options: what the user has to add after the first refusal, such as `axes`.
        reason: a pattern in the words of the right refusal. With `values`, the file is first
            refused with it, and then read with `options`.
        rounding: largest difference that the layout implies, such as of means over two faces.
    """

    file: str
    layout: str
    writer: str
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    points: Mapping[str, np.ndarray] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    boundary: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    rounding: float = 0.0

    def save(self, folder: Path) -> None:
        """Write the values that are expected beside the file."""
        truth, stem = folder / "truth", self.file.replace("/", "_")
        truth.mkdir(exist_ok=True)
        arrays = {f"values/{name}": np.asarray(value) for name, value in self.values.items()}
        arrays |= {f"points/{axis}": np.asarray(value) for axis, value in self.points.items()}
        np.savez_compressed(truth / f"{stem}.npz", **arrays)
        words = {k: v for k, v in asdict(self).items() if k not in ("values", "points")}
        (truth / f"{stem}.json").write_text(json.dumps(words, indent=1), "utf-8")


def load(folder: Path) -> list[Layout]:
    """Return all files of a folder that `save` described, by name."""
    layouts = []
    for words in sorted((folder / "truth").glob("*.json")):
        groups: dict[str, dict[str, np.ndarray]] = {"values": {}, "points": {}}
        with np.load(words.with_suffix(".npz")) as arrays:
            for key in arrays:
                group, _, name = key.partition("/")
                groups[group][name] = arrays[key]
        layouts.append(Layout(**json.loads(words.read_text("utf-8")), **groups))
    return layouts


Maker = Callable[[Path], Layout]
"""A function that writes a file into a folder with the library that owns its layout."""


def by(package: str) -> str:
    """Return the name of an installed package with its version."""
    return f"{package} {version(package)}"


def states(array: Any, dims: str) -> np.ndarray:
    """Return an array in the order (sample, time, x, y, z), with a length of 1 where an axis lacks.

    Args:
        array: the array.
        dims: its axes in order, such as `time z y x`.
    """
    axes_of_array = dims.split()
    axes = [axis for axis in ORDER if axis in axes_of_array]
    ordered = np.asarray(array).transpose([axes_of_array.index(axis) for axis in axes])
    space = [axis for axis in SPACE if axis in axes_of_array]
    order = ("sample", "time", *space)
    return ordered[tuple(slice(None) if axis in axes else None for axis in order)]
