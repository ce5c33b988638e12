"""Units and signs of labels, tested by their slope against the frozen model.

A trained model of the same physics has forces and stress of about the size of the labels. Labels
in other units lie on a line of another slope, and those of the other sign on a falling one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scionwood_atoms.data.labels import LabelError

FORCES: Mapping[float, str] = {
    1.0: "",
    -1.0: "the other sign, as gradients have",
    1 / 51.422: "Hartree/bohr; multiply by 51.422",
    23.061: "kcal/mol/A; divide by 23.061",
    96.485: "kJ/mol/A; divide by 96.485",
}
"""Slopes of forces and what they mean; CODATA 2018."""

ENERGY: Mapping[float, str] = {
    1.0: "",
    -1.0: "the other sign",
    1 / 27.2114: "Hartree; multiply by 27.2114",
    23.061: "kcal/mol; divide by 23.061",
    96.485: "kJ/mol; divide by 96.485",
}
"""Slopes of energies within a composition."""

STRESS: Mapping[float, str] = {
    1.0: "",
    -1.0: "the other sign; positive is tension",
    160.2177: "GPa; divide by 160.2177",
    -160.2177: "GPa of the other sign; divide by -160.2177",
    1602.177: "kbar; divide by 1602.177",
    -1602.177: "kbar of VASP, whose sign is the other; divide by -1602.177",
}
"""Slopes of stress; 1 eV/A^3 is 160.2177 GPa."""

COSINE_LIMIT = 0.5
"""The cosine below which labels and predictions are too unlike for a slope to mean anything."""


def slope(labels: np.ndarray, predictions: np.ndarray) -> tuple[float, float]:
    """Return the slope of labels against predictions through zero, and their cosine.

    Args:
        labels: any shape.
        predictions: of the same shape and unit.

    Example:
        >>> import numpy as np
        >>> slope(np.array([2.0, 4.0]), np.array([1.0, 2.0]))
        (2.0, 1.0)
    """
    both, size = float((labels * predictions).sum()), float(np.square(predictions).sum())
    if not size or not labels.any():
        return 0.0, 0.0
    return both / size, round(both / (np.linalg.norm(labels) * size**0.5), 12)


def check_scale(
    name: str, labels: np.ndarray, predictions: np.ndarray, meanings: Mapping[float, str]
) -> None:
    """Refuse labels that lie on the slope of another unit or sign.

    Args:
        name: what the labels are, such as `forces`.
        labels: any shape.
        predictions: those of the frozen model, of the same shape.
        meanings: slopes and what they mean, such as `FORCES`.

    Raises:
        LabelError: the nearest slope is not 1.

    Source: this project; the tests turn and scale labels of acetylacetone.

    Example:
        >>> import numpy as np
        >>> from scionwood_atoms.data.scale import STRESS, check_scale
        >>> check_scale("stress", np.array([0.3, 0.4]), np.array([0.3, 0.5]), STRESS)
    """
    ratio, cosine = slope(labels, predictions)
    if abs(cosine) < COSINE_LIMIT:
        return
    candidates = [factor for factor in meanings if factor * ratio > 0]
    if not candidates:
        return
    nearest = min(candidates, key=lambda factor: abs(np.log(ratio / factor)))
    if nearest != 1:
        rule = f"their slope against the frozen model is {ratio:.4g}, that of {meanings[nearest]}"
        raise LabelError(name, rule, "Convert the labels to eV, A and the sign of ase")
