"""Look at labels before any training: `scionwood atoms inspect`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from json import dumps
from typing import TYPE_CHECKING, final

from scionwood.authoring import InputPath, print_table, prints

if TYPE_CHECKING:
    from scionwood_atoms.data.labels import Frame, Labels


@final
@dataclass(frozen=True)
class Inspection:
    """What labels hold."""

    frames: int  # in all files
    compositions: dict[str, int]  # the number of frames by formula
    rank: int  # independent compositions
    elements: list[str]
    isolated: dict[str, float]  # label energies of isolated atoms, eV
    dropped: dict[str, int]  # how many frames a fit would leave out, by reason
    theory: dict[str, list[str]]  # the files by what they state of the level of theory
    forces: dict[str, float]
    """The largest component of a force, eV/A, of the sum over a structure, eV/A, and of the torque
    about the centre, eV, of structures without periods."""
    with_stress: int  # frames
    refusal: str  # why a fit would refuse the labels; empty if it would not


def _print_inspection(inspection: Inspection, *, json: bool = False) -> int:
    """Print what labels hold; the exit code is 1 if a fit would refuse them.

    Args:
        inspection: the result.
        json: print JSON.
    """
    if json:
        print(dumps(asdict(inspection), indent=1))
        return int(bool(inspection.refusal))
    formulas = [f"{name} x {count}" for name, count in inspection.compositions.items()]
    more = f", and {len(formulas) - 8} more" if len(formulas) > 8 else ""
    atoms = [f"{name} {energy:.3f}" for name, energy in inspection.isolated.items()]
    rows = {
        "frames": str(inspection.frames),
        "compositions": ", ".join(formulas[:8]) + more,
        "independent compositions": f"{inspection.rank} of {len(inspection.elements)} elements",
        "isolated atoms, eV": ", ".join(atoms) or "none",
        **{f"largest {name}": f"{value:.3g}" for name, value in inspection.forces.items()},
        "frames with stress": str(inspection.with_stress),
    }
    for level, files in inspection.theory.items():
        rows[f"level of theory of {', '.join(files)}"] = level or "not stated"
    rows |= {f"dropped: {why}": str(count) for why, count in inspection.dropped.items()}
    print_table(["labels", ""], list(rows.items()))
    refusal = inspection.refusal
    print(f"refused: {refusal}" if refusal else "a fit takes these labels")
    return int(bool(refusal))


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
        structures: extended XYZ, databases of ase, OUTCAR or vasprun.xml, those of isolated atoms
            among them.
        base: the potential that a fit would start from, such as `sevennet/0` or `chgnet/0.3.0`.
        energy: the key of the energy; `energy` and `free_energy` of VASP and ase.
        forces: the column of the forces in extended XYZ.

    Returns:
        What the labels hold.

    Raises:
        ReadError: a file is damaged.
        RecipeError: there is no such base.

    Example:
        >>> inspect(["train.xyz"], base="sevennet/tiny").compositions
        {'H2O': 6}
    """
    from scionwood_atoms.backbones import potential
    from scionwood_atoms.data.files import reference_of
    from scionwood_atoms.data.frames import graph_of
    from scionwood_atoms.data.labels import LabelError, Labels, chosen, read_frames
    from scionwood_atoms.model.graph import GraphError
    from scionwood_atoms.model.reference import OffsetError

    frames = [
        frame for path in structures for frame in read_frames(path, energy=energy, forces=forces)
    ]
    labels, refusal = Labels(), ""
    try:
        labels = chosen(frames)
        model, met = potential(base).eval(), set[str]()
        for frame in labels.frames:  # each element is asked for, not those of a sample alone
            if not met >= frame.composition.keys():
                met |= frame.composition.keys()
                graph_of(model, frame)
        reference_of(model, labels.frames, labels.isolated, by_element=True)
    except (LabelError, OffsetError, GraphError) as error:
        refusal = str(error)
    return _inspection(frames, labels, refusal)


def _inspection(frames: list[Frame], labels: Labels, refusal: str) -> Inspection:
    import numpy as np

    from scionwood_atoms.data.labels import SPIN, stated_theory

    usable = [f for f in frames if len(f.structure.symbols) > 1] or frames
    names = sorted({str(name) for frame in usable for name in frame.structure.symbols})
    counts = [[f.composition.get(name, 0) for name in names] for f in usable]
    largest = {"force, eV/A": 0.0, "net force, eV/A": 0.0, "net torque, eV": 0.0}
    for one in (f.structure for f in usable if f.structure.forces is not None):
        pulls = np.asarray(one.forces)
        turn = np.cross(one.positions - one.positions.mean(0), pulls).sum(0) * (not one.pbc.any())
        for name, values in zip(largest, (pulls, pulls.sum(0), turn), strict=True):
            largest[name] = max(largest[name], float(np.abs(values).max()))
    theory: dict[str, list[str]] = {}
    for frame in frames:
        notes = frame.structure.notes
        level = {**stated_theory(notes), **{key: notes[key] for key in SPIN if key in notes}}
        files = theory.setdefault(", ".join(f"{key}={level[key]}" for key in level), [])
        files += [frame.path.name] * (frame.path.name not in files)
    return Inspection(
        len(frames),
        dict(Counter(f.structure.formula for f in usable)),
        int(np.linalg.matrix_rank(np.array(counts))) if counts else 0,
        names,
        labels.isolated,
        dict(labels.dropped),
        theory,
        largest,
        sum(f.structure.stress is not None for f in usable),
        refusal,
    )
