"""A simulation as arrays, and its file: safetensors, with the rest as JSON in the header."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, final

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from scionwood import ReadError, atomic_path
from scionwood_crash.parts.part import Part
from scionwood_crash.solver.model import COLUMNS, Impactor, Material

VERSION = "1"
SUFFIX = ".safetensors"
_FORMAT = "crash simulation"


@final
@dataclass(frozen=True)
class Simulation:
    """A crash of one part. N nodes, E elements, P materials, T frames, H samples of the history.

    Units: mm, ms, kg, kN, GPa, J, m/s.

    Args:
        family: of the suite. seed: of the suite. index: within the family.
        nodes: (N, 3) float32 mm, before.
        quads: (E, 4) int32.
        part: (E) int32, which material.
        thickness: (E) float32 mm.
        materials: (P, 8) float64, in the order of `solver.model.COLUMNS`.
        held: (N) bool: clamped.
        times: (T) float64 ms.
        displacement: (T, N, 3) float32 mm.
        plastic_strain: (T, E) float32, effective, the largest through the thickness.
        history_times: (H) float64 ms.
        force: (H) on the impactor against its direction, kN: the mean since the sample before.
        travel: (H) of the impactor along its direction, mm.
        speed: (H) of the impactor, m/s.
        energy: (H, 7) J: internal, kinetic, impactor, hourglass, contact, friction, external.
        impactor: kind, point, axis, direction, speed, mass, radius and friction.
        parameters: what the design was drawn from.
    """

    family: str
    seed: int
    index: int
    nodes: np.ndarray
    quads: np.ndarray
    part: np.ndarray
    thickness: np.ndarray
    materials: np.ndarray
    held: np.ndarray
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

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the file, whole or not at all.

        Raises:
            OutputExistsError: `path` exists and `overwrite` is false.
        """
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        arrays = {name: np.ascontiguousarray(given.pop(name)) for name in ARRAYS}
        header = {"format": _FORMAT, "version": VERSION, "record": json.dumps(given)}
        with atomic_path(Path(path), overwrite=overwrite) as part:
            save_file(arrays, part, metadata=header)

    @classmethod
    def load(cls, path: Path) -> Simulation:
        """Read a file that `save` wrote.

        Raises:
            ReadError: the file is damaged, or holds something else.
        """
        with _reading(Path(path)), safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            if (header.get("format"), header.get("version")) != (_FORMAT, VERSION):
                rule = f"it is no {_FORMAT} of version {VERSION}"
                raise ReadError(str(path), rule, "Simulate again with `scionwood crash simulate`")
            arrays = {name: file.get_tensor(name) for name in ARRAYS}
            return cls(**arrays, **json.loads(header["record"]))


ARRAYS = tuple(each.name for each in fields(Simulation) if each.type == "np.ndarray")


def to_part(found: Simulation) -> Part:
    """A simulation of the suite as a part.

    Args:
        found: of one material.
    """
    material = Material(**dict(zip(COLUMNS, map(float, found.materials[0]), strict=True)))
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in found.impactor.items()
    }
    return Part(
        found.nodes.astype(np.float64),
        found.quads.astype(np.int64),
        found.thickness.astype(np.float64),
        found.held,
        material,
        Impactor(**given),
        found.times,
        found.displacement.astype(np.float64),
        found.plastic_strain.astype(np.float64),
        found.family,
        f"{found.family}-{found.index}",
    )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    faults = (SafetensorError, OSError, KeyError, TypeError, ValueError, struct.error)
    try:
        yield
    except ReadError:
        raise
    except faults as error:
        raise ReadError(str(path), f"no {_FORMAT} can be read from it: {error}", "") from error
