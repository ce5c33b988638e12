"""Measure fields, baselines, intervals and novelty of adapted crash networks on fresh designs.

    python benchmarks/crash_fields.py --work crash-suite

The networks start from the shipped weights and adapt to 16 or 8 bumpers, as the transfer of
`crash_suite.py` does: frozen-edge, 100 steps. The test has 30 bumpers of seed 200, which nothing
was chosen on, and the 30 of `crash_suite.py`. Results that exist in the folder are not computed
again. Writes benchmarks/results/crash_fields.csv.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from crash_training import ENCODER, POOL, SIZE, UNSEEN, fit, parts, run
from runner import Row
from safetensors.torch import load_file, save_file
from torch import Tensor

from scionwood import attach
from scionwood.adapters.methods import config_class
from scionwood.authoring import atomic_path
from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.data.encode import LENGTH, Encoded
from scionwood_crash.evaluation.edges import edge_measures
from scionwood_crash.evaluation.energy import sheet_energy
from scionwood_crash.evaluation.fields import calibrate, projected
from scionwood_crash.evaluation.folds import assigned
from scionwood_crash.evaluation.intervals import Intervals, cover, depth, errors_of
from scionwood_crash.evaluation.metrics import measure
from scionwood_crash.evaluation.probes import filtered, probe
from scionwood_crash.evaluation.regression import BASELINES, Regression, deepest
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


STEPS, RATE = 100, 5e-3
FIRST_NEW = 200
"""Seed of the designs that nothing was chosen on."""
LOSSES = {
    "no edge loss": {"edge_weight": 0.0},
    "edge loss": {"edge_weight": 1.0},
    "edge loss, plastic strain": {"edge_weight": 1.0, "plastic": 1.0},
}
FOLDS = 4
Predict = Callable[[Encoded], Tensor]


@cache
def designs(family: str, seed: int, count: int, folder: Path) -> list[Encoded]:
    """Return designs as tensors; those that the folder lacks are simulated."""
    return [ENCODER.encode(part) for part in parts(family, folder, count, seed)]


def split_of_seed(seed: int, shots: int, work: Path) -> tuple[list[Encoded], list[Encoded]]:
    """Return the designs to adapt to, and the rest of the pool."""
    pool = designs(UNSEEN, 0, 2 * POOL, work)[:POOL]
    order = np.random.default_rng([seed, 2]).permutation(POOL)
    return [pool[at] for at in order[:shots]], [pool[at] for at in order[shots:]]


def tests(work: Path) -> dict[str, list[Encoded]]:
    """Return the test designs by name."""
    return {
        "fresh": designs(UNSEEN, FIRST_NEW, 30, work),
        "benchmark": designs(UNSEEN, 0, 2 * POOL, work)[POOL:],
    }


def adapted(name: str, loss: str, data: list[Encoded], seed: int, work: Path) -> Displacement:
    """Return a network that was adapted to some designs; its weights are kept by name."""
    weights = dict(LOSSES[loss])
    plastic = bool(weights.pop("plastic", 0.0))
    torch.manual_seed(seed)
    model = MaskMorphUNet(size=SIZE, weights="shipped", plastic=plastic, init_seed=seed)
    model = attach(model, config_class("methods/partial")(), targets="frozen-edge")
    task = Displacement(model, **weights)
    path = work / f"fields {name}, {loss} {seed}.safetensors"
    weights_trained = {key: value for key, value in model.named_parameters() if value.requires_grad}
    if path.is_file():
        for key, value in load_file(path).items():
            weights_trained[key].data.copy_(value)
        return task.eval()
    loss_of: Callable[[Row], Tensor] = lambda batch: task.losses(batch)["loss"]  # noqa: E731
    fit(loss_of, weights_trained.values(), data, seed, steps=STEPS, rate=RATE)
    with atomic_path(path) as part:
        save_file(
            {key: value.detach().contiguous() for key, value in weights_trained.items()}, part
        )
    return task.eval()


def predicting(task: Displacement, stiffness: float = 0.0) -> Predict:
    @torch.no_grad()
    def predict(part: Encoded) -> Tensor:
        return projected(task.predict({"graph": part.graph})[0], part.graph, stiffness)

    return predict


def stiffness_of(task: Displacement, data: list[Encoded]) -> float:
    with torch.no_grad():
        return calibrate(lambda graph: task.predict({"graph": graph})[0], data)[0]


def strain(loss: str, seed: int, work: Path) -> list[Row]:
    """Return the fields of an adapted network before and after the projection."""
    train, _ = split_of_seed(seed, 16, work)
    task = adapted("16", loss, train, seed, work)
    rows: list[Row] = []
    for stiffness in (0.0, stiffness_of(task, train)):
        predict = predicting(task, stiffness)
        cells: Row = {"method": loss, "stiffness": stiffness, "shots": 16, "part": "fresh"}
        scores = field_scores(predict, tests(work)["fresh"], task)
        rows.append({**cells, **scores, **accelerations(predict, tests(work)["fresh"])})
    return rows


def family(name: str, seed: int, work: Path) -> list[Row]:
    """Return the fields of the shipped network on a family that its training had."""
    data = designs(name, 100, 12, work)
    task = Displacement(MaskMorphUNet(size=SIZE, weights="shipped").eval())
    about: Row = {"method": "shipped", "part": name}
    return [
        about | {"stiffness": value, **field_scores(predicting(task, value), data[6:], task)}
        for value in (0.0, stiffness_of(task, data[:6]))
    ]


def network(shots: int, seed: int, work: Path) -> list[Row]:
    """Return the errors of the adapted and projected network on both tests."""
    train, _ = split_of_seed(seed, shots, work)
    task = adapted(str(shots), "edge loss", train, seed, work)
    predict = predicting(task, stiffness_of(task, train))
    cells: Row = {"method": "network", "shots": shots}
    return [
        {**cells, "part": part, **field_scores(predict, data, task)}
        for part, data in tests(work).items()
    ]


def baseline(name: str, shots: int, seed: int, work: Path) -> list[Row]:
    """Return the errors of a regression of the maximum intrusion on both tests."""
    model = Regression(name).fit(split_of_seed(seed, shots, work)[0])  # type: ignore[arg-type]
    rows: list[Row] = []
    for part, data in tests(work).items():
        true = deepest(data)
        error = float(100 * np.mean(np.abs(model.predict(data) - true) / true))
        rows.append({"method": name, "shots": shots, "part": part, "intrusion_error": error})
    return rows


def coverage(seed: int, work: Path) -> list[Row]:
    """Return coverage and width of the intervals of a draw of 16 designs, on 30 fresh ones."""
    train, spare = split_of_seed(seed, 16, work)
    task = adapted("16", "edge loss", train, seed, work)
    stiffness = stiffness_of(task, train)
    main = predicting(task, stiffness)
    rows = [errors_of(main(item), item.displacement, item.graph) for item in spare]
    split = Intervals("split", *map(tuple, zip(*rows, strict=True)))  # type: ignore[arg-type]
    fold = assigned(16, FOLDS)
    others: list[Predict] = []
    errors = [(0.0, 0.0)] * 16
    for at in range(FOLDS):
        rest = [item for item, number in zip(train, fold, strict=True) if number != at]
        others.append(predicting(adapted(f"fold {at}", "edge loss", rest, seed, work), stiffness))
        for index, part in enumerate(train):
            if fold[index] == at:
                moved = others[at](part)
                errors[index] = errors_of(moved, part.displacement, part.graph, half=True)
    crossed = Intervals("cv+", *map(tuple, zip(*errors, strict=True)), fold)  # type: ignore[arg-type]
    new_designs = tests(work)["fresh"]
    table = [_covered("network, CV+", crossed, main, others, new_designs)]
    table += [_covered("network, split on 14 spare", split, main, [], new_designs)]
    return [{"shots": 16, "part": "fresh", **row} for row in [*table, _ridge(train, new_designs)]]


def _covered(
    name: str, intervals: Intervals, main: Predict, others: list[Predict], data: list[Encoded]
) -> Row:
    rows = []
    for part in data:
        moved = main(part)
        interval = intervals.interval(moved, [other(part) for other in others], part.graph)
        true = depth(part.displacement, part.graph)
        inside = interval.low <= true <= interval.high
        width = (interval.high - interval.low) / true
        near = cover(moved, part.displacement) <= interval.radius
        rows.append([inside, width, near, interval.radius / true])
    covered, width, near, radius = np.array(rows, np.float64).mean(0).tolist()
    return {"method": name, "covered": covered, "width": width, "near": near, "radius": radius}


def _ridge(train: list[Encoded], data: list[Encoded]) -> Row:
    """Jackknife+ of the logarithmic ridge."""
    fits = [
        Regression("log-ridge").fit([*train[:at], *train[at + 1 :]]) for at in range(len(train))
    ]
    logarithms = np.log([fit.predict([part])[0] for fit, part in zip(fits, train, strict=True)])
    errors = np.abs(logarithms - np.log(deepest(train)))
    logs, true = np.log([fit.predict(data) for fit in fits]), deepest(data)
    low, high = (np.exp(np.sort(logs + sign * errors[:, None], 0)) for sign in (-1, 1))
    inside = (low[0] <= true) & (true <= high[-1])
    width = float(((high[-1] - low[0]) / true).mean())
    return {"method": "log-ridge, jackknife+", "covered": float(inside.mean()), "width": width}


def jobs(seeds: Sequence[int], work: Path) -> dict[str, Callable[[], list[Row]]]:
    """Return all computations by name."""
    measures: dict[tuple[str, int], Callable[[], list[Row]]] = {}
    for seed in seeds:
        for loss in LOSSES:
            measures[f"strain {loss}", seed] = partial(strain, loss, seed, work)
        measures["coverage", seed] = partial(coverage, seed, work)
        for shots in (16, 8):
            measures[f"baseline network {shots}", seed] = partial(network, shots, seed, work)
            for name in BASELINES:
                title = f"baseline {name} {shots}"
                measures[title, seed] = partial(baseline, name, shots, seed, work)
    for name in ("hat", "tube", "box"):
        measures[f"family {name}", 0] = partial(family, name, 0, work)

    def staged(title: str, seed: int) -> list[Row]:
        kind = {"stage": title.split()[0], "seed": seed}
        return [{**kind, **row} for row in measures[title, seed]()]

    return {f"fields {title} {seed}": partial(staged, title, seed) for title, seed in measures}


if __name__ == "__main__":
    run(__doc__, "crash_fields", jobs)
