"""Samples of the suite's files, which `scionwood check --fuzz` damages."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from scionwood_crash.suite.record import ARRAYS, Simulation
from scionwood_kit import Parser


class Simulations(Parser):
    """Simulations of the suite, in safetensors."""

    suffixes = (".safetensors",)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return every array of the simulation, and its other values."""
        simulation = Simulation.load(path)
        return [getattr(simulation, entry.name) for entry in fields(simulation)]

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a simulation of one element in which nothing moves."""
        nodes = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
        arrays: dict[str, Any] = dict.fromkeys(ARRAYS, np.zeros(2))
        arrays |= {"nodes": nodes, "quads": np.arange(4, dtype=np.int32)[None]}
        arrays |= {"part": np.zeros(1, np.int32), "thickness": np.ones(1, np.float32)}
        arrays |= {"materials": np.ones((1, 8)), "clamped": np.zeros(4, bool)}
        arrays |= {"displacement": np.zeros((2, 4, 3), np.float32), "energy": np.zeros((2, 7))}
        arrays |= {"plastic_strain": np.zeros((2, 1), np.float32)}
        values: dict[str, Any] = {"family": "sample", "seed": 0, "index": 0}
        values |= {"impactor": {"speed": 1.0}, "parameters": {"width": 1.0}}
        Simulation(**arrays, **values).save(path, overwrite=True)
