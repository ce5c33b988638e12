"""Probes and the absorbed energy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scionwood import RecipeError
from scionwood_crash.evaluation.compare import compare
from scionwood_crash.evaluation.probes import MEAN_WORK, absorbed_energy, filtered, probe
from scionwood_crash.parts.mesh import CrashSeries, ShellMesh
from scionwood_crash.solver.model import Material


def test_a_probe_gives_the_derivatives_of_a_parabola():
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


def test_the_energy_of_a_uniform_strain_is_stress_times_strain_times_volume(part):
    hat = part("hat")
    material = Material(yield_stress=0.4, hardening=0.0)
    strain = np.outer([0.0, 0.1, 0.2], np.ones(len(hat.cells)))
    strained = replace(hat, material=material, plastic_strain=strain)
    a, b, c, d = (hat.points[hat.cells[:, at]] for at in range(4))
    volume = (np.linalg.norm(np.cross(c - a, d - b), axis=1) / 2) @ hat.thickness
    wanted = MEAN_WORK * volume * np.array([0, 0.04, 0.08])
    np.testing.assert_allclose(absorbed_energy(strained), wanted)
    with pytest.raises(RecipeError, match="no plastic strain"):
        absorbed_energy(hat)


def test_each_sheet_of_an_assembly_absorbs_energy_at_its_own_stress(part):
    hat = part("hat")
    strain = np.full((len(hat.times), len(hat.cells)), 0.1)
    sheet = (np.arange(len(hat.cells)) % 2).astype(np.int64)
    soft, hard = Material(yield_stress=0.2), Material(yield_stress=0.8, exponent=0.2)
    both = replace(hat, plastic_strain=strain, material=soft, materials=(soft, hard), sheet=sheet)
    wanted = sum(
        absorbed_energy(replace(hat, plastic_strain=strain * (sheet == at), material=material))
        for at, material in enumerate((soft, hard))
    )
    np.testing.assert_allclose(absorbed_energy(both), wanted)


def test_the_filter_has_the_corridor_of_its_class():
    """SAE J211-1: 3 dB at 5/3 of the class, flat below it, 30 dB or more at 5 times the class."""
    times = np.arange(4000) / 20  # ms, 20 kHz

    def gain(frequency: float, frequency_class: int) -> float:
        wave = np.sin(2e-3 * np.pi * frequency * times)
        middle = filtered(times, wave, frequency_class)[1000:3000]
        return 20 * float(np.log10(np.sqrt(2) * middle.std()))

    for each in (60, 180):
        assert gain(each / 2, each) == pytest.approx(0, abs=0.3)
        assert gain(each * 5 / 3, each) == pytest.approx(-3, abs=0.5)
        assert gain(each * 5, each) < -30
    with pytest.raises(RecipeError, match="11 or more"):
        filtered(np.arange(8.0), np.zeros(8))
    with pytest.raises(RecipeError, match="600 states a second"):
        filtered(2 * np.arange(21.0), np.zeros(21))


def test_a_wrong_acceleration_is_marked():
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    mesh, times = ShellMesh.build(points, np.array([[0, 1, 2, 3]]), 1.5), np.linspace(0, 10, 21)
    moved = np.zeros((21, 4, 3))
    moved[:, :, 2] = -20 * (1 - np.cos(np.pi * times / 10))[:, None]
    series = [CrashSeries.from_arrays(mesh, times, scale * moved) for scale in (1.0, 1.1, 1.5)]
    down = np.array([0.0, 0.0, -1.0])
    errors = [compare(each, series[0], down)["accelerations"]["1"] for each in series[1:]]
    assert errors == pytest.approx([10, 50], abs=0.1)
