"""What a deck says of the impact: the obstacle, the velocities, the held nodes and the sheets.

Everything is stated as the held nodes see it: they stand still, and the obstacle moves. A wall that
stands still and a part that flies with the masses of its rigid bodies are the same impact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from scionwood import ReadError
from scionwood_crash.parts.mesh import ShellMesh
from scionwood_crash.parts.part import gaps_of
from scionwood_crash.parts.strength import HEAVIEST
from scionwood_crash.parts.units import LENGTHS, MASSES, TIMES, Units
from scionwood_crash.readers.deck_content import Deck
from scionwood_crash.readers.deck_joints import BODY
from scionwood_crash.readers.deck_sets import Members
from scionwood_crash.readers.deck_sheets import sheets_of
from scionwood_crash.readers.deck_table import DeckRow
from scionwood_crash.solver.model import Impactor

TOGETHER = 0.9
"""The part flies if this share of its nodes starts with one velocity."""
WALLS = ("plane", "cylinder", "sphere")
SYSTEMS = ("mm, ms, kg", "mm, s, t", "m, s, kg", "mm, ms, g", "cm, us, g")
"""Consistent units in use; a metal's density and Young's modulus tell which a deck has."""
_DENSITIES, _MODULI = (1.5e3, 2e4), (3e10, 5e11)  # kg/m3 and Pa, of metals


@final
@dataclass
class Setup:
    """What a deck states.

    Attributes:
        features: numbers of the run under our own names, in the units of the deck.
        clamped: (node,) bool, nodes that cannot move, or that move as one body; `None` if unknown.
        remarks: sentences on what does not fit.
    """

    features: dict[str, float] = field(default_factory=dict)
    clamped: np.ndarray | None = None
    remarks: list[str] = field(default_factory=list)


def setup_of(deck: Deck, mesh: ShellMesh) -> Setup:
    """Return what a deck states of the impact on its shells."""
    if not len(mesh.cells):
        return Setup()
    finder = _Finder(deck, mesh)
    setup = Setup(sheets_of(deck, mesh))
    moving = finder.velocity(setup.remarks)
    if moving is None:
        return setup
    mounts, mass = finder.carrier(flies=bool(np.any(moving)))
    if mounts.any():
        setup.clamped = mounts
    else:
        setup.remarks.append("no nodes are held, and none belong to a rigid body: the part is free")
    walls = [record for record in deck.records if record.kind in WALLS]
    ahead = [(wall, body) for wall in walls if (body := finder.ahead(wall, moving)) is not None]
    if not ahead:
        rule = "no rigid wall" if not walls else f"none of {len(walls)} rigid walls meets the part"
        setup.remarks.append(f"{rule}: the impactor is unknown")
        return setup
    points = mesh.points[finder.used].astype(np.float64)
    wall, body = min(ahead, key=lambda pair: float(gaps_of(points, pair[1]).min()))
    if len(ahead) > 1:
        setup.remarks.append(f"{len(ahead)} rigid walls meet the part: the first one counts")
    share = 1 / mass + (1 / wall["mass"] if wall["mass"] else 0.0)
    heaviest = HEAVIEST / MASSES.get(mesh.units.mass, 1.0)
    setup.features |= _impactor(body, 1 / share if share > 1 / heaviest else heaviest)
    return setup


def guessed_units(deck: Deck) -> str | None:
    """Return the units in which all sheets of a deck are metals; `None` if that is not one system.

    LS-DYNA decks do not state their units.
    """
    metals = [r for r in deck.records if r.kind in ("material", "rigid") and r["density"]]
    fitting = []
    for system in SYSTEMS:
        units = Units.parse(system)
        length, time, mass = LENGTHS[units.length], TIMES[units.time], MASSES[units.mass]
        density, stress = mass / length**3, mass / (length * time**2)
        inside = [
            _DENSITIES[0] <= record["density"] * density <= _DENSITIES[1]
            and _MODULI[0] <= record["young"] * stress <= _MODULI[1]
            for record in metals
        ]
        fitting += [system] if inside and all(inside) else []
    return fitting[0] if len(fitting) == 1 else None


def _impactor(body: Impactor, mass: float) -> dict[str, float]:
    features = {
        "impactor_cylinder": float(body.kind == "cylinder"),
        "impactor_sphere": float(body.kind == "sphere"),
        "impactor_speed": body.speed,
        "impactor_mass": mass,
        "impactor_friction": body.friction,
    }
    if body.radius:
        features["impactor_radius"] = body.radius
    for name in ("point", "axis", "direction"):
        vector = zip("xyz", getattr(body, name), strict=True)
        features |= {f"impactor_{name}_{letter}": float(value) for letter, value in vector}
    return features


@final
class _Finder:
    """Finds nodes by what the records of a deck name."""

    def __init__(self, deck: Deck, mesh: ShellMesh) -> None:
        self.deck, self.mesh, self.members = deck, mesh, Members(deck, mesh)
        self.used = self.members.used

    def _records(self, *kinds: str) -> list[DeckRow]:
        return [record for record in self.deck.records if record.kind in kinds]

    def _nodes(self, record: DeckRow) -> np.ndarray:
        """Return the nodes of a record, (node,) bool; all, if it names none."""
        members, out = self.members, np.zeros(len(self.mesh.points), bool)
        generation = "style" in record.values
        kind = {1: "part", 2: "one part", 3: "node"}.get(int(record["style"]), "")
        if record["node"]:
            out[members.nodes(np.array([int(record["node"])]))] = True
        elif record["set"]:
            out[members.side(int(record["set"]), self.deck.node_sets)[0]] = True
        elif record["part"] or (generation and record["of"]):
            number = int(record["part"] or record["of"])
            out[members.side(number, kind or "one part")[0]] = True
        else:
            out[:] = True
        return out

    def velocity(self, remarks: list[str]) -> np.ndarray | None:
        """Return the velocity with which the part starts, (3,); `None` if it is not one."""
        velocities = np.zeros((len(self.mesh.points), 3))
        for record in self._records("velocity"):
            velocities[self._nodes(record)] = record.vector("vx vy vz")
        start, counts = np.unique(velocities[self.used], axis=0, return_counts=True)
        if counts.max() < TOGETHER * counts.sum():
            remarks.append(f"the nodes of the shells start with {len(start)} different velocities")
            return None
        return np.asarray(start[counts.argmax()])

    def carrier(self, *, flies: bool) -> tuple[np.ndarray, float]:
        """Return the nodes that hold the part, (node,) bool, and the mass that they carry."""
        bodies = np.zeros(len(self.mesh.points), bool)
        if not flies:
            for record in self._records("held"):
                if all(record[name] for name in ("dx", "dy", "dz")):
                    bodies |= self._nodes(record)
            return bodies & self.used, np.inf
        mass = 0.0
        for record in self._records("body"):
            bodies |= self._nodes(record)
            mass += record["mass"]
        for joint in self.deck.joints:
            if joint.keyword == BODY:
                bodies[self.members.side(*joint.sides[0])[0]] = True
        bodies[self.mesh.cells[self.mesh.rigid]] = True
        mass += float(self._rigid_shells())
        for record in self._records("mass"):
            on = self._nodes(record)
            if (on & bodies).any() or not bodies.any():
                is_per_node = record.keyword in ("ELEMENT_MASS", "ADMAS/0")
                mass += record["mass"] * (int((on & bodies).sum()) if is_per_node else 1)
                bodies |= on if not bodies.any() else False
        return bodies & self.used, mass or np.inf

    def _rigid_shells(self) -> float:
        """Return the mass of the rigid shells."""
        mesh, density = self.mesh, {}
        for record in self._records("rigid"):
            density[int(record["number"])] = record["density"]
        corners = mesh.points[mesh.cells[mesh.rigid]].astype(np.float64)
        normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
        parts = mesh.part_ids[mesh.rigid].tolist()
        per_cell = [density.get(self.deck.materials.get(part, 0), 0.0) for part in parts]
        area = np.linalg.norm(normal, axis=1) / 2
        return float((area * mesh.thickness[mesh.rigid] * np.array(per_cell)).sum())

    def ahead(self, wall: DeckRow, moving: np.ndarray) -> Impactor | None:
        """Return a rigid wall as the part sees it; `None` if it does not meet the part."""
        point, head = np.array(wall.vector("x y z")), np.array(wall.vector("hx hy hz"))
        speed = np.array(wall.vector("vx vy vz"))
        if wall["node"]:  # of Radioss: a wall that moves with its node
            point = self.mesh.points[self.members.nodes(np.array([int(wall["node"])]))].sum(0)
        axis = head - point
        if wall["speed"]:
            speed = wall["speed"] * axis / np.linalg.norm(axis)
        towards = speed - moving
        if not np.any(towards) or (wall.kind != "sphere" and not np.any(axis)):
            return None
        radius = wall["radius"] or wall["diameter"] / 2
        length = float(np.linalg.norm(towards))
        kind = (
            "plane" if wall.kind == "plane" else "cylinder" if wall.kind == "cylinder" else "sphere"
        )
        points = self.mesh.points[self.used].astype(np.float64)
        body = Impactor(
            kind,  # type: ignore[arg-type]  # one of `WALLS`
            _vector(point),
            _vector(axis if kind != "sphere" else towards),
            _vector(towards / length),
            length,
            wall["mass"],
            radius if kind != "plane" else 0.0,
            wall["friction"],
        )
        try:
            gaps = gaps_of(points, body)
        except ReadError:  # it moves within its own surface
            return None
        return body if gaps.max() > 0 and np.median(gaps) > 0 else None


def _vector(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
