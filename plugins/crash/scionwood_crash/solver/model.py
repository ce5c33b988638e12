"""The input of the solver: a shell mesh, its materials and a rigid impactor.

Units: mm, ms, kg; hence kN, GPa, J (kN mm), m/s (mm/ms), kg/mm3.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field, fields
from typing import Literal, final

import numpy as np

from scionwood import RecipeError


@final
@dataclass(frozen=True)
class Material:
    """An elastic-plastic metal; the flow stress is `(A + B e^n) (1 + (de/dt / D)^(1/q))`.

    Args:
        young: Young's modulus, GPa.
        poisson: Poisson's ratio.
        density: kg/mm3.
        yield_stress: Ludwik's A, GPa.
        hardening: Ludwik's B, GPa.
        exponent: Ludwik's n.
        rate: Cowper and Symonds' D, 1/ms; 0 means no rate effect. Mild steel has 0.04 (40 1/s).
        rate_exponent: Cowper and Symonds' q.
    """

    young: float = 210.0
    poisson: float = 0.3
    density: float = 7.85e-6
    yield_stress: float = 0.3
    hardening: float = 0.5
    exponent: float = 0.3
    rate: float = 0.0
    rate_exponent: float = 5.0


COLUMNS = tuple(entry.name for entry in fields(Material))  # columns of an array of materials (P, 8)


@final
@dataclass(frozen=True)
class Impactor:
    """A rigid plane, sphere or infinite rigid cylinder that moves along one direction.

    Args:
        kind: plane, cylinder or sphere. The solver of this package has no sphere.
        point: initial position of a point of the plane or the axis, or of the centre, mm.
        axis: normal of the plane towards the mesh, or axis of the cylinder.
        direction: direction of motion.
        speed: initial speed, m/s.
        mass: kg; infinite for a constant speed.
        radius: radius of the cylinder or sphere, mm.
        friction: Coulomb's coefficient.
    """

    kind: Literal["plane", "cylinder", "sphere"]
    point: tuple[float, float, float]
    axis: tuple[float, float, float]
    direction: tuple[float, float, float]
    speed: float
    mass: float
    radius: float = 0.0
    friction: float = 0.0


WELD, TIE, CONTACT = 0, 1, 2
KINDS = ("weld", "tie", "contact")
"""Kinds of links between pieces: a spot weld, a tied edge or face, and sheets that may touch."""


@final
@dataclass(frozen=True)
class Ties:
    """Nodes that are tied to points of elements, such as spot welds.

    Args:
        nodes: (W,), the tied nodes.
        corners: (W, 4), nodes of the element that each is tied to.
        weights: (W, 4), share of each corner in the point; they sum to 1.
        kinds: (W,), numbers of `KINDS`.

    Raises:
        RecipeError: the shapes do not match, or a node is tied to itself.
    """

    nodes: np.ndarray
    corners: np.ndarray
    weights: np.ndarray
    kinds: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.nodes)
        shapes = {"nodes": (count,), "corners": (count, 4), "weights": (count, 4)}
        for name, shape in {**shapes, "kinds": (count,)}.items():
            if np.shape(getattr(self, name)) != shape:
                rule = f"its shape is {np.shape(getattr(self, name))}; {count} ties need {shape}"
                raise RecipeError(f"`{name}` of ties", rule, "Give one row for each tie")
        if (self.nodes[:, None] == self.corners).any():
            raise RecipeError("ties", "a node is tied to its own element", "Tie different pieces")

    def __len__(self) -> int:
        """Return the number of ties."""
        return len(self.nodes)


@final
@dataclass(frozen=True)
class Shell:
    """A stress-free mesh of quadrilaterals with initial velocities.

    Args:
        nodes: (N, 3), mm.
        quads: (E, 4), node numbers around each element; all four differ.
        thickness: (E), mm.
        materials: materials of the parts.
        part: (E), index of the material; `None` means the first for all.
        clamped: (N) bool, nodes that keep their initial velocity, usually zero, and do not rotate;
            `None` means none.
        velocity: (N, 3), initial velocity, mm/ms; `None` means zero.
        spin: (N, 3), initial angular velocity, 1/ms; `None` means zero.
        ties: nodes that are tied to other pieces; `None` means none.

    Raises:
        RecipeError: the shapes do not match, an element is a triangle or has no area, or a value is
            not finite.
    """

    nodes: np.ndarray
    quads: np.ndarray
    thickness: np.ndarray
    materials: tuple[Material, ...] = (Material(),)
    part: np.ndarray = None  # type: ignore[assignment]
    clamped: np.ndarray = None  # type: ignore[assignment]
    velocity: np.ndarray = None  # type: ignore[assignment]
    spin: np.ndarray = None  # type: ignore[assignment]
    ties: Ties | None = None
    table: np.ndarray = field(init=False)  # materials (P, 8), in the order of `COLUMNS`

    def __post_init__(self) -> None:
        n, e = len(self.nodes), len(self.quads)
        expected: dict[str, tuple[tuple[int, ...], type]] = {
            "nodes": ((n, 3), np.float64),
            "quads": ((e, 4), np.int64),
            "thickness": ((e,), np.float64),
            "part": ((e,), np.int64),
            "clamped": ((n,), np.bool_),
            "velocity": ((n, 3), np.float64),
            "spin": ((n, 3), np.float64),
        }
        for name, (shape, dtype) in expected.items():
            raw = getattr(self, name)
            array: np.ndarray = (
                np.zeros(shape, dtype) if raw is None else np.array(raw, dtype, order="C")
            )
            if array.shape != shape:
                rule = f"its shape is {array.shape}; {n} nodes and {e} elements need {shape}"
                raise RecipeError(f"`{name}` of a shell", rule, "Give one row for each")
            if not np.isfinite(array).all():
                raise RecipeError(f"`{name}` of a shell", "it holds NaN or infinity", "Correct it")
            object.__setattr__(self, name, array)
        object.__setattr__(
            self, "table", np.array([astuple(material) for material in self.materials])
        )
        self._check_elements()

    def _check_elements(self) -> None:
        if not len(self.quads) or self.quads.min() < 0 or self.quads.max() >= len(self.nodes):
            rule = f"there must be at least one, and each must name some of {len(self.nodes)} nodes"
            raise RecipeError("elements of a shell", rule, "Number nodes from 0")
        repeated = (np.diff(np.sort(self.quads, 1)) == 0).any(1)
        if repeated.any():
            where = f"element {int(repeated.argmax())} of a shell"
            raise RecipeError(where, "it is a triangle", "Mesh with quadrilaterals only")
        loose = np.setdiff1d(np.arange(len(self.nodes)), self.quads)
        if len(loose):
            where = f"node {int(loose[0])} of a shell"
            raise RecipeError(where, "no element uses it", "Remove such nodes")
        i, j, k, m = (self.nodes[self.quads[:, n]] for n in range(4))
        # Half of the cross product of the diagonals, also for a warped element.
        area = np.linalg.norm(np.cross(k - i, m - j), axis=1) / 2
        if area.min() <= 1e-9 or self.thickness.min() <= 0:
            where = f"element {int(area.argmin())} of a shell"
            rule = f"area {area.min():.3g} mm2, smallest thickness {self.thickness.min():.3g} mm"
            raise RecipeError(where, rule, "Both must be above zero")
