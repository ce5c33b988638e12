"""Units and signs of labels, tested by their slope against the frozen model.

A trained model of the same physics has forces and stress of about the size of the labels. Labels
in other units lie on a line of another slope, and those of the other sign on a falling one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np

from scionwood_atoms.data.labels import Frame, LabelError
from scionwood_atoms.model.potential import rms
from scionwood_atoms.model.reference import Reference

FORCES: Mapping[float, str] = {
    1.0: "",
    -1.0: "the other sign, as gradients have",
    1 / 51.422: "Hartree/bohr; multiply by 51.422",
    1 / 26.46: "Rydberg/bohr or Hartree/A; multiply by 25.711 or 27.2114",
    23.061: "kcal/mol/A; divide by 23.061",
    96.485: "kJ/mol/A; divide by 96.485",
}
"""Slopes of forces and what they mean; CODATA 2018."""

ENERGY: Mapping[float, str] = {
    1.0: "",
    -1.0: "the other sign",
    1 / 27.2114: "Hartree; multiply by 27.2114",
    1 / 13.6057: "Rydberg; multiply by 13.6057",
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
    1 / 183.631: "Hartree/bohr^3; multiply by 183.631",
    1 / 91.8155: "Rydberg/bohr^3; multiply by 91.8155",
    -1602.177: "kbar of VASP, whose sign is the other; divide by -1602.177",
}
"""Slopes of stress; 1 eV/A^3 is 160.2177 GPa."""

COSINE_LIMIT, RANDOM_LIMIT = 0.5, 0.9
"""Cosines below which labels and predictions, those of random weights last, are too unlike for a
slope to mean anything."""

SIZES: Mapping[str, tuple[float, float]] = {
    "forces": (0.6, 1.8),
    "energies": (1 / 3, 3.0),
    "stress": (1 / 3, 3.0),
}
"""Slopes of labels in eV and A against a frozen model; its forces are often a fifth too soft."""

RESIDUAL = 1.0
"""eV/atom: compositions that reference energies of one code leave further apart have two codes."""


def slope(labels: np.ndarray, predictions: np.ndarray) -> tuple[float, float]:
    """Return the slope of labels against predictions through zero, and their cosine."""
    both, size = float((labels * predictions).sum()), float(np.square(predictions).sum())
    if not size or not labels.any():
        return 0.0, 0.0
    return both / size, round(both / (np.linalg.norm(labels) * size**0.5), 12)


def check_scale(
    name: str,
    labels: np.ndarray,
    predictions: np.ndarray,
    meanings: Mapping[float, str],
    limit: float = COSINE_LIMIT,
) -> None:
    """Refuse labels that lie on the slope of another unit or sign; see `FORCES` for meanings.

    `predictions` are those of the frozen model, of the shape of the labels.
    """
    ratio, cosine = slope(labels, predictions)
    # A perfect crystal has no forces.
    if predictions.any() and not labels.any() and rms(predictions) > 1e-3:
        raise LabelError(name, "all of them are zero", "Export the labels of the code")
    if abs(cosine) < limit:
        return
    candidates = [factor for factor in meanings if factor * ratio > 0]
    if not candidates:
        return
    nearest = min(candidates, key=lambda factor: abs(np.log(ratio / factor)))
    if nearest != 1:
        rule = f"their slope against the frozen model is {ratio:.4g}, that of {meanings[nearest]}"
        raise LabelError(name, rule, "Convert the labels to eV, A and the sign of ase")
    low, high = SIZES.get(name.split(":")[-1].strip(), (1 / 3, 3.0))
    if not low < ratio < high and (cosine > 0.9 or not 1 / 3 < ratio < 3):
        rule = f"their slope against the frozen model is {ratio:.4g}, that of no unit known here"
        remedy = "Convert them to eV, A and totals of the structure; eV/bohr has 0.529"
        raise LabelError(name, rule, remedy)


def check_labels(
    frames: Sequence[Frame],
    energies: np.ndarray,
    forces: Sequence[np.ndarray],
    stresses: Sequence[np.ndarray],
    *,
    trained: bool = False,
) -> None:
    """Refuse labels whose unit, sign or order the frozen model contradicts, file by file.

    Predictions are (m,), eV, and m arrays (atom, 3), eV/A, and (3, 3), eV/A^3. Forces must resemble
    those of a model that was trained.
    """
    limit = COSINE_LIMIT if trained else RANDOM_LIMIT
    files: defaultdict[str, list[int]] = defaultdict(list)
    for at, frame in enumerate(frames):
        files[frame.path.name].append(at)
    for name, rows in files.items():
        sample = [frames[at] for at in rows]
        labels = np.concatenate([np.asarray(frame.structure.forces) for frame in sample])
        predicted = np.concatenate([forces[at] for at in rows])
        check_scale(f"{name}: forces", labels, predicted, FORCES, limit)
        _, cosine = slope(labels, predicted)
        if trained and cosine < 0.3 and rms(labels) > 0.5:
            rule = f"they do not resemble those of the frozen model (cosine {cosine:.2f})"
            remedy = "Check the order of the atoms, and that forces and places are of one step"
            raise LabelError(f"{name}: forces", rule, remedy)
        with_stress = [at for at in rows if frames[at].structure.stress is not None]
        if with_stress:
            tensors = np.stack([np.asarray(frames[at].structure.stress) for at in with_stress])
            model_tensors = np.stack([stresses[at] for at in with_stress])
            check_scale(f"{name}: stress", tensors, model_tensors, STRESS, limit)
            _check_order(f"{name}: stress", tensors, model_tensors)
        totals = np.array([frame.structure.energy for frame in sample], dtype=np.float64)
        centred, count = (totals, energies[rows].copy()), 0
        formulas = np.array([frame.structure.formula for frame in sample])
        for formula in set(formulas.tolist()):  # only differences have no reference
            count += 1
            for values in centred:
                values[formulas == formula] -= values[formulas == formula].mean()
        if len(rows) - count >= 8:
            check_scale(f"{name}: energies", *centred, ENERGY, limit)


def _check_order(name: str, labels: np.ndarray, predictions: np.ndarray) -> None:
    """Refuse off-diagonal parts in another order, such as xy yz zx of VASP."""
    shear = [part[:, [1, 0, 0], [2, 2, 1]] for part in (labels, predictions)]
    _, natural = slope(*shear)
    for order in permutations(range(3)):
        _, cosine = slope(shear[0][:, list(order)], shear[1])
        if cosine > 0.9 and natural < COSINE_LIMIT:
            words = " ".join(("yz", "xz", "xy")[at] for at in np.argsort(order))
            rule = f"its shear resembles the frozen model if it is read in the order {words}"
            raise LabelError(name, rule, "Write it in the order xx yy zz yz xz xy, or as nine")


def check_residuals(frames: Sequence[Frame], energies: np.ndarray, reference: Reference) -> None:
    """Refuse compositions that no reference energies of one code explain.

    The energies, (m,), eV, are those of the frozen model.
    """
    residuals: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for frame, energy in zip(frames, energies, strict=True):
        one = frame.structure
        gap = float(one.energy or 0.0) - energy - reference.of(frame.composition)
        residuals[frame.path.name, one.formula].append(gap / len(one.symbols))
    means = {key: float(np.median(values)) for key, values in residuals.items()}
    (name, formula), worst = max(means.items(), key=lambda item: abs(item[1]))
    if abs(worst) > RESIDUAL:
        rule = f"the energies of {formula} lie {worst:+.2f} eV an atom from those of one code"
        raise LabelError(name, rule, "Two codes or settings: fit each of them alone")
