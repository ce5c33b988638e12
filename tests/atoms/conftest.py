"""A small potential, made once, and files with labels of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from plain_figures import undrawn

import scionwood
from scionwood_atoms.backbones import sevennet
from scionwood_atoms.model.potential import Potential, predictions

E0 = {"C": -1027.0, "H": -13.5, "O": -2041.0, "Si": -7874.0}
"""Reference energies of the labels, eV: about those of an all-electron code."""

Change = Callable[[Atoms, dict[str, object]], None]


@pytest.fixture(scope="session")
def tiny() -> Potential:
    """A small SevenNet; importing its package takes seconds."""
    return sevennet().eval()


@pytest.fixture(scope="session")
def shaken() -> Callable[..., list[Atoms]]:
    """Makes molecules by name, moved at random."""

    def make(*names: str, n: int = 12, seed: int = 0) -> list[Atoms]:
        rng = np.random.default_rng(seed)
        frames = []
        for at in range(n):
            atoms = molecule(names[at % len(names)])
            atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
            frames.append(atoms)
        return frames

    return make


@pytest.fixture(scope="session")
def label(tiny: Potential) -> Callable[..., Path]:
    """Writes structures with labels of the small potential, on the scale of another code."""

    def make(path: Path, frames: list[Atoms], change: Change | None = None) -> Path:
        found = predictions(tiny, [tiny.graph(atoms) for atoms in frames])
        for at, atoms in enumerate(frames):
            energy = found.energies[at] + sum(E0[name] for name in atoms.symbols)
            labels: dict[str, object] = {"energy": energy, "forces": found.forces[at]}
            if atoms.pbc.all():
                labels["stress"] = found.stresses[at].ravel()[[0, 4, 8, 5, 2, 1]]
            if change is not None:
                change(atoms, labels)
            atoms.calc = SinglePointCalculator(atoms, **labels)
        write(path, frames, format="extxyz")
        return path

    return make


@pytest.fixture(scope="session")
def runs(
    tmp_path_factory: pytest.TempPathFactory,
    shaken: Callable[..., list[Atoms]],
    label: Callable[..., Path],
) -> list[Path]:
    """Two runs of one step, of different seeds, on water with isolated atoms."""
    place = tmp_path_factory.mktemp("runs")
    source = label(place / "train.xyz", [*shaken("H2O", n=6), Atoms("H"), Atoms("O")])
    found = []
    for seed in (0, 1):
        change = {
            "backbone.model": "tiny",
            "data": {"name": "atoms/files", "source": str(source), "base": "sevennet/tiny"},
            "trainer.max_steps": 1,
            "trainer.accelerator": "cpu",
            "seed": seed,
        }
        with undrawn():
            run = scionwood.fit("atoms/few_shot", run_dir=place / str(seed), overrides=change)
        found.append(Path(run))
    return found
