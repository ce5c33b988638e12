"""The errors of a model by element, and the figure of parity."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from scionwood_atoms.data.labels import chosen, read_frames
from scionwood_atoms.evaluation.of_run import Evaluation, draw_parity, errors

Make = Callable[..., list[Atoms]]
Label = Callable[..., Path]


def test_errors_are_by_atom_and_by_element(tmp_path, shaken, label):
    frames = chosen(read_frames(label(tmp_path / "a.xyz", shaken("H2O", n=2)))).frames
    energies = np.array([frame.structure.energy for frame in frames]) + 0.006
    forces = [np.array(frame.structure.forces) for frame in frames]
    for one in forces:
        one[0] += 0.1  # the oxygen
    row = errors("moved", frames, energies, forces)
    assert row.energy == pytest.approx(2.0, rel=1e-4)
    assert row.elements == pytest.approx({"H": 0.0, "O": 100.0}, abs=1e-6)
    assert row.force == pytest.approx(100 / 3**0.5)
    both = np.stack([np.concatenate([f.structure.forces for f in frames]).ravel()] * 2)
    draw_parity(Evaluation((row,), 2, {}, both[:, :2], both), tmp_path / "parity.png")
    assert (tmp_path / "parity.png").read_bytes().startswith(b"\x89PNG")
