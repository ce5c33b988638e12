"""Frames of the user's files with their labels: what is used, what is dropped, what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np

from scionwood import ScionwoodError
from scionwood_atoms.model.reference import OffsetError
from scionwood_atoms.readers.extxyz import ExtxyzReader
from scionwood_atoms.readers.structure import Structure

THEORY = ("theory", "functional", "xc", "GGA", "METAGGA", "LDAU", "IVDW", "ENCUT", "POTCAR")
"""Keys of a comment line that state the level of theory."""

LARGEST_GAP = 0.05
"""eV: labels of one structure, or of one isolated atom, that differ by more have two references."""


class LabelError(ScionwoodError, ValueError):
    """The labels of a set of files cannot be trained on together.

    Example:
        >>> from scionwood_atoms.data.labels import LabelError
        >>> str(LabelError("a.xyz", "no frame has forces", "Name their column"))
        'a.xyz: no frame has forces. Name their column'
    """


@final
@dataclass(frozen=True)
class Frame:
    """A structure with the place where it was read.

    Attributes:
        path: its file.
        index: its index in the file, from 0.
        structure: the atoms with their labels.
    """

    path: Path
    index: int
    structure: Structure

    @property
    def name(self) -> str:
        """The file and the frame, for messages."""
        return f"{self.path.name}, frame {self.index}"

    @property
    def composition(self) -> dict[str, int]:
        """The number of atoms of each element."""
        return dict(Counter(self.structure.symbols.tolist()))

    @property
    def identity(self) -> tuple[object, ...]:
        """What equal structures share: elements, places and cell, to 1e-4 A."""
        one = self.structure
        places = np.concatenate([one.positions, one.cell]).round(4) + 0.0  # no minus zero
        return (*one.symbols.tolist(), places.tobytes(), one.pbc.tobytes())


@final
@dataclass
class Labels:
    """Frames that can be trained on.

    Attributes:
        frames: in the order of the files.
        isolated: the label energy of an isolated atom, by element, eV.
        dropped: how many frames were left out, by reason.
    """

    frames: list[Frame] = field(default_factory=list)
    isolated: dict[str, float] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)


def read_frames(path: Path, *, energy: str = "energy", forces: str = "forces") -> Iterator[Frame]:
    """Yield the frames of an extended XYZ file.

    Args:
        path: the file.
        energy: the key of the energy.
        forces: the column of the forces.

    Raises:
        ReadError: the file is damaged, or a frame has not the labels that are named.
    """
    with ExtxyzReader(path, energy=energy, forces=forces) as reader:
        for index in range(len(reader)):
            yield Frame(path, index, reader.structure(index))


def chosen(frames: Iterable[Frame]) -> Labels:
    """Return the frames to train on; single atoms become reference energies.

    A frame without energy or forces, and one that is there already, is dropped and counted.

    Args:
        frames: frames of one or several files.

    Raises:
        LabelError: the levels of theory differ, a structure has two energies or a charge, or no
            frame is left.
        OffsetError: an isolated atom has two energies.
    """
    labels, firsts, read = Labels(), dict[tuple[object, ...], Frame](), []
    for frame in frames:
        read.append(frame)
        one = frame.structure
        _refuse_charge(frame)
        if len(one.symbols) == 1 and not one.pbc.any():
            _add_isolated(labels, frame)
        elif one.energy is None or one.forces is None:
            labels.dropped["no energy or no forces"] += 1
        elif (first := firsts.setdefault(frame.identity, frame)) is not frame:
            _refuse_two_energies(first, frame)
            labels.dropped["duplicates"] += 1
        else:
            labels.frames.append(frame)
    _refuse_mixed_theory(read)
    if not labels.frames:
        files = ", ".join(sorted({frame.path.name for frame in read})) or "labels"
        rule = f"none of {len(read)} frames has an energy and forces of two atoms or more"
        raise LabelError(files, rule, "Name their key and column: data.energy and data.forces")
    return labels


def split_frames(
    frames: Sequence[Frame], by: str, *, share: float, seed: int, with_test: bool
) -> dict[str, list[Frame]]:
    """Split frames for training, validation and test.

    Neighbours in a trajectory are nearly equal, so that a random split tests on its training data.
    `block` cuts each file: the last block is the test, the one before it the validation.

    Args:
        frames: the frames, in the order of their files.
        by: `block`, or `composition`, which puts all frames of a composition into one split.
        share: the share of the validation, and of the test.
        seed: the seed that orders the compositions.
        with_test: whether a test split is cut.

    Raises:
        LabelError: there are too few frames or compositions for the splits.
    """
    groups: dict[str, list[Frame]] = {}
    for frame in frames:
        key = str(frame.path) if by == "block" else frame.structure.formula
        groups.setdefault(key, []).append(frame)
    parts = {"train": list[Frame](), "val": list[Frame](), "test": list[Frame]()}
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
    empty = [name for name in ("train", "val", "test")[: 2 + with_test] if not parts[name]]
    if empty:
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


def _refuse_charge(frame: Frame) -> None:
    for key in ("charge", "total_charge"):
        text = frame.structure.notes.get(key, "0")
        if text.strip('"') not in ("0", "0.0", "+0", "None"):
            rule = f"its {key} is {text}, and the potentials know neutral structures alone"
            raise LabelError(frame.name, rule, "Leave the frame out")


def _refuse_two_energies(first: Frame, second: Frame) -> None:
    one, other = first.structure.energy, second.structure.energy
    if one is not None and other is not None and abs(one - other) > LARGEST_GAP:
        rule = f"the structure of {first.name} has {one:.3f} eV there and {other:.3f} eV here"
        raise LabelError(second.name, rule, "These are two levels of theory: fit each alone")


def _refuse_mixed_theory(frames: Sequence[Frame]) -> None:
    first: dict[str, tuple[str, Frame]] = {}
    for frame in frames:
        for key, value in stated_theory(frame.structure.notes).items():
            before, where = first.setdefault(key, (value, frame))
            if before != value:
                rule = f"{key} is {value} here, and {before} in {where.name}"
                remedy = "Levels of theory are not mixed: fit each of them alone"
                raise LabelError(frame.name, rule, remedy)


def stated_theory(notes: Mapping[str, str]) -> dict[str, str]:
    """Return what a comment line states of the level of theory.

    Args:
        notes: the keys and values of the comment line.
    """
    return {key: notes[key] for key in THEORY if key in notes}
