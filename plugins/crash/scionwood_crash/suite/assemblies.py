"""Families of assemblies: pieces that are spot-welded, tied, or only touch.

The impactor moves along -z. Units: mm, ms, kg, kN, GPa.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scionwood_crash.solver.model import TIE, WELD, Material, Shell, Ties
from scionwood_crash.suite.geometry import elements_along, nearest, polyline, sweep
from scionwood_crash.suite.profiles import Design, bumper, draw, hat

PITCH = (35.0, 60.0)
"""Range of the distance of spot welds, mm."""
FINER = 0.87
"""Element size of the plate over that of the hat, so that their meshes do not match."""
CLEAR = 0.01
"""Clearance of two sheets beyond half of their thicknesses, mm."""


def hat_plate(rng: np.random.Generator, size: float = 10.0) -> Design:
    """Draw a hat-section beam whose flanges are spot-welded to a closing plate.

    The beam is that of `profiles.hat`; the ends of both pieces are clamped.
    """
    design, spots = _hat_and_plate(rng, size)
    return replace(design, shell=replace(design.shell, ties=spots))


def hat_plate_loose(rng: np.random.Generator, size: float = 10.0) -> Design:
    """Draw the pieces of `hat_plate` without welds: they touch, and slide on each other."""
    return _hat_and_plate(rng, size)[0]


def bumper_boxes(rng: np.random.Generator, size: float = 10.0) -> Design:
    """Draw a bumper beam on two crash boxes, whose front edges are tied to its rear face.

    The beam is that of `profiles.bumper`, and is not clamped; the rear ends of the boxes are.
    """
    design = bumper(rng, size)
    beam, p = design.shell, design.parameters
    box_parameters = draw(rng, box_length=(90, 150), box_width=(45, 70), box_share=(0.6, 0.8))
    box_parameters |= draw(rng, box_thickness=(0.7, 1.2), box_yield_stress=(0.15, 0.28))
    sheet = replace(beam.materials[0], yield_stress=box_parameters["box_yield_stress"])
    gap = (p["thickness"] + box_parameters["box_thickness"]) / 2 + CLEAR
    pieces, rims = [(beam.nodes, beam.quads)], []
    for at in (p["mount"], 1 - p["mount"]):
        nodes, quads, rim = _box(at * p["length"], gap, {**p, **box_parameters}, size)
        rims.append(rim + sum(len(piece_nodes) for piece_nodes, _ in pieces))
        pieces.append((nodes, quads))
    base = np.concatenate([pieces[1][0], pieces[2][0]])[:, 2] < -box_parameters["box_length"] + 1e-6
    clamped = np.concatenate([np.zeros(len(beam.nodes), bool), base])
    thickness = [
        beam.thickness,
        *(np.full(len(q), box_parameters["box_thickness"]) for _, q in pieces[1:]),
    ]
    shell = _joined(pieces, thickness, (beam.materials[0], sheet, sheet), clamped)
    ties = _tied(shell.nodes, np.concatenate(rims), beam.quads[_rear(beam, p)], TIE)
    shell = replace(shell, ties=ties)
    return Design(shell, design.impactor, design.duration, {**p, **box_parameters})


def _hat_and_plate(rng: np.random.Generator, size: float) -> tuple[Design, Ties]:
    """Return a hat and a plate that touch, and the spot welds between them."""
    design = hat(rng, size)
    beam, p = design.shell, design.parameters
    plate_parameters = draw(
        rng, plate_thickness=(0.8, 1.6), plate_yield_stress=(0.2, 0.5), pitch=PITCH
    )
    gap = (p["thickness"] + plate_parameters["plate_thickness"]) / 2 + CLEAR
    nodes, quads = _plate(p, gap, FINER * size)
    ends = (nodes[:, 0] < 1e-6) | (nodes[:, 0] > p["length"] - 1e-6)
    sheet = replace(beam.materials[0], yield_stress=plate_parameters["plate_yield_stress"])
    thickness = [beam.thickness, np.full(len(quads), plate_parameters["plate_thickness"])]
    pieces = [(beam.nodes, beam.quads), (nodes, quads)]
    clamped = np.concatenate([beam.clamped, ends])
    shell = _joined(pieces, thickness, (beam.materials[0], sheet), clamped)
    spots = _spots(beam, p, plate_parameters["pitch"])
    ties = _tied(shell.nodes, spots, quads + len(beam.nodes), WELD)
    return Design(shell, design.impactor, design.duration, {**p, **plate_parameters}), ties


def _plate(p: dict[str, float], gap: float, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mesh of a plate below the flanges of a hat."""
    edge = _edge(p, 0.0)
    count, sections = elements_along(2 * float(edge), size), []
    for u in np.linspace(0, 1, elements_along(p["length"], size) + 1):
        y = np.linspace(-_edge(p, float(u)), _edge(p, float(u)), count + 1)
        z = np.full(count + 1, _lift(p, float(u)) - gap)
        sections.append(np.c_[np.full(count + 1, u * p["length"]), y, z])
    return sweep(np.array(sections), closed=False)


def _spots(beam: Shell, p: dict[str, float], pitch: float) -> np.ndarray:
    """Return nodes in the middle of both flanges of a hat at a pitch."""
    x, y, z = beam.nodes.T
    u = x / p["length"]
    flange = np.flatnonzero((np.abs(z - _lift(p, u)) < 1e-6) & ~beam.clamped)
    middle = _edge(p, u[flange]) - p["flange"] / 2
    chosen: list[int] = []
    for side in (-1, 1):
        on_side = np.sign(y[flange]) == side
        for at in np.arange(pitch / 2, p["length"], pitch):
            distances = np.hypot(x[flange] - at, np.abs(y[flange]) - middle)
            chosen.append(int(flange[np.where(on_side, distances, np.inf).argmin()]))
    return np.unique(chosen)


def _edge(p: dict[str, float], u: np.ndarray | float) -> np.ndarray:
    """Return half of the width of a hat over its flanges, mm."""
    return np.asarray(1.2 * p["crown"] / 2 * (1 - p["taper"] * u) + p["flange"])


def _lift(p: dict[str, float], u: np.ndarray | float) -> np.ndarray:
    """Return the bow of a hat, mm."""
    return np.asarray(p["bow"] * 4 * u * (1 - u))


def _box(
    at: float, gap: float, p: dict[str, float], size: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return nodes and elements of a box behind a bumper, and the nodes of its front edge."""
    half = np.array([p["box_width"], p["box_share"] * p["height"]]) / 2
    counts = [elements_along(2 * side, size, 4) for side in half] * 2
    corners = half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    section = polyline(corners, counts, closed=True) + np.array([at, 0.0])
    front = _bowed(p, section[:, 0]) - gap
    rows = []
    for share in np.linspace(0, 1, elements_along(p["box_length"], size) + 1):
        rows.append(np.c_[section, (1 - share) * -p["box_length"] + share * front])
    nodes, quads = sweep(np.array(rows), closed=True)
    return nodes, quads, np.arange(len(nodes) - len(section), len(nodes))


def _rear(beam: Shell, p: dict[str, float]) -> np.ndarray:
    """Return which elements of a bumper lie in its rear face, (element,) bool."""
    x, _, z = beam.nodes[beam.quads].transpose(2, 0, 1)
    return np.asarray((np.abs(z - _bowed(p, x)) < 1e-6).all(1))


def _bowed(p: dict[str, float], x: np.ndarray) -> np.ndarray:
    """Return the height of the rear face of a bumper, mm."""
    return np.asarray(p["bow"] * (1 - (2 * x / p["length"] - 1) ** 2))


def _joined(
    pieces: list[tuple[np.ndarray, np.ndarray]],
    thickness: list[np.ndarray],
    materials: tuple[Material, ...],
    clamped: np.ndarray,
) -> Shell:
    """Return one mesh of several pieces, each with its own sheet."""
    first = np.cumsum([0, *(len(nodes) for nodes, _ in pieces)])
    quads = [piece_quads + start for (_, piece_quads), start in zip(pieces, first, strict=False)]
    part = [np.full(len(piece_quads), at) for at, piece_quads in enumerate(quads)]
    nodes = np.concatenate([piece_nodes for piece_nodes, _ in pieces])
    sheets = (np.concatenate(thickness), materials, np.concatenate(part))
    return Shell(nodes, np.concatenate(quads), *sheets, clamped=clamped)


def _tied(nodes: np.ndarray, tied: np.ndarray, quads: np.ndarray, kind: int) -> Ties:
    """Return ties of nodes to the nearest of some elements."""
    element, weights = nearest(nodes[tied], nodes, quads)
    return Ties(tied, quads[element], weights, np.full(len(tied), kind))
