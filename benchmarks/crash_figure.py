"""Draw the figure of the crash plugin: a crash box before the impact, simulated and predicted.

    python benchmarks/crash_figure.py

The design was not used in the training of the shipped network. The fourth panel shows the maximum
intrusion over time. Prints the errors of the prediction. Writes docs/figures/crash.png, in about
ten seconds on one core.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from runner import option, parsed

from scionwood.authoring import atomic_path, figure_style
from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.data.encode import Encoder, outward
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.evaluation.figures import draw_cells
from scionwood_crash.model import SIZES
from scionwood_crash.parts.part import Part

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "crash.png"
SEED = 9


def simulated() -> Part:
    """Simulate one crash box on a mesh of 10 mm."""
    counts = {"n_train": 1, "n_val": 0, "n_test": 0}
    data = SuiteParts(families=["box"], element_size=10.0, seed=SEED, **counts)
    return data.parts("train")[0]


@torch.no_grad()
def predicted(part: Part) -> np.ndarray:
    """Return the displacements that the shipped network predicts, (frame, node, 3), mm."""
    model = MaskMorphUNet(size="small", weights="shipped").eval()
    encoded = Encoder(SIZES["small"]).encode(part)
    return outward(model(*encoded.graph), encoded.frame)


@figure_style()
def draw(part: Part, reference: np.ndarray, estimate: np.ndarray) -> Figure:
    """Draw the three shapes, coloured by the displacement in mm, and the intrusion over time."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    fields = {"before": 0 * reference[-1], "simulated": reference[-1], "predicted": estimate[-1]}
    lengths = {name: np.linalg.norm(moved, axis=1) for name, moved in fields.items()}
    scale = Normalize(0, max(float(values.max()) for values in lengths.values()))
    shapes = np.concatenate([part.points + moved for moved in fields.values()])
    bounds = shapes.min(0), shapes.max(0)
    for column, (name, moved) in enumerate(fields.items()):
        axes: Any = figure.add_subplot(1, 4, column + 1, projection="3d")
        cells = (part.points + moved, part.cells, lengths[name])
        faces = draw_cells(axes, *cells, scale, bounds)
        axes.set_title(name)
    figure.colorbar(faces, ax=figure.axes, shrink=0.8, label="displacement (mm)")
    curves = figure.add_subplot(1, 4, 4)
    direction = np.asarray(part.impactor.direction)
    histories = {"simulated": reference, "predicted": estimate}
    for name, history in histories.items():
        style = "--" if name == "predicted" else "-"
        curves.plot(part.times, (history @ direction).max(1), style, label=name)
    curves.set(xlabel="time (ms)", ylabel="maximum intrusion (mm)")
    curves.grid(alpha=0.3)
    curves.legend()
    return figure


def main() -> None:
    target: Path = parsed(__doc__, option("target", type=Path, nargs="?", default=FIGURE)).target
    part = simulated()
    reference, estimate = np.asarray(part.displacement), predicted(part)
    direction = np.asarray(part.impactor.direction)
    depths = [float((field @ direction).max()) for field in (reference, estimate)]
    distance = np.linalg.norm(estimate - reference, axis=2).mean()
    print(
        f"MED {100 * distance / depths[0]:.1f} %, intrusion {depths[1]:.1f} of {depths[0]:.1f} mm"
    )
    with atomic_path(target) as part_path:
        draw(part, reference, estimate).savefig(part_path, format="png", dpi=100)


if __name__ == "__main__":
    main()
