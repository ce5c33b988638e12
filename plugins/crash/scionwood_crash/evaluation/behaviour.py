"""Probes of a network for crash parts: impacts whose outcome is known beforehand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scionwood import Task
from scionwood.authoring import ProbeResult
from scionwood_crash.data.encode import LENGTH, Encoder, example_part, outward
from scionwood_crash.model.graph import DURATION, CrashGraph
from scionwood_crash.model.presets import Size
from scionwood_crash.parts.part import Part
from scionwood_crash.solver.model import Impactor

NONE = "an impactor that has not moved moves nothing; 1 mm is the thickness of a sheet"
START = "the first frame is the part before the impact"
CLAMPED = "clamped nodes cannot move; 0.1 mm is a rounding of files"
MIRROR = "a mirrored part under a mirrored impact gives the mirrored shape"
TURNED_REASON = "the axes of the program that wrote a file say nothing about the part"

_TINY = -20.0  # the logarithm of a duration that lets nothing move


@torch.no_grad()
def displacement(task: Task, folder: Path | None = None) -> list[ProbeResult]:
    """Probe a network: no travel, the first frame, clamped nodes, and a mirrored and a turned part.

    The part is a channel of 54 nodes under a cylinder, which hits it beside its middle.

    Shapes: displacements of (node, frame, 3), float32.

    Units: mm; shares of the largest displacement.

    Args:
        task: a task of this plugin.
        folder: the run folder, which these probes do not need.

    Returns:
        Five results.

    Example:
        >>> from scionwood_crash.evaluation.behaviour import displacement
        >>> found = displacement(scionwood.load_run("crash/transfer_lora"))
        >>> [probe.name for probe in found]
        ['no travel', 'first frame', 'clamped nodes', 'mirrored part', 'turned part']
    """
    part = example_part(offset=3.0)  # a central impact is its own mirror image
    size = _size_of(task)
    graph = Encoder(size).encode(part).graph
    predicted = _run(task, graph)
    still = graph.condition.clone()
    still[:, DURATION] = _TINY
    quiet = graph._replace(condition=still)
    shape = _shape(task, part, size)
    rotated = _rotate_part(part)
    far = max(float(np.abs(shape).max()), 1e-9)
    back = _shape(task, rotated, size) @ _QUARTER
    mirror = _shape(task, _mirrored(part), size) * _FLIP
    return [
        ProbeResult("no travel", _largest_displacement(_run(task, quiet)), "mm", 1.0, reason=NONE),
        ProbeResult(
            "first frame", _largest_displacement(predicted[:, :1]), "mm", 0.1, reason=START
        ),
        ProbeResult(
            "clamped nodes",
            _largest_displacement(predicted[graph.clamped]),
            "mm",
            0.1,
            reason=CLAMPED,
        ),
        ProbeResult(
            "mirrored part", float(np.abs(mirror - shape).max()) / far, most=0.05, reason=MIRROR
        ),
        ProbeResult(
            "turned part", float(np.abs(back - shape).max()) / far, most=0.01, reason=TURNED_REASON
        ),
    ]


_FLIP = np.array([1.0, -1.0, 1.0])
_QUARTER = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def _size_of(task: Task) -> Size:
    network: Any = task.backbone
    size: Size = network.size
    return size


def _run(task: Task, graph: CrashGraph) -> Tensor:
    output: Any = task.backbone(*(tensor.to(task.device) for tensor in graph))
    moved: Tensor = output[0] if isinstance(output, tuple) else output
    return moved.float().cpu()


def _largest_displacement(moved: Tensor) -> float:
    return LENGTH * float(moved.norm(dim=-1).max()) if moved.numel() else 0.0


def _shape(task: Task, part: Part, size: Size) -> np.ndarray:
    """Return the displacement (frame, node, 3) in the axes of the model."""
    encoded = Encoder(size).encode(part)
    return outward(_run(task, encoded.graph), encoded.frame, encoded.order)


def _mirrored(part: Part) -> Part:
    """Return the part mirrored in y; its cells keep their sense of rotation."""
    return replace(
        part,
        points=part.points * _FLIP,
        cells=part.cells[:, ::-1].copy(),
        impactor=_moved(part.impactor, np.diag(_FLIP)),
    )


def _rotate_part(part: Part) -> Part:
    """Return the part turned by a quarter about z."""
    impactor = _moved(part.impactor, _QUARTER)
    return replace(part, points=part.points @ _QUARTER.T, impactor=impactor)


def _moved(impactor: Impactor, matrix: np.ndarray) -> Impactor:
    old = (impactor.point, impactor.axis, impactor.direction)
    point, axis, direction = ((matrix @ np.array(x)).tolist() for x in old)
    return replace(
        impactor,
        point=(point[0], point[1], point[2]),
        axis=(axis[0], axis[1], axis[2]),
        direction=(direction[0], direction[1], direction[2]),
    )
