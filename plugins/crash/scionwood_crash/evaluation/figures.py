"""Figures of deformed parts and of the error of a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from mpl_toolkits.mplot3d.proj3d import proj_transform
from torch import Tensor

from scionwood.authoring import atomic_path, figure_style
from scionwood_crash.data.encode import LENGTH
from scionwood_crash.evaluation.metrics import distances, intrusion
from scionwood_crash.model.graph import CrashGraph

FITTING, MARGIN = 8, 0.97
"""Steps in which the zoom is found, and the share of the axes that the drawing fills."""


@figure_style()
def deformed(
    points: np.ndarray,
    cells: np.ndarray,
    simulated: np.ndarray,
    predicted: np.ndarray,
    *,
    title: str = "",
    unit: str = "mm",
) -> Figure:
    """Draw the simulated and the predicted shape side by side, coloured by their distance.

    Args:
        points: (node, 3), initial positions.
        cells: (cell, 4), node numbers.
        simulated: (node, 3), displacements.
        predicted: (node, 3), displacements.
        title: title above both shapes.
        unit: unit of length.

    Returns:
        The figure.
    """
    error = np.linalg.norm(predicted - simulated, axis=1)
    scale = Normalize(0, max(float(error.max()), 1e-9))
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for at, (name, moved) in enumerate({"simulated": simulated, "predicted": predicted}.items()):
        axes: Any = figure.add_subplot(1, 2, at + 1, projection="3d")
        shape = points + moved
        faces = draw_cells(axes, shape, cells, error, scale, (shape.min(0), shape.max(0)))
        axes.set_title(name)
    label = f"distance between both ({unit})"
    figure.colorbar(faces, ax=figure.axes, shrink=0.7, label=label)
    figure.suptitle(title, parse_math=False)
    return figure


@figure_style()
def animate(
    points: np.ndarray,
    cells: np.ndarray,
    histories: Mapping[str, np.ndarray],
    target: Path,
    *,
    fps: int = 8,
    overwrite: bool = False,
) -> None:
    """Write deforming shapes side by side as a GIF, coloured by the displacement of the nodes.

    Args:
        points: (node, 3), initial positions.
        cells: (cell, 4), node numbers.
        histories: displacements (frame, node, 3) by title; all have the same number of frames.
        target: the file, `.gif`.
        fps: frames per second.
        overwrite: replace an existing file.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
    """
    largest = max(float(np.linalg.norm(history, axis=2).max()) for history in histories.values())
    figure = Figure(figsize=(4.5 * len(histories), 3.6), dpi=70)
    extent = [points + history.min(0) for history in histories.values()]
    extent += [points + history.max(0) for history in histories.values()]
    bounds = np.min(extent, (0, 1)), np.max(extent, (0, 1))
    faces = []
    for at, title in enumerate(histories):
        axes: Any = figure.add_subplot(1, len(histories), at + 1, projection="3d")
        faces.append(
            draw_cells(axes, points, cells, np.zeros(len(points)), Normalize(0, largest), bounds)
        )
        axes.set_title(title)

    def show(frame: int) -> list[Poly3DCollection]:
        for face, history in zip(faces, histories.values(), strict=True):
            face.set_verts((points + history[frame])[cells])
            face.set_array(np.linalg.norm(history[frame], axis=1)[cells].mean(1))
        return faces

    frames = len(next(iter(histories.values())))
    with atomic_path(target, overwrite=overwrite) as part:
        FuncAnimation(figure, show, frames=frames).save(part, writer=PillowWriter(fps=fps))


@figure_style()
def over_time(
    times: np.ndarray, values: Mapping[str, np.ndarray], *, label: str, unit: str = "ms"
) -> Figure:
    """Draw lines over time.

    Args:
        times: (frame,).
        values: values (frame,) by the name of the line.
        label: label of the values.
        unit: unit of time.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, line in values.items():
        style = "--" if name == "predicted" else "-"
        axes.plot(times, line, style, label=name, marker=".")
    axes.set(xlabel=f"time ({unit})", ylabel=label)
    axes.grid(alpha=0.3)
    if len(values) > 1:
        axes.legend()
    return figure


@figure_style()
def motions(
    times: np.ndarray,
    histories: Mapping[str, Mapping[str, np.ndarray]],
    *,
    length: str = "mm",
    time: str = "ms",
) -> Figure:
    """Draw displacement, velocity and acceleration of a node over time in three panels.

    Args:
        times: (frame,).
        histories: `displacement`, `velocity` and `acceleration`, (frame,) each, by the name of the
            line.
        length: unit of displacements.
        time: unit of time.

    Returns:
        The figure.
    """
    units = {"displacement": length, "velocity": f"{length}/{time}"}
    units["acceleration"] = f"{length}/{time}²"
    figure = Figure(figsize=(5.6, 6.4), layout="constrained")
    panels = figure.subplots(3, 1, sharex=True)
    for axes, (quantity, unit) in zip(panels, units.items(), strict=True):
        for name, values in histories.items():
            style = "--" if name == "predicted" else "-"
            axes.plot(times, values[quantity], style, label=name, marker=".")
        axes.set_ylabel(f"{quantity} ({unit})")
        axes.grid(alpha=0.3)
    panels[-1].set_xlabel(f"time ({time})")
    panels[-1].legend()
    return figure


def draw_cells(
    axes: Any,
    shape: np.ndarray,
    cells: np.ndarray,
    values: np.ndarray,
    scale: Normalize,
    bounds: tuple[np.ndarray, np.ndarray],
) -> Poly3DCollection:
    """Draw the cells of a shape in 3D axes, coloured by values of nodes, as large as they fit.

    Args:
        axes: axes of Matplotlib with the projection `3d`.
        shape: (node, 3), positions.
        cells: (cell, 4), node numbers.
        values: (node,).
        scale: range of the colours.
        bounds: lowest and highest corner of the view, (3,) each.
    """
    faces = Poly3DCollection(shape[cells], edgecolor="0.4", linewidth=0.1)
    faces.set_array(values[cells].mean(1))
    faces.set_norm(scale)
    faces.set_cmap("viridis")
    axes.add_collection3d(faces)
    low, high = bounds
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    _fill(axes, low, high)
    axes.set_axis_off()
    return faces


def _fill(axes: Any, low: np.ndarray, high: np.ndarray) -> None:
    """Zoom so that the projected corners of a box just lie inside of the axes."""
    corners = np.array(np.meshgrid(*np.stack([low, high], 1))).reshape(3, -1)
    view, zoom = axes.viewLim, 1.0
    for _ in range(FITTING):
        axes.set_box_aspect(np.maximum(high - low, 1e-3), zoom=zoom)
        x, y, _ = proj_transform(*corners, axes.get_proj())
        middle = (view.x0 + view.x1) / 2, (view.y0 + view.y1) / 2
        reach = max(
            np.abs(x - middle[0]).max() / view.width, np.abs(y - middle[1]).max() / view.height
        )
        zoom *= MARGIN / (2 * reach)


def of_batch(predicted: Tensor, simulated: Tensor, graph: CrashGraph) -> dict[str, Figure]:
    """Draw the first part of a batch in its own axes: shapes, intrusion and error over time.

    Args:
        predicted: (N, T, 3), displacements in 100 mm.
        simulated: (N, T, 3), displacements in 100 mm.
        graph: graph of these nodes.

    Returns:
        Figures by name: `deformed`, `intrusion` and `error`.
    """
    predicted, mine = predicted.detach(), graph.node_assembly == 0
    count = int(mine.sum())
    cells = graph.cells[(graph.cells < count).all(1)].cpu().numpy()
    points = LENGTH * graph.position[mine].double().cpu().numpy()
    last = [LENGTH * moved[mine][:, -1].double().cpu().numpy() for moved in (simulated, predicted)]
    depth = [intrusion(moved, graph)[0].cpu().numpy() for moved in (simulated, predicted)]
    owner, assemblies = graph.node_assembly, graph.assembly_count
    by_time = distances(predicted, simulated, owner, assemblies)[0].cpu().numpy()
    frames = np.arange(len(by_time))
    lines = {"simulated": depth[0], "predicted": depth[1]}
    return {
        "deformed": deformed(points, cells, *last, title="last frame"),
        "intrusion": over_time(frames, lines, label="maximum intrusion, mm", unit="frame"),
        "error": over_time(frames, {"MED": by_time}, label="mean distance, mm", unit="frame"),
    }
