"""What an engineer reads off a history, and the flag of parts that are unlike the training's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from scionwood import RecipeError
from scionwood_crash.data.encode import Encoder
from scionwood_crash.evaluation.probes import absorbed_energy, probe
from scionwood_crash.model import SIZES
from scionwood_crash.model.novelty import Novelty
from scionwood_crash.parts.part import Part, gaps
from scionwood_crash.solver.model import Material

Make = Callable[..., Part]


def test_a_probe_gives_the_derivatives_of_a_parabola() -> None:
    times = np.linspace(0, 2, 9)
    moved = np.zeros((9, 4, 3))
    moved[:, 2, 1] = 3 * times**2
    found = probe(times, moved, 2)
    np.testing.assert_allclose(found.velocity[:, 1], 6 * times, atol=1e-12)
    np.testing.assert_allclose(found.acceleration[:, 1], 6, atol=1e-9)
    with pytest.raises(RecipeError, match="0 to 3"):
        probe(times, moved, 4)
    with pytest.raises(RecipeError, match="three or more"):
        probe(times[:2], moved[:2], 0)


def test_the_energy_of_an_even_strain_is_stress_times_strain_times_volume(part: Make) -> None:
    hat = part("hat")
    material = Material(yield_stress=0.4, hardening=0.0)
    strain = np.outer([0.0, 0.1, 0.2], np.ones(len(hat.cells)))
    strained = replace(hat, material=material, plastic_strain=strain)
    a, b, c, d = (hat.points[hat.cells[:, at]] for at in range(4))
    volume = (np.linalg.norm(np.cross(c - a, d - b), axis=1) / 2) @ hat.thickness
    np.testing.assert_allclose(absorbed_energy(strained), [0, 0.04 * volume, 0.08 * volume])
    with pytest.raises(RecipeError, match="no plastic strain"):
        absorbed_energy(hat)


@pytest.mark.parametrize("family", ["hat", "box"])
def test_gaps_are_how_far_the_impactor_moves_until_it_touches(part: Make, family: str) -> None:
    given = part(family)
    gap, hit = gaps(given), given.impactor
    first = int(gap.argmin())
    assert gap[first] == pytest.approx(1.0, abs=0.7), "suite: 0.2 mm and half a thickness"
    there = np.asarray(hit.point) + gap[first] * np.asarray(hit.direction)
    away = given.points[first] - there
    axis = np.asarray(hit.axis)
    if hit.kind == "plane":
        assert away @ axis == pytest.approx(0, abs=1e-9)
    else:
        assert np.linalg.norm(away - (away @ axis) * axis) == pytest.approx(hit.radius)


def test_an_unseen_family_is_told_from_unseen_parts_of_known_families(part: Make) -> None:
    """The area under the ROC curve is 0.9 at least, without a simulation."""
    encoder = Encoder(SIZES["tiny"])

    def graphs(families: tuple[str, ...], seeds: range) -> list:
        return [encoder.encode(part(f, seed, 18.0)).graph for f in families for seed in seeds]

    known = ("hat", "tube", "box")
    novelty = Novelty(42)
    assert not float(novelty.limit), "not measured"
    novelty.fit(graphs(known, range(25)))
    near = torch.cat([novelty.of(graph) for graph in graphs(known, range(100, 108))])
    far = torch.cat([novelty.of(graph) for graph in graphs(("bumper",), range(20))])
    auroc = (far[:, None] > near[None]).double().mean()
    assert float(auroc) > 0.9
    assert float((near <= novelty.limit).double().mean()) > 0.8


def test_after_sixteen_parts_new_ones_of_the_family_are_familiar(part: Make) -> None:
    """On another mesh too; with so few each part counts as measured by the others alone."""
    encoder, novelty = Encoder(SIZES["tiny"]), Novelty(42)
    novelty.fit([encoder.encode(part("bumper", seed, 20.0)).graph for seed in range(16)])
    new = [encoder.encode(part("bumper", seed, 12.0)).graph for seed in range(50, 60)]
    far = [encoder.encode(part("hat", seed, 20.0)).graph for seed in range(5)]
    assert sum(float(novelty.of(graph)) <= float(novelty.limit) for graph in new) >= 8
    assert all(float(novelty.of(graph)) > float(novelty.limit) for graph in far)
