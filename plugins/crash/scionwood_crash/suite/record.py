"""A simulation as arrays, and its file: safetensors with the rest as JSON in the header."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, final

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from scionwood import ReadError
from scionwood.authoring import atomic_path, reading
from scionwood_crash.parts.links import of_ties
from scionwood_crash.parts.part import Part
from scionwood_crash.solver.model import COLUMNS, Impactor, Material, Ties

VERSION = "1"
SUFFIX = ".safetensors"
_FORMAT = "crash simulation"
_STORED = {"clamped": "held"}
"""Names of arrays in the file, if they differ from the attributes."""
_TIES = tuple(entry.name for entry in fields(Ties))


@final
@dataclass(frozen=True)
class Simulation:
    """A crash of a part or an assembly.

    It has N nodes, E elements, P materials, T frames and H history samples.

    Units: mm, ms, kg, kN, GPa, J, m/s.

    Args:
        family: name of the family.
        seed: seed of the suite.
        index: number of the design within the family.
        nodes: (N, 3) float32, initial positions, mm.
        quads: (E, 4) int32, node numbers of the elements.
        part: (E) int32, the material of each element.
        thickness: (E) float32, mm.
        materials: (P, 8) float64, in the order of `solver.model.COLUMNS`.
        clamped: (N) bool, the nodes that cannot move.
        times: (T) float64, ms.
        displacement: (T, N, 3) float32, mm.
        plastic_strain: (T, E) float32, effective, the largest value through the thickness.
        history_times: (H) float64, ms.
        force: (H), force on the impactor against its direction, kN; mean since the last sample.
        travel: (H), travel of the impactor along its direction, mm.
        speed: (H), speed of the impactor, m/s.
        energy: (H, 7), J: internal, kinetic, impactor, hourglass, contact, friction, external.
        impactor: kind, point, axis, direction, speed, mass, radius and friction.
        parameters: the random parameters of the design.
        ties: ties between the pieces of an assembly; `None` for none.
    """

    family: str
    seed: int
    index: int
    nodes: np.ndarray
    quads: np.ndarray
    part: np.ndarray
    thickness: np.ndarray
    materials: np.ndarray
    clamped: np.ndarray
    times: np.ndarray
    displacement: np.ndarray
    plastic_strain: np.ndarray
    history_times: np.ndarray
    force: np.ndarray
    travel: np.ndarray
    speed: np.ndarray
    energy: np.ndarray
    impactor: dict[str, Any]
    parameters: dict[str, float]
    ties: Ties | None = None

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the file completely or not at all.

        Raises:
            OutputExistsError: `path` exists and `overwrite` is false.
        """
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        arrays = {
            _STORED.get(name, name): np.ascontiguousarray(values.pop(name)) for name in ARRAYS
        }
        ties = values.pop("ties")
        if ties is not None:
            arrays |= {f"tie_{name}": np.ascontiguousarray(getattr(ties, name)) for name in _TIES}
        header = {"format": _FORMAT, "version": VERSION, "record": json.dumps(values)}
        with atomic_path(path, overwrite=overwrite) as part:
            save_file(arrays, part, metadata=header)

    @classmethod
    def load(cls, path: str | Path) -> Simulation:
        """Read a file that `save` wrote.

        Raises:
            ReadError: the file is damaged, or has another content.
        """
        with reading(path, _FORMAT), safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            if (header.get("format"), header.get("version")) != (_FORMAT, VERSION):
                rule = f"it is not a {_FORMAT} of version {VERSION}"
                raise ReadError(str(path), rule, "Simulate again with `scionwood crash simulate`")
            arrays = {name: file.get_tensor(_STORED.get(name, name)) for name in ARRAYS}
            tied = all(f"tie_{name}" in file.keys() for name in _TIES)  # noqa: SIM118
            ties = Ties(*(file.get_tensor(f"tie_{name}") for name in _TIES)) if tied else None
            return cls(**arrays, **json.loads(header["record"]), ties=ties)


ARRAYS = tuple(entry.name for entry in fields(Simulation) if entry.type == "np.ndarray")


def to_part(simulation: Simulation) -> Part:
    """Return a simulation of the suite as a part."""
    sheets = tuple(
        Material(**dict(zip(COLUMNS, map(float, row), strict=True))) for row in simulation.materials
    )
    impactor: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in simulation.impactor.items()
    }
    several = len(sheets) > 1
    return Part(
        simulation.nodes.astype(np.float64),
        simulation.quads.astype(np.int64),
        simulation.thickness.astype(np.float64),
        simulation.clamped,
        sheets[0],
        Impactor(**impactor),
        simulation.times,
        simulation.displacement.astype(np.float64),
        simulation.plastic_strain.astype(np.float64),
        simulation.family,
        f"{simulation.family}-{simulation.index}",
        materials=sheets if several else (),
        sheet=simulation.part.astype(np.int64) if several else None,
        links=None if simulation.ties is None else of_ties(simulation.ties),
    )
