"""Frames of the user's files with their labels: what is used, what is dropped, what is refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from scionwood_atoms.data.frames import Frame as Frame
from scionwood_atoms.data.frames import LabelError as LabelError
from scionwood_atoms.data.frames import read_frames as read_frames
from scionwood_atoms.data.geometry import Register, fault, is_isolated, length_fault
from scionwood_atoms.model.reference import OffsetError

THEORY = (
    "theory|level_of_theory|functional|xc|method|basis|dispersion|calculator|"
    "gga|metagga|ldau|ivdw|luse_vdw|lsorbit|aexx|encut|potcar(_[a-z]+)?|u_[a-z]+"
)
"""Keys that state the level of theory, in small letters; VASP's for each element among them."""

SPIN = ("ISPIN", "spin", "multiplicity")
"""Keys of the spin: isolated atoms have another one, but a composition has one energy."""

LARGEST_GAP = 0.05
"""eV: labels of one structure, or of one isolated atom, that differ by more have two references."""

CALM = 20.0  # eV/A: the energies of frames with larger forces may lie anywhere
LARGEST_STEP = 2.0  # eV/atom: no calm frames of a composition differ by more from all others

BINDING = (-15.0, 5.0)
"""eV/atom: the energies of calm frames, less those of their isolated atoms; tungsten has -9."""


@final
@dataclass
class Labels:
    """Frames that can be trained on."""

    frames: list[Frame] = field(default_factory=list)  # in the order of the files
    isolated: dict[str, float] = field(default_factory=dict)  # label energy by element, eV
    dropped: Counter[str] = field(default_factory=Counter)  # frames left out, by reason


def chosen(frames: Iterable[Frame]) -> Labels:
    """Return the frames to train on; single atoms become reference energies.

    A frame without energy or forces, an unconverged one, and one that is there already, is dropped
    and counted. `LabelError` and `OffsetError` name the frame that contradicts the others.
    """
    labels, register, firsts, read = Labels(), Register(), dict[int, Frame](), []
    for frame in frames:
        read.append(frame)
        one = frame.structure
        refuse_charge(frame)
        converged = one.notes.get("converged", "T").lower() not in ("f", "false", "0")
        if one.problem or not converged:
            labels.dropped[one.problem or "not converged"] += 1
        elif is_isolated(one):
            _add_isolated(labels, frame)
        elif one.energy is None or one.forces is None:
            labels.dropped["no energy or no forces"] += 1
        elif (first := firsts.setdefault(register.add(one), frame)) is not frame:
            _refuse_two_energies(first, frame)
            labels.dropped["duplicates"] += 1
        else:
            if wrong := fault(one):
                raise LabelError(frame.name, *wrong)
            labels.frames.append(frame)
    _refuse_mixed_theory(read)
    if not labels.frames:
        files = ", ".join(sorted({frame.path.name for frame in read})) or "labels"
        dropped = "".join(f", {count} {reason}" for reason, count in labels.dropped.items())
        rule = f"none of {len(read)} frames has an energy and forces of two atoms or more{dropped}"
        raise LabelError(files, rule, "Name their key and column: data.energy and data.forces")
    for path in dict.fromkeys(frame.path for frame in labels.frames):
        sample = [frame.structure for frame in labels.frames if frame.path == path][:16]
        if rule := length_fault(sample):
            raise LabelError(path.name, rule, "Convert the positions to A")
    _refuse_other_energies(labels)
    return labels


def _refuse_other_energies(labels: Labels) -> None:
    """Refuse energies that no structure of their composition can have beside the others."""
    calm: dict[str, list[tuple[float, Frame]]] = {}
    for frame in labels.frames:
        one, count = frame.structure, len(frame.structure.symbols)
        if np.abs(np.asarray(one.forces)).max() > CALM:
            continue
        energy = float(one.energy or 0.0)
        calm.setdefault(one.formula, []).append((energy / count, frame))
        if not frame.composition.keys() <= labels.isolated.keys():
            continue
        atoms = sum(labels.isolated[name] * n for name, n in frame.composition.items())
        binding = (energy - atoms) / count
        if not BINDING[0] < binding < BINDING[1]:
            rule = f"with these isolated atoms its energy is {binding:.1f} eV an atom"
            raise OffsetError(frame.name, rule, "Compute the atoms with the same code and settings")
    for formula, pairs in calm.items():
        pairs.sort(key=lambda pair: pair[0])
        values = np.array([energy for energy, _ in pairs])
        if len(values) > 2 and values[0] == values[-1]:
            rule = f"all {len(values)} frames of {formula} have the same energy"
            raise LabelError(pairs[0][1].name, rule, "Export the energies of the code")
        steps = np.diff(values)
        if len(steps) and steps.max() > LARGEST_STEP:
            at = int(steps.argmax()) + 1
            odd = pairs[at - 1 if at <= len(pairs) // 2 else at][1]
            rule = f"the energies of {formula} lie {steps.max():.2f} eV an atom apart at this frame"
            remedy = "Two codes or settings, or no energy at all: leave one of them out"
            raise LabelError(odd.name, rule, remedy)


def split_frames(
    frames: Sequence[Frame], by: str, *, share: float, seed: int, with_test: bool
) -> dict[str, list[Frame]]:
    """Split frames, in the order of their files, for training, validation and test.

    Neighbours in a trajectory are nearly equal, so that a random split tests on its training data.
    `block` cuts each file: the last block is the test, the one before it the validation.
    `composition` puts all frames of a composition into one split.
    """
    groups: dict[str, list[Frame]] = {}
    for frame in frames:
        key = str(frame.path) if by == "block" else frame.structure.formula
        groups.setdefault(key, []).append(frame)
    parts: dict[str, list[Frame]] = {name: [] for name in ("train", "val", "test")}
    if by == "block":
        for group in groups.values():
            few = max(round(share * len(group)), 1) if len(group) > 2 else 0
            cut = len(group) - few * (1 + with_test)
            parts["train"] += group[:cut]
            parts["val"] += group[cut : cut + few]
            parts["test"] += group[cut + few :]
    else:
        names = np.random.default_rng(seed).permutation(sorted(groups))
        few = max(round(share * len(names)), 1)
        for at, name in enumerate(names):
            part = "val" if at < few else "test" if with_test and at < 2 * few else "train"
            parts[part] += groups[name]
    if empty := [name for name in list(parts)[: 2 + with_test] if not parts[name]]:
        rule = f"{len(frames)} frames of {len(groups)} groups leave the split {empty[0]} empty"
        raise LabelError(f"split by {by}", rule, "Add frames, or split by block")
    return parts


def _add_isolated(labels: Labels, frame: Frame) -> None:
    symbol, energy = str(frame.structure.symbols[0]), frame.structure.energy
    if energy is None:
        labels.dropped["isolated atoms without an energy"] += 1
        return
    before = labels.isolated.setdefault(symbol, energy)
    if abs(before - energy) > LARGEST_GAP:
        rule = f"its energy is {energy:.3f} eV in {frame.name}, and {before:.3f} eV before"
        remedy = "These are two levels of theory: fit each of them alone"
        raise OffsetError(f"isolated atom {symbol}", rule, remedy)


def refuse_charge(frame: Frame) -> None:
    """Raise `LabelError` if a frame states a charge."""
    for key, text in frame.structure.notes.items():
        if key.lower() not in ("charge", "total_charge", "net_charge"):
            continue
        charge = 0.0 if text in ("None", "") else _number(text)
        if charge is None or not abs(charge) <= 1e-3:
            rule = f"its {key} is {text}, and the potentials know neutral structures alone"
            raise LabelError(frame.name, rule, "Leave the frame out")


def _refuse_two_energies(first: Frame, second: Frame) -> None:
    one, other = first.structure, second.structure
    gap = abs(float(one.energy or 0.0) - float(other.energy or 0.0))
    for name, mine, notes in ((first.name, other, one.notes), (second.name, one, other.notes)):
        free = _number(notes.get("free_energy"))
        if free is not None and abs(free - float(mine.energy or 0.0)) < 1e-5 < gap:
            rule = f"{mine.energy:.6f} eV is the free energy of {name}, and another is its energy"
            raise LabelError(second.name, rule, "Name one of them for all files: data.energy")
    if gap > LARGEST_GAP:
        rule = f"the structure of {first.name} has {one.energy:.3f} eV there and {other.energy:.3f}"
        raise LabelError(second.name, f"{rule} eV here", "Two levels of theory: fit each alone")


def _refuse_mixed_theory(frames: Sequence[Frame]) -> None:
    first: dict[tuple[str, str], tuple[str, Frame]] = {}
    for frame in frames:
        notes, one = frame.structure.notes, frame.structure
        theory = {(key, ""): value for key, value in stated_theory(notes).items()}
        if len(one.symbols) > 1:
            theory |= {(key, one.formula): notes[key] for key in SPIN if key in notes}
        for (key, formula), value in theory.items():
            before, where = first.setdefault((key.lower(), formula), (value, frame))
            if before != value and _number(before) != (_number(value) or before):
                rule = f"{key} is {value} here, and {before} in {where.name}"
                remedy = "Levels of theory are not mixed: fit each of them alone"
                raise LabelError(frame.name, rule, remedy)


def _number(text: str | None) -> float | None:
    try:
        return float((text or "").strip("\"'"))
    except ValueError:
        return None


def stated_theory(notes: Mapping[str, str]) -> dict[str, str]:
    """Return what a frame states of the level of theory."""
    return {
        key: value
        for key, value in notes.items()
        if re.fullmatch(THEORY, key.lower()) and value != "unknown"
    }
