"""Reference energies: what moves labels of another code to the scale of a model.

Labels are total energies of a code; a model has energies of its own zero. The difference is a sum
over elements, n . E0. One composition fixes one number alone, and the least-squares solution of
minimal norm then spreads it over the elements: it fits the labels and fails on other molecules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from scionwood import ReadError, ScionwoodError
from scionwood.authoring import atomic_path, read_utf8, reading

FILE = "reference.json"  # The file of a run folder with its reference energies


def write_json(path: Path, card: Mapping[str, Any]) -> None:
    """Write a file of JSON, which replaces an old one when it is whole."""
    with atomic_path(path, overwrite=True) as part:
        part.write_text(json.dumps(card, indent=1) + "\n", "utf-8")


class OffsetError(ScionwoodError, ValueError):
    """The labels do not determine the reference energies of their elements."""


@final
@dataclass(frozen=True)
class Reference:
    """Energies that are subtracted from labels, in float64."""

    energies: Mapping[str, float]  # of each element, eV
    rank: int  # independent compositions that were seen
    rows: np.ndarray  # (rank, elements), an orthonormal basis of the compositions seen
    by_element: bool = True
    """Whether labels or isolated atoms fix the energy of each element. Otherwise the energies hold
    for combinations of the compositions seen, and for no others."""

    def of(self, composition: Mapping[str, int]) -> float:
        """Return the reference energy of a composition, eV; raise `OffsetError` without one."""
        unknown = sorted(composition.keys() - self.energies.keys())
        if unknown:
            rule = f"no label has it; known are {', '.join(self.energies)}"
            raise OffsetError(f"element {unknown[0]}", rule, "Add labels or its isolated atom")
        if not self.by_element and not self.is_seen(composition):
            rule = "the labels do not fix its energy: its composition is no combination of theirs"
            formula = "".join(f"{name}{count}" for name, count in sorted(composition.items()))
            raise OffsetError(formula, rule, "Fit with isolated atoms: data.isolated")
        return float(sum(count * self.energies[name] for name, count in composition.items()))

    def is_seen(self, composition: Mapping[str, int]) -> bool:
        """Return whether the labels fix the energy of a composition, up to the model's error."""
        if composition.keys() - self.energies.keys():
            return False
        counts = np.array([composition.get(name, 0) for name in self.energies], dtype=np.float64)
        outside = counts - self.rows.T @ (self.rows @ counts)
        return bool(np.linalg.norm(outside) <= 1e-9 * np.linalg.norm(counts))

    def write(self, folder: str | Path, more: Mapping[str, Any]) -> None:
        """Write the reference into a run folder."""
        card = {**asdict(self), "rows": self.rows.tolist(), **more}
        write_json(Path(folder) / FILE, card)

    @classmethod
    def read(cls, folder: str | Path) -> Reference:
        """Return the reference of a run folder.

        Raises:
            ReadError: the folder has no reference, or a damaged one.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            rule = "the run has no reference energies, so that it was not fitted to atoms/files"
            raise ReadError(str(path), rule, "Fit a run with data.name atoms/files")
        with reading(path, "reference energies"):
            card = json.loads(read_utf8(path))
            rows = np.asarray(card["rows"], dtype=np.float64)
            energies = {str(name): float(value) for name, value in card["energies"].items()}
            if rows.shape != (card["rank"], len(energies)):
                rule = f"its rows have the shape {rows.shape}"
                raise ReadError(str(path), rule, "Copy it again from the run")
            return cls(energies, int(card["rank"]), rows, bool(card["by_element"]))


def reference(
    compositions: Sequence[Mapping[str, int]],
    labels: Sequence[float],
    predictions: Sequence[float],
    *,
    isolated: Mapping[str, float] | None = None,
    by_element: bool = True,
) -> Reference:
    """Return reference energies for labels whose zero is not that of the model.

    The energies are the least-squares solution that is nearest to a prior, the label energies of
    isolated atoms less those of the model, eV. Without a prior the compositions must determine each
    element, or `OffsetError` is raised, unless `by_element` is false; see `Reference`.

    Source: `lstsq` of minimal norm is what MACE calls `E0s=average`; the prior is this project's.
    """
    names = sorted({name for composition in compositions for name in composition})
    counts = np.array([[c.get(name, 0) for name in names] for c in compositions], dtype=np.float64)
    gaps = np.asarray(labels, dtype=np.float64) - np.asarray(predictions, dtype=np.float64)
    if not np.isfinite(gaps).all():
        raise OffsetError("reference energies", "an energy is not finite", "Leave it out")
    _, singular, rows = np.linalg.svd(counts, full_matrices=False)
    rank = int((singular > 1e-9 * singular[0]).sum())
    missing = [name for name in names if name not in (isolated or {})]
    fixed = rank == len(names) or not missing
    if by_element and not fixed:
        word = "composition" if rank == 1 else "compositions"
        rule = (
            f"{len(names)} elements need as many, or the label energies of their isolated atoms: "
            f"{', '.join(missing)} missing"
        )
        remedy = (
            "Add isolated atoms of the same code and settings or other compositions; or set "
            "data.reference to composition, for energies of these compositions alone"
        )
        raise OffsetError(f"{rank} independent {word} of {', '.join(names)}", rule, remedy)
    prior = np.array([(isolated or {}).get(name, 0.0) for name in names])
    change = np.linalg.lstsq(counts, gaps - counts @ prior, rcond=1e-9)[0]
    energies = dict(zip(names, (prior + change).tolist(), strict=True))
    return Reference(energies, rank, rows[:rank], fixed)
