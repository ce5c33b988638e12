"""Probes and the absorbed energy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from scionwood import RecipeError
from scionwood_crash.evaluation.probes import absorbed_energy, probe
from scionwood_crash.parts.part import Part
from scionwood_crash.solver.model import Material

Make = Callable[..., Part]


def test_a_probe_gives_the_derivatives_of_a_parabola() -> None:
    times = np.linspace(0, 2, 9)
    moved = np.zeros((9, 4, 3))
    moved[:, 2, 1] = 3 * times**2
    motion = probe(times, moved, 2)
    np.testing.assert_allclose(motion.velocity[:, 1], 6 * times, atol=1e-12)
    np.testing.assert_allclose(motion.acceleration[:, 1], 6, atol=1e-9)
    with pytest.raises(RecipeError, match="0 to 3"):
        probe(times, moved, 4)
    with pytest.raises(RecipeError, match="three or more"):
        probe(times[:2], moved[:2], 0)


def test_the_energy_of_a_uniform_strain_is_stress_times_strain_times_volume(part: Make) -> None:
    hat = part("hat")
    material = Material(yield_stress=0.4, hardening=0.0)
    strain = np.outer([0.0, 0.1, 0.2], np.ones(len(hat.cells)))
    strained = replace(hat, material=material, plastic_strain=strain)
    a, b, c, d = (hat.points[hat.cells[:, at]] for at in range(4))
    volume = (np.linalg.norm(np.cross(c - a, d - b), axis=1) / 2) @ hat.thickness
    np.testing.assert_allclose(absorbed_energy(strained), [0, 0.04 * volume, 0.08 * volume])
    with pytest.raises(RecipeError, match="no plastic strain"):
        absorbed_energy(hat)
