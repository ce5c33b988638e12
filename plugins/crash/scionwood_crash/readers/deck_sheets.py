"""The sheets of a deck: their elastic constants, and Ludwik's law fitted to their hardening."""

from __future__ import annotations

import numpy as np

from scionwood_crash.parts.mesh import ShellMesh
from scionwood_crash.readers.deck_content import Deck
from scionwood_crash.readers.deck_table import DeckRow

LARGEST = 0.5
"""Plastic strain up to which a curve is fitted."""
_SAME = ("young", "poisson", "density", "rate", "rate_exponent")


def sheets_of(deck: Deck, mesh: ShellMesh) -> dict[str, float]:
    """Return the material of each part with shells, by our own names, in the units of the deck.

    The first part with a yield stress is `material_...`, the numbers of the others follow those of
    the parts. A rigid or elastic part has no yield stress, and gets that of the first.
    """
    curves = {int(r["number"]): _points(r) for r in deck.records if r.kind == "curve"}
    materials = {
        int(record["number"]): sheet_of(record, curves)
        for record in deck.records
        if record.kind in ("material", "rigid")
    }
    parts = np.unique(mesh.part_ids).tolist()
    sheets = [materials.get(deck.materials.get(part, 0), {}) for part in parts]
    plastic = next((sheet for sheet in sheets if "yield_stress" in sheet), None)
    if plastic is None:
        return {}
    filled = [sheet if "yield_stress" in sheet else plastic for sheet in sheets]
    features = {f"material_{name}": value for name, value in filled[0].items()}
    if any(sheet != filled[0] for sheet in filled):
        for at, sheet in enumerate(filled[1:], 2):
            features |= {f"material_{at}_{name}": value for name, value in sheet.items()}
    return features


def sheet_of(record: DeckRow, curves: dict[int, np.ndarray]) -> dict[str, float]:
    """Return the constants of a material; without plasticity it has no yield stress.

    Args:
        record: of the kind `material` or `rigid`.
        curves: (point, 2), plastic strain and stress, by number.
    """
    sheet = {name: record[name] for name in _SAME if record[name]}
    rows = curves.get(int(record["curve"]), np.zeros((0, 2)))
    if len(rows):
        rows = rows * (1.0, record["curve_scale"] or 1.0)
    elif record["s1"]:
        rows = np.array([(record[f"e{at}"], record[f"s{at}"]) for at in range(1, 9)])
        rows = rows[rows[:, 1] > 0]
    young = record["young"]
    if len(rows):
        a, b, n = ludwik(rows)
    elif "a" in record.values:
        a, b, n = record["a"], record["b"], record["n"] or 1.0
        if record["flag"]:  # Radioss: a is the yield stress, b the strength, n the strain at it
            a, b, n = ludwik(np.array([(0, a), (n, b)]))
    elif record["power"]:
        start = record["yield"] / young if 0 < record["yield"] / young < 0.1 else 0.002
        strains = np.linspace(0, LARGEST / 2, 20)
        stresses = record["power"] * (start + strains) ** record["exponent"]
        a, b, n = ludwik(np.stack([strains, stresses], 1))
    elif record["yield"]:
        tangent = record["tangent"]
        a, b, n = (
            record["yield"],
            tangent * young / (young - tangent) if tangent < young else 0,
            1.0,
        )
    else:
        return sheet
    return {**sheet, "yield_stress": a, "hardening": b, "exponent": n}


def ludwik(rows: np.ndarray) -> tuple[float, float, float]:
    """Return A, B and n of `A + B e^n` for points of a hardening curve.

    Args:
        rows: (point, 2), plastic strain and stress, in the order of the strain.
    """
    start = float(rows[0, 1])
    later = rows[(rows[:, 0] > 1e-6) & (rows[:, 0] <= LARGEST) & (rows[:, 1] > start * 1.0001)]
    if not len(later):
        return start, 0.0, 1.0
    if len(later) == 1:
        return start, float((later[0, 1] - start) / later[0, 0]), 1.0
    strain, more = np.log(later[:, 0]), np.log(later[:, 1] - start)
    n = float(np.clip(np.polyfit(strain, more, 1)[0], 0.05, 1.0))
    powers = later[:, 0] ** n  # the best factor for this exponent, by stress and not its logarithm
    return start, float(powers @ (later[:, 1] - start) / (powers @ powers)), n


def _points(record: DeckRow) -> np.ndarray:
    rows = np.array(record.rows, np.float64).reshape(-1, 2)
    scale = np.array([record["scale_x"] or 1.0, record["scale_y"] or 1.0])
    return np.asarray((rows + np.array([record["offset_x"], record["offset_y"]])) * scale)
