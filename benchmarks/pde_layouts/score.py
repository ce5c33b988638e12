"""Open files as a user would, and compare them with what their own libraries read."""

from __future__ import annotations

import csv
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import xarray as xr
from made import Made, load

import scionwood_pde as pde
from scionwood import ScionwoodError

RESULTS = Path(__file__).parents[1] / "results"
COLUMNS = ("file", "layout", "writer", "result", "right", "fields", "difference", "wrong", "words")
CLOSE = 1e-5
"""Relative difference of points that counts as equal; some libraries store them in float32."""


def main(folder: Path, only: list[str] | None, *, before: bool) -> int:
    """Write the table; return 1 if no file was found."""
    path = RESULTS / f"pde_layouts{'_before' if before else ''}.csv"
    rows: dict[str, dict[str, str]] = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = {row["file"]: row for row in csv.DictReader(file)}
    found = [m for m in load(folder) if not only or any(word in m.file for word in only)]
    for made in found:
        rows[made.file] = row_of(folder, made)
        print(made.file, rows[made.file]["result"], rows[made.file]["right"], flush=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[name] for name in sorted(rows))
    right = sum(row["right"] == "yes" for row in rows.values())
    print(f"{right} of {len(rows)} right")
    return int(not found)


def row_of(folder: Path, made: Made) -> dict[str, str]:
    """Open a file, first without a word, then with what its refusal asks for."""
    row = {"file": made.file, "layout": made.layout, "writer": made.writer}
    said = words = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            try:
                states = pde.open_states(folder / made.file)
                states[0, 0].load()
            except ScionwoodError as error:
                said = words = _plain(error)
                asked = made.options if re.search(made.reason or "$^", said) else {}
                if not asked or not made.values:
                    raise
                states = pde.open_states(folder / made.file, **asked)
            row |= compare(states, made, asked=bool(said))
        except ScionwoodError as error:
            words = _plain(error)
            right = made.reason and not made.values and re.search(made.reason, words)
            row |= {"result": "refused", "right": "yes" if right else "no"}
        except Exception as error:  # a fault of a reader is a result here
            words = f"{type(error).__name__}: {error}".splitlines()[0]
            row |= {"result": "failed", "right": "no"}
    told = {str(each.message) for each in caught if folder.name in str(each.filename)}
    row["words"] = " ".join([words, *sorted(told)]).strip()
    return row


def compare(states: xr.DataArray, made: Made, *, asked: bool) -> dict[str, str]:
    """Return the differences of states from what the library of their file reads."""
    wrong = [f"{name} lacks" for name in made.values if name not in states["channel"].values]
    wrong += [] if made.values else ["read, and should be refused"]
    wrong += ["no word about what is left out"] if made.reason and not asked else []
    largest, kept = 0.0, 0
    for name, values in made.values.items():
        if name not in states["channel"].values:
            continue
        own = states.sel(channel=name).values
        if own.shape != np.broadcast_shapes(own.shape, values.shape):
            wrong.append(f"{name} is {own.shape}, not {values.shape}")
            continue
        kept += 1
        apart = np.where(np.isnan(own) & np.isnan(values), 0.0, np.abs(own - values))
        largest = max(largest, float(np.nan_to_num(apart, nan=np.inf).max()))
    extra = sorted(set(states["channel"].values) - made.values.keys())
    wrong += [f"{name} is no field" for name in extra if made.values]
    wrong += [f"{axis} differs" for axis in made.points if not _points(states, made, axis)]
    units = dict(zip(states["channel"].values, states["unit"].values, strict=True))
    units |= {
        axis: states[axis].attrs["units"]
        for axis in ("time", "x", "y", "z")
        if axis in states.coords
    }
    wrong += [f"unit of {n}: {units.get(n)}" for n, u in made.units.items() if units.get(n) != u]
    for axis, kind in made.boundary.items():
        own_kind = states[axis].attrs["boundary"] if axis in states.coords else "none"
        wrong += [] if own_kind == kind else [f"boundary of {axis}: {own_kind}"]
    right = not wrong and largest <= made.rounding
    option = f", {', '.join(made.options)}" if asked else ""
    return {
        "result": f"read{option}",
        "right": "yes" if right else "no",
        "fields": f"{kept} of {len(made.values)}",
        "difference": f"{largest:.2g}",
        "wrong": "; ".join(wrong),
    }


def _points(states: xr.DataArray, made: Made, axis: str) -> bool:
    if axis not in states.coords:
        return False
    own, wanted = states[axis].values, made.points[axis]
    extent = float(np.abs(wanted).max()) or 1.0
    return own.shape == wanted.shape and bool(np.abs(own - wanted).max() <= CLOSE * extent)


def _plain(error: Exception) -> str:
    """Return the words of an error without the folder of its file."""
    return re.sub(r"\S*/(?=[^/\s]+: )", "", " ".join(str(error).split()))


if __name__ == "__main__":
    sys.exit("python benchmarks/pde_layouts read FOLDER")
