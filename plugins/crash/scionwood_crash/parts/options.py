"""The options of predictions, each declared once: for Python, the command line and a service.

A command reads them before anything heavy is imported, so this module imports no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scionwood.authoring import RunPath

Hold = Literal["field", "still", "ends", "low", "high"]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class FileOptions:
    """What files may leave out.

    Attributes:
        units: units of a file that does not state them, such as `mm, ms, kg`.
        thickness: thickness of shells that have none in the file, in its unit of length.

    Example:
        >>> FileOptions(thickness=1.5).units is None
        True
    """

    units: str | None = None
    thickness: float | None = None


@dataclass(frozen=True)
class ImpactOptions(FileOptions):
    """The impact and the material, for files that do not state them.

    Attributes:
        impactor: shape of the impactor; a cylinder if nothing states it.
        speed: speed of the impactor, m/s; 7 if nothing states it.
        mass: mass of the impactor, kg; 25 if nothing states it.
        radius: radius of a cylinder, mm; 90 if nothing states it.
        yield_stress: yield stress of the sheet, GPa; 0.35 if nothing states it.
    """

    impactor: Literal["plane", "cylinder"] | None = None
    speed: float | None = None
    mass: float | None = None
    radius: float | None = None
    yield_stress: float | None = None


@dataclass(frozen=True)
class AimOptions(ImpactOptions):
    """The impact with its direction and place.

    Attributes:
        direction: direction in which the impactor moves; (0, 0, -1) if nothing states it.
        point: a point on the impactor, in the file's unit of length: on the axis of a cylinder, or
            on the plane. None means that it touches the middle of the part.
    """

    direction: Vector | None = None
    point: Vector | None = None


@dataclass(frozen=True)
class RequestOptions(ImpactOptions):
    """What may be chosen for a file by whoever sends it, a stranger included.

    Attributes:
        part: number of the part in the file. None means all shells, which must then be connected.
        clamped: which nodes cannot move: those of the file's point field `held` (`field`, the
            default), those that never move in the simulation (`still`), those at both ends of the
            longest axis, or at its lower or upper end.
        duration: duration of the prediction from a mesh alone, ms.
        fallback: `refuse` a part without two ends, or `project` the grid onto its axes.
    """

    part: int | None = None
    clamped: Hold | None = None
    duration: float = 10.0
    fallback: Literal["refuse", "project"] = "refuse"


@dataclass(frozen=True)
class PredictOptions(RequestOptions, AimOptions):
    """How to predict.

    Impact and material that the file states take precedence over these options, and these over what
    the recipe of the run states.

    Attributes:
        run: a run folder of `crash/displacement` that `scionwood fit` wrote, or the name of a
            shipped run.
        settings: meaning of the keys of the file's settings, such as `{v0: speed m/s, id: ignore}`;
            by default that of the run.
        device: where to compute, such as cpu or cuda.

    Example:
        >>> PredictOptions(speed=10.0, clamped="ends").run
        'crash/transfer_lora'
    """

    run: RunPath = "crash/transfer_lora"
    settings: dict[str, str] | None = None
    device: str = "cpu"
