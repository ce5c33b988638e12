"""The time loop: a shell mesh and a rigid impactor, integrated by central differences."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import final

import numpy as np

from scionwood import RecipeError, ScionwoodError
from scionwood_crash.solver import contact, elements, material, motion, self_contact, ties
from scionwood_crash.solver.model import Impactor, Shell

PENALTY = 0.1  # contact stiffness as a share of the largest stable one, mass / dt^2
SKIN = 3.0  # mm; pairs of self-contact are listed up to this distance beyond contact
REFRESH = 50  # steps between updates of the stable time step


@final
class SimulationError(ScionwoodError, ArithmeticError):
    """A simulation diverged."""


@final
@dataclass(frozen=True)
class Options:
    """Options of the integration scheme.

    Args:
        points: integration points through the thickness.
        courant: time step as a share of the stable one.
        hourglass: coefficient of the hourglass stiffness.
        friction: Coulomb's coefficient of self-contact.
        self_contact: whether the mesh can touch itself.
    """

    points: int = 3
    courant: float = 0.9
    hourglass: float = 0.01
    friction: float = 0.1
    self_contact: bool = True


@final
@dataclass
class Ledger:
    """Energies in J. In an exact simulation, the sum of the others minus `external` is constant."""

    internal: float = 0.0  # elastic and plastic work on the elements
    kinetic: float = 0.0  # kinetic energy of the mesh
    impactor: float = 0.0  # kinetic energy of the impactor
    hourglass: float = 0.0  # work against hourglass motion
    contact: float = 0.0  # stored by the stiffness of contact and ties
    friction: float = 0.0  # dissipated by friction
    external: float = 0.0  # work of prescribed motions of nodes or impactor

    def balance(self) -> float:
        """Return the sum that is constant in an exact simulation, J."""
        energy = self.internal + self.kinetic + self.impactor + self.hourglass
        return energy + self.contact + self.friction - self.external


ENERGIES = tuple(entry.name for entry in fields(Ledger))


@final
class Explicit:
    """A simulation in progress, which `step` advances.

    Args:
        shell: the mesh.
        impactor: the rigid body that hits it; `None` for none.
        options: options of the scheme.

    Attributes:
        time: ms.
        dt: time step, ms.
        x: nodes (N, 3), mm.
        v: velocities of nodes (N, 3), mm/ms.
        w: angular velocities of nodes (N, 3), 1/ms.
        f: forces on nodes (N, 3), kN.
        mass: masses of nodes (N), kg.
        travel: travel of the impactor, mm.
        speed: speed of the impactor, m/s.
        reaction: force of the mesh on the impactor against its direction, kN.
        energy: energies.
    """

    def __init__(
        self, shell: Shell, impactor: Impactor | None = None, options: Options | None = None
    ) -> None:
        if impactor is not None and impactor.kind == "sphere":
            rule = "the solver has rigid planes and cylinders"
            raise RecipeError("impactor sphere", rule, "Choose one of these")
        self.shell, self.impactor = shell, impactor
        self.options = options or Options()
        n, e = len(shell.nodes), len(shell.quads)
        self.x, self.v, self.w = shell.nodes.copy(), shell.velocity.copy(), shell.spin.copy()
        self.w[shell.clamped] = 0.0
        self._allocate(n, e)
        self.time, self.travel, self.reaction = 0.0, 0.0, 0.0
        self.speed = impactor.speed if impactor else 0.0
        self.energy = Ledger()
        table = shell.table[shell.part]
        self._young = table[:, material.YOUNG]
        self._shear = self._young / 2 / (1 + table[:, material.POISSON])
        density = table[:, material.DENSITY]
        # The stiffest membrane strain is the same in all directions of the plane.
        self._wave = np.sqrt(self._young / (1 - table[:, material.POISSON]) / density)
        motion.lump(
            self.x, shell.quads, shell.thickness, density, self.mass, self.inertia, self._half
        )
        self._first = self.dt = self._stable_step()
        self._stiffness = PENALTY * self.mass / self.dt**2
        self._tie()
        self._measure(0.0)
        bodies = (self.mass, self.inertia, shell.clamped, self.v, self.w)
        self.energy.kinetic, _ = motion.accelerate(self.dt, self.f, self.m, *bodies)
        self._steps = 0

    def _allocate(self, n: int, e: int) -> None:
        self._points, self._weights = np.polynomial.legendre.leggauss(self.options.points)
        self.mass, self.inertia, self._half = np.zeros(n), np.zeros(n), np.zeros(n)
        self.f, self.m = np.zeros((n, 3)), np.zeros((n, 3))
        self._state = np.zeros((e, self.options.points, 6))
        self._state[:, :, material.FLOW] = self.shell.table[self.shell.part, material.A][:, None]
        self._rate, self._resultant = np.zeros((e, 13)), np.zeros((e, 13))
        self._frame, self._shape, self._area = np.zeros((e, 3, 3)), np.zeros((e, 7)), np.zeros(e)
        self._pairs, self._count = np.zeros((4 * n, 2), np.int64), 0
        self._listed: np.ndarray | None = None
        self._total = np.zeros(3)

    @property
    def stress(self) -> np.ndarray:
        """Stress xx, yy, xy of each integration point in the element's frame, (E, K, 3), GPa."""
        return self._state[:, :, : material.PLASTIC]

    @property
    def plastic(self) -> np.ndarray:
        """Effective plastic strain of each integration point, (E, K)."""
        return self._state[:, :, material.PLASTIC]

    def step(self) -> None:
        """Advance by one stable time step."""
        if self._steps % REFRESH == 0:
            # The penalties are stable for the first step; a longer one would break them.
            self.dt = min(self._first, self._stable_step())
        self.x += self.dt * self.v
        self.travel += self.dt * self.speed
        self.f[:], self.m[:] = 0.0, 0.0
        self._deform()
        stored = self._touch_impactor() + self._touch_itself()
        if self._tied is not None:
            stored += ties.add_ties(self.x, *self._tied, self.f)
        self.energy.contact = stored
        bodies = (self.mass, self.inertia, self.shell.clamped, self.v, self.w)
        kinetic, work = motion.accelerate(self.dt, self.f, self.m, *bodies)
        self.energy.kinetic, self.energy.external = kinetic, self.energy.external + work
        self.time += self.dt
        self._steps += 1

    def check(self) -> None:
        """Check that the simulation has not diverged.

        Raises:
            SimulationError: a coordinate is not finite.
        """
        if np.isfinite(self.x).all():
            return
        where = f"node {int((~np.isfinite(self.x)).any(1).argmax())} at {self.time:.4g} ms"
        rule = "its coordinates are not finite"
        raise SimulationError(where, rule, "Give a smaller `courant`, or repair the mesh there")

    def _stable_step(self) -> float:
        step = elements.stable_step(self.x, self.shell.quads, self._wave)
        return float(self.options.courant * step)

    def _measure(self, push: float) -> None:
        """Advance the impactor's speed by a step under the force `push`, kN, along its path."""
        if self.impactor is None:
            return
        if np.isinf(self.impactor.mass):
            self.energy.external -= push * self.speed * self.dt
            return
        change = self.dt * push / self.impactor.mass
        # At the time of the forces, half a step after the velocity, as for the nodes.
        self.energy.impactor = 0.5 * self.impactor.mass * (self.speed + 0.5 * change) ** 2
        self.speed += change

    def _deform(self) -> None:
        shell, dt, work = self.shell, self.dt, self.energy
        elements.turn_frames(self.x, shell.quads, self._frame, self._shape, self._area)
        elements.strain_rates(dt, self.v, self.w, shell.quads, self._frame, self._shape, self._rate)
        power = (self._area, self._rate, self._resultant)
        before = material.half_power(*power)
        sheet = (shell.thickness, shell.part, shell.table, self._points, self._weights)
        material.update_stress(dt, self._rate, *sheet, self._state, self._resultant)
        work.internal += dt * (before + material.half_power(*power))
        stiffness = (self.options.hourglass, self._young, self._shear, shell.thickness)
        work.hourglass += elements.update_hourglass(dt, *stiffness, self._shape, *power)
        where = (shell.quads, self._frame, self._shape, self._area)
        elements.subtract_internal_forces(*where, self._resultant, self.f, self.m)

    def _touch_impactor(self) -> float:
        rigid = self.impactor
        if rigid is None:
            return 0.0
        direction = _unit(rigid.direction)
        point = np.array(rigid.point) + self.travel * direction
        shape = (rigid.kind == "cylinder", point, _unit(rigid.axis), rigid.radius, rigid.friction)
        nodes = (self.x, self.v, self._half, self._stiffness, self.mass)
        velocity = self.speed * direction
        stored, lost = contact.add_rigid_contact(
            self.dt, *nodes, *shape, velocity, self.f, self._total
        )
        self.energy.friction += lost
        self.reaction = float(self._total @ direction)
        self._measure(-self.reaction)
        return float(stored)

    def _touch_itself(self) -> float:
        if not self.options.self_contact:
            return 0.0
        # Two nodes may approach each other by twice their largest move.
        if self._listed is None or self_contact.largest_move(self.x, self._listed) > SKIN / 2:
            self._list_pairs()
        scale = PENALTY / self._first**2
        mesh = (self.shell.quads, self._pairs, self._count, self._half, self.shell.thickness)
        stored, lost = self_contact.add_self_contact(
            self.dt, self.x, self.v, *mesh, self.mass, scale, self.options.friction, self.f
        )
        self.energy.friction += lost
        return float(stored)

    def _tie(self) -> None:
        """Prepare the ties: a tie is as stiff as a contact of its lightest node."""
        self._tied: tuple[np.ndarray, ...] | None = None
        shell_ties = self.shell.ties
        if shell_ties is None or not len(shell_ties):
            return
        place = tuple(
            np.ascontiguousarray(array)
            for array in (shell_ties.nodes, shell_ties.corners, shell_ties.weights)
        )
        light = np.minimum(self.mass[shell_ties.nodes], self.mass[shell_ties.corners].min(1))
        start_offsets = ties.offsets(self.x, *place)
        self._tied = (*place, *start_offsets, PENALTY * light / self._first**2)

    def _list_pairs(self) -> None:
        thickness = self.shell.thickness
        reach = 0.5 * thickness + self._half.max() + SKIN
        size = float(4 * reach.max())
        quads = self.shell.quads
        self._count = self_contact.find_pairs(self.x, quads, reach, size, self._pairs)
        if self._count > len(self._pairs):
            self._pairs = np.zeros((2 * self._count, 2), np.int64)
            self._count = self_contact.find_pairs(self.x, quads, reach, size, self._pairs)
        self._listed = self.x.copy()


def _unit(vector: tuple[float, float, float]) -> np.ndarray:
    array = np.array(vector, float)
    return np.asarray(array / np.linalg.norm(array))
