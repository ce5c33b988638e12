"""The morphed grid lies on the surface, follows features, and ignores node numbers."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood import ReadError
from scionwood_crash.model import SIZES
from scionwood_crash.morph import Surface, canonical_frame, parametrise, place
from scionwood_crash.parts.part import Part, gaps

TEMPLATE = SIZES["small"].template()
FAMILIES = ("hat", "bumper", "tube", "box")


def laid(part: Part) -> tuple:
    surface = Surface(part.points, part.cells)
    impact = np.asarray(part.impactor.point)
    frame = canonical_frame(surface, impact, np.asarray(part.impactor.direction))
    return surface, frame, parametrise(surface, frame)


@table("family", FAMILIES)
@table("seed", range(3))
def test_coarse_nodes_lie_on_the_surface_and_few_triangles_are_inverted(part, family, seed):
    surface, _, coordinates = laid(part(family, seed, 10.0))
    assert coordinates.flipped(surface) < 1e-3
    placement = place(TEMPLATE.levels[0], surface, coordinates)
    assert (placement.weights >= 0).all()
    np.testing.assert_allclose(placement.weights.sum(1), 1, atol=1e-12)
    again = place(coordinates.uv[:50], surface, coordinates).at(surface.points)
    length = np.ptp(surface.points, axis=0).max()
    np.testing.assert_allclose(again, surface.points[:50], atol=1e-6 * length)


@table(
    ("family", "section", "creases"),
    [("hat", "open", 4), ("bumper", "closed", 4), ("box", "closed", 4), ("tube", "closed", 0)],
)
def test_recognises_open_and_closed_sections_and_pins_creases(part, family, section, creases):
    surface, frame, coordinates = laid(part(family, 1, 10.0))
    assert (coordinates.section, coordinates.creases) == (section, creases)
    along = frame.inward(surface.points)[:, 0]
    np.testing.assert_allclose(coordinates.uv[along == along.min(), 0], 0, atol=1e-9)
    if creases:
        pairs, angle = surface.bends
        step = np.abs(np.diff(coordinates.uv[pairs[angle > 60]], axis=1))[:, 0]
        v = step[step[:, 0] > 0.5 * np.median(step[:, 0]), 1]
        assert np.median(np.minimum(v, 1 - v)) < 1e-9, "v is constant along a crease"


@table("seed", range(6))
def test_a_box_and_its_mirror_image_have_mirrored_axes(part, seed):
    whole = part("box", seed, 10.0)
    surface = Surface(whole.points, whole.cells)
    reached = gaps(whole)
    impact = whole.points[np.argmin(reached)]
    frame = canonical_frame(surface, impact, np.asarray(whole.impactor.direction))
    _, across, along = frame.vectors_inward(impact - frame.origin)
    assert across > abs(along) / 2
    turned = np.diag([-1.0, 1.0, 1.0])
    mirrored = Surface(whole.points @ turned, whole.cells[:, ::-1])
    other = canonical_frame(mirrored, impact @ turned, np.asarray(whole.impactor.direction))
    np.testing.assert_allclose(other.axes[:2] @ turned, frame.axes[:2], atol=1e-9)


def test_a_grid_node_in_a_hole_moves_to_the_nearest_node(part):
    whole = part("hat", 3, 10.0)
    _, frame, coordinates = laid(whole)
    centre = coordinates.uv[whole.cells].mean(1)
    inside = np.hypot(*((centre - [0.5, 0.5]) * [1, 0.3]).T) < 0.06
    assert inside.any()
    cells = whole.cells[~inside]
    used, cells = np.unique(cells, return_inverse=True)
    holed = Surface(whole.points[used], cells.reshape(-1, 4))
    coordinates = parametrise(holed, frame)
    placement = place(np.array([[0.5, 0.5], [0.1, 0.5]]), holed, coordinates)
    assert placement.snapped.tolist() == [True, False]
    assert np.isfinite(placement.at(holed.points)).all()


def test_refuses_or_projects_a_part_without_two_ends(part):
    tube = part("tube", 0, 15.0)
    points = tube.points - tube.points.mean(0)
    ring = points.copy()
    angle = 2 * np.pi * (points[:, 0] - points[:, 0].min()) / (np.ptp(points[:, 0]) * 1.05)
    radius = 200 + points[:, 1]
    ring[:, 0], ring[:, 1] = radius * np.cos(angle), radius * np.sin(angle)
    surface = Surface(ring, tube.cells)
    frame = canonical_frame(surface, np.array([0.0, 0, 100]), np.array([0.0, 0, -1]))
    with pytest.raises(ReadError, match="two ends"):
        parametrise(surface, frame)
    assert parametrise(surface, frame, fallback="project").method == "project"


def test_refuses_meshes_that_are_not_one_part(part):
    hat = part("hat")
    with pytest.raises(ReadError, match="no shell"):
        Surface(hat.points, np.zeros((0, 4)))
    with pytest.raises(ReadError, match="belong to no shell"):
        Surface(np.concatenate([hat.points, hat.points[:1]]), hat.cells)
    two = np.concatenate([hat.points, hat.points + 1000])
    surface = Surface(two, np.concatenate([hat.cells, hat.cells + len(hat.points)]))
    frame = canonical_frame(surface, two[0], np.array([0.0, 0, -1]))
    with pytest.raises(ReadError, match="2 pieces that do not touch"):
        parametrise(surface, frame)
