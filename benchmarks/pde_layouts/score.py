"""Open files as a user would, and compare them with what their own libraries read."""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path

import numpy as np
import xarray as xr
from made import Layout, load
from runner import read, write

import scionwood_pde as pde
from scionwood import ScionwoodError

COLUMNS = ("file", "layout", "writer", "result", "right", "fields", "difference", "wrong", "words")
CLOSE = 1e-5
"""Relative difference of points that counts as equal; some libraries store them in float32."""


def main(folder: Path, only: list[str] | None, *, before: bool) -> int:
    """Write the table; return 1 if no file was found."""
    path = "pde_layouts_before" if before else "pde_layouts"
    rows = {row["file"]: row for row in read(path)}
    files = [m for m in load(folder) if not only or any(word in m.file for word in only)]
    for file in files:
        rows[file.file] = row_of(folder, file)
        print(file.file, rows[file.file]["result"], rows[file.file]["right"], flush=True)
    write(path, [rows[name] for name in sorted(rows)], COLUMNS)
    right = sum(row["right"] == "yes" for row in rows.values())
    print(f"{right} of {len(rows)} right")
    return int(not files)


def row_of(folder: Path, layout: Layout) -> dict[str, str]:
    """Open a file, first without a word, then with what its refusal asks for."""
    row = {"file": layout.file, "layout": layout.layout, "writer": layout.writer}
    message = words = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            try:
                states = pde.open_states(folder / layout.file)
                states[0, 0].load()
            except ScionwoodError as error:
                message = words = _plain(error)
                options = layout.options if re.search(layout.reason or "$^", message) else {}
                if not options or not layout.values:
                    raise
                states = pde.open_states(folder / layout.file, **options)
            row |= compare(states, layout, with_options=bool(message))
        except ScionwoodError as error:
            words = _plain(error)
            right = layout.reason and not layout.values and re.search(layout.reason, words)
            row |= {"result": "refused", "right": "yes" if right else "no"}
        except Exception as error:  # a fault of a reader is a result here
            words = f"{type(error).__name__}: {error}".splitlines()[0]
            row |= {"result": "failed", "right": "no"}
    warnings_of_file = {str(item.message) for item in caught if folder.name in str(item.filename)}
    row["words"] = " ".join([words, *sorted(warnings_of_file)]).strip()
    return row


def compare(states: xr.DataArray, layout: Layout, *, with_options: bool) -> dict[str, str]:
    """Return the differences of states from what the library of their file reads."""
    wrong = [f"{name} lacks" for name in layout.values if name not in states["channel"].values]
    wrong += [] if layout.values else ["read, and should be refused"]
    wrong += ["no word about what is left out"] if layout.reason and not with_options else []
    largest, count = 0.0, 0
    for name, values in layout.values.items():
        if name not in states["channel"].values:
            continue
        channel_values = states.sel(channel=name).values
        if channel_values.shape != np.broadcast_shapes(channel_values.shape, values.shape):
            wrong.append(f"{name} is {channel_values.shape}, not {values.shape}")
            continue
        count += 1
        apart = np.where(
            np.isnan(channel_values) & np.isnan(values), 0.0, np.abs(channel_values - values)
        )
        largest = max(largest, float(np.nan_to_num(apart, nan=np.inf).max()))
    extra = sorted(set(states["channel"].values) - layout.values.keys())
    wrong += [f"{name} is no field" for name in extra if layout.values]
    wrong += [f"{axis} differs" for axis in layout.points if not _points(states, layout, axis)]
    units = dict(zip(states["channel"].values, states["unit"].values, strict=True))
    units |= {
        axis: states[axis].attrs["units"]
        for axis in ("time", "x", "y", "z")
        if axis in states.coords
    }
    wrong += [f"unit of {n}: {units.get(n)}" for n, u in layout.units.items() if units.get(n) != u]
    for axis, kind in layout.boundary.items():
        own_kind = states[axis].attrs["boundary"] if axis in states.coords else "none"
        wrong += [] if own_kind == kind else [f"boundary of {axis}: {own_kind}"]
    right = not wrong and largest <= layout.rounding
    option = f", {', '.join(layout.options)}" if with_options else ""
    return {
        "result": f"read{option}",
        "right": "yes" if right else "no",
        "fields": f"{count} of {len(layout.values)}",
        "difference": f"{largest:.2g}",
        "wrong": "; ".join(wrong),
    }


def _points(states: xr.DataArray, layout: Layout, axis: str) -> bool:
    if axis not in states.coords:
        return False
    points, expected = states[axis].values, layout.points[axis]
    extent = float(np.abs(expected).max()) or 1.0
    return points.shape == expected.shape and bool(
        np.abs(points - expected).max() <= CLOSE * extent
    )


def _plain(error: Exception) -> str:
    """Return the words of an error without the folder of its file."""
    return re.sub(r"\S*/(?=[^/\s]+: )", "", " ".join(str(error).split()))


if __name__ == "__main__":
    sys.exit("python benchmarks/pde_layouts read FOLDER")
