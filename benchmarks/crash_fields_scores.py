"""Score the fields of `crash_fields.py`: edges, plastic strain, energy, accelerations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from runner import Row
from torch import Tensor

from scionwood_crash.data.encode import LENGTH, Encoded
from scionwood_crash.evaluation.edges import edge_measures
from scionwood_crash.evaluation.energy import sheet_energy
from scionwood_crash.evaluation.metrics import measure
from scionwood_crash.evaluation.probes import filtered, probe
from scionwood_crash.model.graph import DIRECTION, DURATION
from scionwood_crash.tasks.displacement import Displacement

CLOSE = 0.25
"""Error of the largest filtered acceleration up to which a probe counts as usable."""


@torch.no_grad()
def field_scores(
    predict: Callable[[Encoded], Tensor], data: Sequence[Encoded], task: Displacement
) -> Row:
    """Return means over parts; strains are means of the parts' means and 99th percentiles."""
    rows: list[dict[str, float]] = []
    for part in data:
        moved = predict(part)
        numbers = measure(moved, part.displacement, part.graph)
        numbers |= edge_measures(moved, part.displacement, part.graph)
        row = {name: float(value) for name, value in numbers.items()}
        strain = task.predict({"graph": part.graph})[1]
        if strain is not None:
            row |= plastic_scores(strain, part)
        rows.append(row)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def plastic_scores(strain: Tensor, part: Encoded) -> dict[str, float]:
    """Return the errors of the plastic strain of the last frame, and of the energy, percent."""
    predicted, simulated = strain[:, -1], part.plastic_strain[:, -1]
    energies = [
        float(sheet_energy(item, part.graph)[0, -1]) for item in (strain, part.plastic_strain)
    ]
    return {
        "plastic_error": 100 * float((predicted - simulated).abs().mean() / simulated.mean()),
        "plastic_correlation": float(np.corrcoef(predicted, simulated)[0, 1]),
        "energy_error": 100 * abs(energies[0] - energies[1]) / energies[1],
    }


def accelerations(predict: Callable[[Encoded], Tensor], data: Sequence[Encoded]) -> Row:
    """Return the error of the largest filtered acceleration at the node of the intrusion."""
    errors = []
    for part in data:
        direction = part.graph.condition[0, DIRECTION].numpy()
        node = int((part.displacement @ torch.from_numpy(direction)).amax(1).argmax())
        frames = part.displacement.shape[1]
        times = np.linspace(0, 10 * float(part.graph.condition[0, DURATION].exp()), frames)
        peaks = []
        for moved in (part.displacement, predict(part)):
            motion = probe(times, LENGTH * moved.numpy().transpose(1, 0, 2), node)
            peaks.append(np.abs(filtered(times, motion.acceleration)))
        true, predicted = (float((peak @ np.abs(direction)).max()) for peak in peaks)
        errors.append(abs(predicted - true) / true)
    return {
        "acceleration_error": 100 * float(np.mean(errors)),
        "acceleration_median": 100 * float(np.median(errors)),
        "acceleration_close": float(np.mean(np.array(errors) <= CLOSE)),
    }
