"""Look at labels before any training: `scionwood atoms inspect`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from scionwood.authoring import InputPath, prints

if TYPE_CHECKING:
    from scionwood_atoms.data.labels import Frame, Labels


@final
@dataclass(frozen=True)
class Inspection:
    """What labels hold.

    Attributes:
        frames: the number of frames in all files.
        compositions: the number of frames by formula.
        rank: the number of independent compositions.
        elements: the elements.
        isolated: the label energies of isolated atoms, eV.
        dropped: how many frames a fit would leave out, by reason.
        theory: what the comment lines state of the level of theory.
        largest_force: the largest component, eV/A.
        largest_net_force: the largest component of the sum over a structure, eV/A.
        with_stress: the number of frames with a stress.
        refusal: why a fit would refuse the labels; empty if it would not.
    """

    frames: int
    compositions: dict[str, int]
    rank: int
    elements: list[str]
    isolated: dict[str, float]
    dropped: dict[str, int]
    theory: dict[str, str]
    largest_force: float
    largest_net_force: float
    with_stress: int
    refusal: str


def _print_inspection(inspection: Inspection, *, json: bool = False) -> int:
    """Print what labels hold; the exit code is 1 if a fit would refuse them.

    Args:
        inspection: the result.
        json: print JSON.
    """
    from dataclasses import asdict
    from json import dumps

    from scionwood.authoring import print_table

    if json:
        print(dumps(asdict(inspection), indent=1))
        return int(bool(inspection.refusal))
    formulas = [f"{name} x {count}" for name, count in inspection.compositions.items()]
    more = f", and {len(formulas) - 8} more" if len(formulas) > 8 else ""
    atoms = [f"{name} {energy:.3f}" for name, energy in inspection.isolated.items()]
    rows = [
        ["frames", str(inspection.frames)],
        ["compositions", ", ".join(formulas[:8]) + more],
        ["independent compositions", f"{inspection.rank} of {len(inspection.elements)} elements"],
        ["isolated atoms, eV", ", ".join(atoms) or "none"],
        ["largest force, eV/A", f"{inspection.largest_force:.3f}"],
        ["largest net force, eV/A", f"{inspection.largest_net_force:.3g}"],
        ["frames with stress", str(inspection.with_stress)],
        [
            "level of theory",
            ", ".join(f"{k}={v}" for k, v in inspection.theory.items()) or "not stated",
        ],
        *([f"dropped: {reason}", str(count)] for reason, count in inspection.dropped.items()),
    ]
    print_table(["labels", ""], rows)
    print(f"refused: {inspection.refusal}" if inspection.refusal else "a fit takes these labels")
    return int(bool(inspection.refusal))


@prints(_print_inspection)
def inspect(
    structures: list[InputPath],
    *,
    base: str = "sevennet/0",
    energy: str = "energy",
    forces: str = "forces",
) -> Inspection:
    """Print what labels hold, and whether a fit would take them.

    The exit status is 1 if it would refuse them, with the reason. Units and signs are compared
    with the frozen base.

    Args:
        structures: extended XYZ files, those of isolated atoms among them.
        base: the potential that a fit would start from, such as `sevennet/0` or `chgnet/0.3.0`.
        energy: the key of the energy in the comment lines.
        forces: the column of the forces.

    Returns:
        What the labels hold.

    Raises:
        ReadError: a file is damaged.
        RecipeError: there is no such base.

    Example:
        >>> from pathlib import Path
        >>> import scionwood
        >>> from scionwood_atoms import inspect
        >>> scionwood.load("readers", "atoms/extxyz").write_sample(Path("labels.xyz"))
        >>> inspect([Path("labels.xyz")], base="sevennet/tiny").compositions
        {'H2O': 1, 'Si2': 1}
    """
    from scionwood_atoms.data.labels import LabelError, chosen, read_frames
    from scionwood_atoms.model.graph import GraphError
    from scionwood_atoms.model.reference import OffsetError

    frames = [
        frame for path in structures for frame in read_frames(path, energy=energy, forces=forces)
    ]
    labels, refusal = None, ""
    try:
        labels = chosen(frames)
        _refuse_as_fit(labels, base)
    except (LabelError, OffsetError, GraphError) as error:
        refusal = str(error)
    return _inspection(frames, labels, refusal)


def _refuse_as_fit(labels: Labels, base: str) -> None:
    from scionwood_atoms.backbones import potential
    from scionwood_atoms.data.files import reference_of

    reference_of(potential(base).eval(), labels.frames, labels.isolated, by_element=True)


def _inspection(frames: list[Frame], labels: Labels | None, refusal: str) -> Inspection:
    from collections import Counter

    import numpy as np

    from scionwood_atoms.data.labels import stated_theory

    usable = [f for f in frames if len(f.structure.symbols) > 1] or frames
    names = sorted({str(name) for frame in usable for name in frame.structure.symbols})
    counts = [[f.composition.get(name, 0) for name in names] for f in usable]
    forces = [f.structure.forces for f in usable if f.structure.forces is not None]
    theory: dict[str, str] = {}
    for frame in frames:
        theory |= stated_theory(frame.structure.notes)
    return Inspection(
        len(frames),
        dict(Counter(f.structure.formula for f in usable)),
        int(np.linalg.matrix_rank(np.array(counts))) if counts else 0,
        names,
        {} if labels is None else labels.isolated,
        {} if labels is None else dict(labels.dropped),
        theory,
        max((float(np.abs(one).max()) for one in forces), default=0.0),
        max((float(np.abs(one.sum(0)).max()) for one in forces), default=0.0),
        sum(f.structure.stress is not None for f in usable),
        refusal,
    )
