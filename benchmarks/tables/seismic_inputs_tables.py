"""Tables of further inputs of the field network: neighbouring slices, trace distance and count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from text import Row, Tables, read, table

VOLUMES = {
    "made_clean": "generated cube, clean, dB",
    "made_white": "+ white, dB",
    "cube_white_off": "field cube + white, dB",
    "cube_white_blend": "with the gate",
    "F3_white_off": "F3 + white, dB",
    "F3_white_blend": "with the gate",
    "cube_removed": "field cube: removed, %",
    "cube_next": "alike in the next inline",
    "F3_next": "F3: alike in the next inline",
    "alone": "event of one inline",
}
GATHERS = {
    "made_clean": "generated, clean, dB",
    "made_0dB": "0 dB",
    "made_few_0dB": "0 dB, few traces",
    "viking_white": "Viking + white, dB",
    "viking_band": "+ band",
    "viking_FORGE": "+ FORGE",
}
NAMES = {"neighbours": "three slices (2.5D)"}
AMPLITUDES = ("cube_next", "F3_next", "alone")
"""Numbers between 0 and 1; the others are in dB or in percent."""


def inputs_volumes() -> str:
    """Neighbouring slices against one slice, at equal seconds of training."""
    return _rows("volumes", VOLUMES)


def inputs_gathers() -> str:
    """A network that is told trace distance and trace count against one that is not."""
    return _rows("gathers", GATHERS)


def _rows(group: str, columns: Mapping[str, str]) -> str:
    rows = [row for row in read("seismic_inputs") if row["group"] == group]
    lines = []
    for seconds, variant in sorted({(float(r["seconds"]), r["variant"]) for r in rows}, key=_order):
        some = [r for r in rows if (float(r["seconds"]), r["variant"]) == (seconds, variant)]
        cells = [_cell(some, name) for name in columns]
        name = NAMES.get(variant, variant)
        lines.append([name, f"{seconds:g}", str(len(some)), *cells])
    return table(["network", "trained, s", "seeds", *columns.values()], lines)


def _order(key: tuple[float, str]) -> tuple[float, bool, str]:
    seconds, variant = key
    return seconds, variant.startswith(("neighbours", "told")), variant


def _cell(rows: Sequence[Row], name: str) -> str:
    """Return the mean over seeds, and how far the seeds are from it."""
    values = [float(row[name]) for row in rows]
    middle, digits = fmean(values), 2 if name in AMPLITUDES or abs(fmean(values)) < 20 else 1
    if len(values) < 2:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ± {(max(values) - min(values)) / 2:.{digits}f}"


TABLES: Tables = {"inputs_volumes": inputs_volumes, "inputs_gathers": inputs_gathers}
