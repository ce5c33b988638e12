"""Families of single parts: the mesh and the impactor of a random design.

The impactor moves along -z. Units: mm, ms, kg, kN, GPa.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from scionwood_crash.solver.model import Impactor, Material, Shell
from scionwood_crash.suite.geometry import cut, elements_along, polyline, sweep

DOWN = (0.0, 0.0, -1.0)
ACROSS = (0.0, 1.0, 0.0)
FRICTION = 0.15
GAP = 0.2  # initial gap between part and impactor, mm


@final
@dataclass(frozen=True)
class Design:
    """One member of a family.

    Args:
        shell: the mesh.
        impactor: the rigid body that hits it.
        duration: duration of the simulation, ms.
        parameters: the random parameters: lengths in mm, stresses in GPa, speed in m/s, mass in kg.
    """

    shell: Shell
    impactor: Impactor
    duration: float
    parameters: dict[str, float]


def draw(rng: np.random.Generator, **ranges: tuple[float, float]) -> dict[str, float]:
    """Draw a number from each range."""
    return {name: float(rng.uniform(*ends)) for name, ends in ranges.items()}


def material(p: dict[str, float]) -> Material:
    """Return the sheet of a design."""
    # Cowper-Symonds parameters of a mildly rate-sensitive sheet: D = 6500 1/s, q = 4.
    hardening = (p["yield_stress"], p["hardening"], p["exponent"])
    return Material(210.0, 0.3, 7.85e-6, *hardening, rate=6.5, rate_exponent=4.0)


def half_wave(side: float, thickness: float) -> float:
    """Return half of the fold wavelength of a square tube, mm.

    Args:
        side: side length b of the tube, mm.
        thickness: thickness t of the sheet, mm.

    Source: Wierzbicki and Abramowicz, J. Appl. Mech. 50 (1983) 727-734. The factor 0.983 was
    recalled; the least mean force by their coefficients gives 0.985 (`benchmarks/crash_solver.py`).
    """
    return float(0.983 * side ** (2 / 3) * thickness ** (1 / 3))


def _design(
    nodes: np.ndarray,
    quads: np.ndarray,
    clamped: np.ndarray,
    impactor: Impactor,
    duration: float,
    p: dict[str, float],
) -> Design:
    thickness = np.full(len(quads), p["thickness"])
    shell = Shell(nodes, quads, thickness, materials=(material(p),), clamped=clamped)
    return Design(shell, impactor, duration, p)


def pole(nodes: np.ndarray, p: dict[str, float]) -> Impactor:
    """Return a cylinder along y that starts just above the mesh."""
    at, radius = p["offset"] * p["length"], p["radius"]
    near = nodes[np.abs(nodes[:, 0] - at) < radius]
    drop = np.sqrt(radius**2 - (near[:, 0] - at) ** 2)
    # The lowest axis at which every node is at least the radius and half a thickness away.
    height = float((near[:, 2] + drop).max() + p["thickness"] / 2 + GAP)
    return Impactor(
        "cylinder", (at, 0.0, height), ACROSS, DOWN, p["speed"], p["mass"], radius, FRICTION
    )


def hat(rng: np.random.Generator, size: float = 10.0) -> Design:
    """Draw a hat-section beam that is clamped at both ends and hit by a pole across its crown."""
    p = draw(
        rng,
        length=(500, 800),
        crown=(50, 90),
        flange=(15, 30),
        height=(35, 65),
        taper=(0, 0.4),
        bow=(0, 40),
        thickness=(1.0, 2.0),
        yield_stress=(0.25, 0.7),
        hardening=(0.3, 0.6),
        exponent=(0.2, 0.4),
        radius=(60, 130),
        offset=(0.35, 0.65),
        speed=(6, 11),
        mass=(15, 40),
        hole=(0, 16),
        hole_at=(0.25, 0.75),
    )
    p["hole"] = p["hole"] if p["hole"] > 8 else 0.0  # half of them have one
    counts = [elements_along(p["flange"], size, 2), elements_along(p["height"], size, 2)]
    counts = [*counts, elements_along(p["crown"], size, 2), *counts[::-1]]
    sections = []
    for u in np.linspace(0, 1, elements_along(p["length"], size) + 1):
        half, z = p["crown"] / 2 * (1 - p["taper"] * u), p["height"] * (1 - 0.3 * p["taper"] * u)
        foot = 1.2 * half
        edge = foot + p["flange"]
        corners = [(-edge, 0), (-foot, 0), (-half, z), (half, z), (foot, 0), (edge, 0)]
        section = polyline(np.array(corners), counts, closed=False)
        lift = p["bow"] * 4 * u * (1 - u)
        sections.append(
            np.c_[np.full(len(section), u * p["length"]), section + np.array([0, lift])]
        )
    nodes, quads = sweep(np.array(sections), closed=False)
    centre = nodes[quads].mean(1)
    place_in_section = np.tile(np.arange(sum(counts)), len(sections) - 1)
    on_crown = (place_in_section >= sum(counts[:2])) & (place_in_section < sum(counts[:3]))
    hole_distance = np.hypot(centre[:, 0] - p["hole_at"] * p["length"], centre[:, 1])
    nodes, quads = cut(nodes, quads, on_crown & (hole_distance < p["hole"]))
    clamped = (nodes[:, 0] < 1e-6) | (nodes[:, 0] > p["length"] - 1e-6)
    return _design(nodes, quads, clamped, pole(nodes, p), 10.0, p)


def bumper(rng: np.random.Generator, size: float = 10.0) -> Design:
    """Draw a closed, bowed bumper beam that is clamped at two mounts and hit by a pole."""
    p = draw(
        rng,
        length=(550, 750),
        height=(55, 80),
        depth=(35, 55),
        bow=(10, 60),
        taper=(0, 0.3),
        thickness=(1.2, 2.2),
        yield_stress=(0.3, 0.8),
        hardening=(0.3, 0.6),
        exponent=(0.2, 0.4),
        mount=(0.1, 0.18),
        radius=(70, 130),
        offset=(0.35, 0.65),
        speed=(6, 10),
        mass=(40, 80),
    )
    counts = [elements_along(p[side], size, 2) for side in ("height", "depth")] * 2
    sections = []
    for u in np.linspace(0, 1, elements_along(p["length"], size) + 1):
        end = (2 * u - 1) ** 2  # the ends are flatter than the middle
        y, z = p["height"] / 2, p["depth"] * (1 - p["taper"] * end)
        section = polyline(np.array([(-y, 0), (y, 0), (y, z), (-y, z)]), counts, closed=True)
        lift = p["bow"] * (1 - end)
        sections.append(
            np.c_[np.full(len(section), u * p["length"]), section + np.array([0, lift])]
        )
    nodes, quads = sweep(np.array(sections), closed=True)
    place_in_section = np.arange(len(nodes)) % sum(counts)
    share = nodes[:, 0] / p["length"]
    on_mount = np.abs(np.minimum(share, 1 - share) - p["mount"]) < 35 / p["length"]
    clamped = on_mount & (place_in_section <= counts[0])
    return _design(nodes, quads, clamped, pole(nodes, p), 12.0, p)


def tube(rng: np.random.Generator, size: float = 10.0) -> Design:
    """Draw a door beam: a high-strength tube, clamped at both ends and hit by a pole."""
    p = draw(
        rng,
        length=(600, 850),
        diameter=(34, 50),
        flatness=(0.8, 1.25),
        bow=(0, 30),
        thickness=(1.5, 2.6),
        yield_stress=(0.5, 1.1),
        hardening=(0.3, 0.6),
        exponent=(0.2, 0.4),
        radius=(70, 150),
        offset=(0.3, 0.7),
        speed=(5, 9),
        mass=(15, 40),
    )
    points_around = elements_along(np.pi * p["diameter"], 0.9 * size, 12)
    angle = 2 * np.pi * np.arange(points_around) / points_around
    y = p["diameter"] / 2 * np.cos(angle) / np.sqrt(p["flatness"])
    z = p["diameter"] / 2 * np.sin(angle) * np.sqrt(p["flatness"])
    sections = []
    for u in np.linspace(0, 1, elements_along(p["length"], size) + 1):
        x = np.full(points_around, u * p["length"])
        sections.append(np.c_[x, y, z + p["bow"] * 4 * u * (1 - u)])
    nodes, quads = sweep(np.array(sections), closed=True)
    clamped = (nodes[:, 0] < 1e-6) | (nodes[:, 0] > p["length"] - 1e-6)
    return _design(nodes, quads, clamped, pole(nodes, p), 12.0, p)


def box(rng: np.random.Generator, size: float = 7.5) -> Design:
    """Draw a crash box that is clamped at its base and crushed along its axis by a plane.

    A trigger bead initiates the first fold. It lies about half a fold wavelength from the front,
    where this fold forms. If it lies 1.2 to 2 half wavelengths from the front, the box switches to
    another folding mode, and its crush distance changes by up to a third.
    """
    p = draw(
        rng,
        length=(160, 240),
        width=(50, 80),
        height=(50, 80),
        taper=(0, 0.2),
        bead=(2, 4),
        bead_at=(0.75, 1.1),
        thickness=(1.2, 2.0),
        yield_stress=(0.25, 0.45),
        hardening=(0.3, 0.6),
        exponent=(0.2, 0.4),
        tilt=(-2.0, 2.0),
        speed=(9, 12),
        mass=(50, 90),
        roughness=(0.02, 0.1),
    )
    front = (1 - p["taper"]) * (p["width"] + p["height"]) / 2
    p["bead_at"] *= half_wave(front, p["thickness"])
    counts = [elements_along(p[side], size, 4) for side in ("width", "height")] * 2
    sections = []
    for z in np.linspace(0, p["length"], elements_along(p["length"], size) + 1):
        scale = 1 - p["taper"] * z / p["length"]
        x, y = scale * p["width"] / 2, scale * p["height"] / 2
        corners = np.array([(-x, -y), (x, -y), (x, y), (-x, y)])
        section = polyline(corners, counts, closed=True)
        bead = p["bead"] * np.exp(-(((p["length"] - p["bead_at"] - z) / 8) ** 2))
        # Inward on one pair of walls, outward on the other, zero at the corners: as folds form.
        inward = bead * np.cos(np.pi / 2 * section[:, 0] / x) / y
        outward = bead * np.cos(np.pi / 2 * section[:, 1] / y) / x
        section = section * np.c_[1 + outward, 1 - inward]
        sections.append(np.c_[section, np.full(len(section), z)])
    nodes, quads = sweep(np.array(sections), closed=True)
    inner = (nodes[:, 2] > 1e-6) & (nodes[:, 2] < p["length"] - 1e-6)
    nodes[inner] += rng.normal(0, p["roughness"], (int(inner.sum()), 3))
    tilt = np.radians(p["tilt"])
    axis = (float(np.sin(tilt)), 0.0, float(-np.cos(tilt)))
    top = float(nodes[:, 2].max() + abs(np.tan(tilt)) * p["width"] / 2 + p["thickness"] / 2 + GAP)
    impactor = Impactor("plane", (0, 0, top), axis, DOWN, p["speed"], p["mass"], 0.0, FRICTION)
    return _design(nodes, quads, nodes[:, 2] < 1e-6, impactor, 12.0, p)
