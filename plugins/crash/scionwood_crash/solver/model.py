"""What the solver takes: a shell mesh, its materials, and a rigid impactor.

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
        young: modulus, GPa.
        poisson: ratio.
        density: kg/mm3.
        yield_stress: Ludwik's A, GPa.
        hardening: Ludwik's B, GPa.
        exponent: Ludwik's n.
        rate: Cowper and Symonds' D, 1/ms; 0 leaves the rate out. 0.04 (40 1/s) is mild steel's.
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


COLUMNS = tuple(each.name for each in fields(Material))  # of an array of materials (P, 8)


@final
@dataclass(frozen=True)
class Impactor:
    """A rigid plane or an endless rigid cylinder of finite mass that moves along one direction.

    Args:
        kind: plane or cylinder.
        point: a point of the plane, or of the cylinder's axis, mm, at the start.
        axis: the plane's normal towards the mesh, or the cylinder's axis.
        direction: in which it moves.
        speed: at the start, m/s.
        mass: kg; infinite for a speed that stays.
        radius: of the cylinder, mm.
        friction: Coulomb's coefficient.
    """

    kind: Literal["plane", "cylinder"]
    point: tuple[float, float, float]
    axis: tuple[float, float, float]
    direction: tuple[float, float, float]
    speed: float
    mass: float
    radius: float = 0.0
    friction: float = 0.0


@final
@dataclass(frozen=True)
class Shell:
    """A mesh of quadrilaterals at rest in its stress-free shape, and its first velocities.

    Args:
        nodes: (N, 3) mm.
        quads: (E, 4) node numbers, around each element; all four differ.
        thickness: (E) mm.
        materials: of the parts.
        part: (E) which material; all the first where None.
        clamped: (N) nodes that keep their first velocity and do not turn; none where None.
        velocity: (N, 3) mm/ms at the start; zero where None.
        spin: (N, 3) 1/ms at the start; zero where None.

    Raises:
        RecipeError: shapes that do not fit, a triangle, an element without area, or a value that
            is not finite.
    """

    nodes: np.ndarray
    quads: np.ndarray
    thickness: np.ndarray
    materials: tuple[Material, ...] = (Material(),)
    part: np.ndarray = None  # type: ignore[assignment]
    clamped: np.ndarray = None  # type: ignore[assignment]
    velocity: np.ndarray = None  # type: ignore[assignment]
    spin: np.ndarray = None  # type: ignore[assignment]
    table: np.ndarray = field(init=False)  # materials (P, 8), in the order of `COLUMNS`

    def __post_init__(self) -> None:
        n, e = len(self.nodes), len(self.quads)
        wanted: dict[str, tuple[tuple[int, ...], type]] = {
            "nodes": ((n, 3), np.float64),
            "quads": ((e, 4), np.int64),
            "thickness": ((e,), np.float64),
            "part": ((e,), np.int64),
            "clamped": ((n,), np.bool_),
            "velocity": ((n, 3), np.float64),
            "spin": ((n, 3), np.float64),
        }
        for name, (shape, dtype) in wanted.items():
            given = getattr(self, name)
            array: np.ndarray = (
                np.zeros(shape, dtype) if given is None else np.array(given, dtype, order="C")
            )
            if array.shape != shape:
                rule = f"its shape is {array.shape}; {shape} fits {n} nodes and {e} elements"
                raise RecipeError(f"`{name}` of a shell", rule, "Give one row for each")
            if not np.isfinite(array).all():
                raise RecipeError(f"`{name}` of a shell", "it holds NaN or infinity", "Mend it")
            object.__setattr__(self, name, array)
        object.__setattr__(self, "table", np.array([astuple(each) for each in self.materials]))
        self._check_elements()

    def _check_elements(self) -> None:
        if not len(self.quads) or self.quads.min() < 0 or self.quads.max() >= len(self.nodes):
            rule = f"each names one of {len(self.nodes)} nodes, and there is one element or more"
            raise RecipeError("elements of a shell", rule, "Number nodes from 0")
        repeated = (np.diff(np.sort(self.quads, 1)) == 0).any(1)
        if repeated.any():
            where = f"element {int(repeated.argmax())} of a shell"
            raise RecipeError(where, "it is a triangle", "Mesh with quadrilaterals only")
        loose = np.setdiff1d(np.arange(len(self.nodes)), self.quads)
        if len(loose):
            where = f"node {int(loose[0])} of a shell"
            raise RecipeError(where, "no element has it", "Leave such nodes out")
        i, j, k, m = (self.nodes[self.quads[:, n]] for n in range(4))
        area = np.linalg.norm(np.cross(k - i, m - j), axis=1) / 2
        if area.min() <= 1e-9 or self.thickness.min() <= 0:
            where = f"element {int(area.argmin())} of a shell"
            rule = f"area {area.min():.3g} mm2, smallest thickness {self.thickness.min():.3g} mm"
            raise RecipeError(where, rule, "Give both above zero")
