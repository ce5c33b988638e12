"""Find a grey lesion anywhere in a volume: pooling over cells against the middle slice and others.

    pip install 'scionwood-biomed[bench]'
    python benchmarks/biomed_volumes.py     # about five minutes of one core

Each volume is 16 axial slices of the MNI template, deformed, with another brightness, gamma and
bias field. Half of them have a lesion over about three slices, at any height, whose grey healthy
tissue of the same slice has too. The sham has the same volumes without lesions, and the same
labels.

Of 60 volumes, 48 are drawn twice for training; the test has 100 others. The rows:
`brightness` uses no network; `middle slice` and `mean of slices` are logistic regressions on pooled
features; `pooling over slices` has one cell for each slice; `pooling over cells` is the task
`biomed/volumes`; `slice labels` knows which training slices have the lesion, and is the bound.
Intervals are over test volumes and draws. No setting was chosen by these results.

The script writes biomed_volumes.csv.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, final

import nibabel as nib
import numpy as np
import torch
from biomed import RESULTS, provenance, write
from biomed_towers import write_towers
from rich.progress import track
from scipy.ndimage import gaussian_filter, map_coordinates, zoom
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from scionwood_biomed.backbones import bag
from scionwood_biomed.model.bag import BagClassifier, BagHead
from scionwood_biomed.model.blocks import pooled
from scionwood_biomed.tasks.volumes import Volumes

VOLUMES, POOL, TRAINING, DRAWS = 160, 60, 48, 2
SLICES, SIDE, RADIUS = 16, 128, 8.0
CLASSES = ("no lesion", "lesion")
KINDS = ("grey lesion", "sham")
Row = dict[str, Any]


@final
class Seen(NamedTuple):
    """What the methods see of all volumes.

    Attributes:
        cells: (volume, slice, cell, channel).
        slices: (volume, slice, feature), pooled over each slice.
        bright: (volume, feature), grey values alone.
        place: (volume,), the slice of the lesion; -1 without one.
    """

    cells: Tensor
    slices: Tensor
    bright: np.ndarray
    place: np.ndarray


def template() -> np.ndarray:
    """Return the MNI template as (slice, row, column) from 0 to 1, axial, from the feet."""
    (path,) = Path(str(files("nilearn"))).glob("datasets/data/mni_icbm152_t1*.nii.gz")
    values = np.asarray(nib.load(path).dataobj, np.float32).squeeze()
    turned: np.ndarray = np.transpose(values / values.max(), (2, 1, 0))[:, ::-1]
    return turned


def volume(base: np.ndarray, rng: np.random.Generator, *, sick: bool) -> tuple[np.ndarray, int]:
    """Draw a volume (slice, row, column) from 0 to 1, and the slice of its lesion or -1."""
    axes = (np.linspace(0, 1, SLICES), *(np.linspace(0, 1, SIDE),) * 2)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    low = rng.normal(0, 0.02, (3, 4, 4, 4))
    warp = np.stack([zoom(x, (SLICES / 4, SIDE / 4, SIDE / 4), order=1) for x in low])
    grid = grid + warp
    grid[0] = 0.25 + rng.uniform(-0.03, 0.03) + grid[0] * 0.5
    scale, shift = 1 + rng.uniform(-0.06, 0.06), rng.uniform(-0.02, 0.02, (2, 1, 1, 1))
    grid[1:] = (grid[1:] - 0.5) * scale + 0.5 + shift
    corners = (np.array(base.shape) - 1)[:, None, None, None]
    values = map_coordinates(base, grid * corners, order=1, mode="constant")
    bias = zoom(rng.normal(0, 0.1, (3, 3, 3)), (SLICES / 3, SIDE / 3, SIDE / 3), order=1)
    brain = values > 0.25
    values = np.clip(values, 0, 1) ** rng.uniform(0.8, 1.25) * (1 + bias)
    blob, at = _blob(brain, rng)
    if sick:
        level = np.quantile(values[at][brain[at]], rng.uniform(0.3, 0.5))
        values = np.where(brain, values * (1 - blob) + level * blob, values)
    noisy = np.clip(values + rng.normal(0, 0.02, values.shape), 0, 1.2) / 1.2
    return noisy.astype(np.float32), at if sick else -1


def _blob(brain: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    at = int(rng.integers(0, SLICES))
    inside = np.argwhere(brain[at, 20:-20, 20:-20]) + 20
    row, column = inside[rng.integers(len(inside))]
    radius, thick = RADIUS * rng.uniform(0.8, 1.25), rng.uniform(0.8, 1.4)
    long = radius * rng.uniform(0.7, 1.3)
    z, y, x = np.ogrid[:SLICES, :SIDE, :SIDE]
    far = ((z - at) / thick) ** 2 + 2 * (((y - row) / radius) ** 2 + ((x - column) / long) ** 2)
    return np.clip(1.6 * np.exp(-0.5 * far), 0, 1), at


@torch.no_grad()
def look(network: BagClassifier, volumes: int, *, lesions: bool) -> Seen:
    """Compute what the methods see; the label of a volume is whether its number is odd."""
    base, rng = template(), np.random.default_rng(0)
    cells, slices, bright, places = [], [], [], []
    for number in track(range(volumes), "volumes" if lesions else "sham"):
        values, at = volume(base, rng, sick=lesions and number % 2 == 1)
        image = torch.from_numpy(values)[:, None].expand(-1, 3, -1, -1)
        maps = network.vision.maps((image - network._mean) / network._std)
        parts = [F.adaptive_avg_pool2d(maps[at], 7) for at in network.at]
        cells.append(torch.cat(parts, 1).flatten(2).transpose(1, 2))
        most = [maps[at].amax((2, 3)) for at in network.at]
        slices.append(
            torch.cat([F.normalize(p, dim=1) for p in (*_means(maps, network), *most)], 1)
        )
        smooth = gaussian_filter(values, (0.7, 2, 2))
        shares = np.quantile(values, (0.5, 0.99, 0.999))
        bright.append([smooth.max(), smooth[SLICES // 2].max(), values.mean(), *shares])
        places.append(at)
    return Seen(torch.stack(cells), torch.stack(slices), np.array(bright), np.array(places))


def _means(maps: list[Tensor], network: BagClassifier) -> list[Tensor]:
    return [pooled(maps[at], 0) for at in network.at]


def answers(seen: Seen, train: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of the test volumes by method."""
    label = np.arange(len(seen.cells)) % 2
    middle = seen.slices[:, SLICES // 2].numpy()
    found = {
        "brightness": _regression(seen.bright, label, train, test),
        "middle slice": _regression(middle, label, train, test),
        "mean of slices": _regression(seen.slices.mean(1).numpy(), label, train, test),
        "pooling over slices": _pooled(seen.slices[:, :, None], label, train, test),
        "pooling over cells": _pooled(seen.cells, label, train, test),
    }
    if (seen.place >= 0).any():
        found["slice labels"] = _bound(seen, train, test)
    return found


def _regression(
    x: np.ndarray, label: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    mean, std = x[train].mean(0), x[train].std(0) + 1e-6
    model = LogisticRegression(C=0.1, max_iter=500).fit((x[train] - mean) / std, label[train])
    scores: np.ndarray = model.decision_function((x[test] - mean) / std)
    return scores


def _pooled(cells: Tensor, label: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Fit the head of `biomed/volumes` to cells (volume, slice, cell, channel)."""
    torch.manual_seed(0)
    network = _Cells(cells.shape[1:])
    task = Volumes(network, reference=CLASSES[0])
    task.fit_head([cells[train]], torch.from_numpy(label[train]))
    with torch.no_grad():
        return network.answer.eval()(cells[test]).softmax(-1)[:, 1].numpy()


@final
class _Cells(torch.nn.Module):
    classes = CLASSES

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        slices, cells, channels = shape
        self.answer = BagHead((slices, cells, channels), 32, 32, 2)


def _bound(seen: Seen, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Train on slices that are known to have the lesion; a volume has its highest slice."""
    near = np.abs(np.arange(SLICES)[None] - seen.place[:, None]) <= 1
    label = near & (seen.place[:, None] >= 0)
    x = seen.slices.numpy()
    mean, std = x[train].mean((0, 1)), x[train].std((0, 1)) + 1e-6
    x = (x - mean) / std
    flat = x[train].reshape(-1, x.shape[-1])
    model = LogisticRegression(C=0.1, max_iter=500).fit(flat, label[train].ravel())
    scores = model.decision_function(x[test].reshape(-1, x.shape[-1])).reshape(len(test), SLICES)
    highest: np.ndarray = scores.max(1)
    return highest


def rows(kind: str, seen: Seen, training: int, draws: int, pool: int) -> list[Row]:
    """Return AUROC with its interval for each method."""
    label = np.arange(len(seen.cells)) % 2
    test = np.arange(pool, len(label))
    scores: dict[str, list[np.ndarray]] = {}
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        own = [rng.permutation(np.flatnonzero(label[:pool] == c))[: training // 2] for c in (0, 1)]
        for name, each in answers(seen, np.concatenate(own), test).items():
            scores.setdefault(name, []).append(each)
    return [
        {"volumes": kind, "method": name, "training": training, **_measured(label[test], each)}
        for name, each in scores.items()
    ]


def _measured(label: np.ndarray, scores: Sequence[np.ndarray]) -> Row:
    rng = np.random.default_rng(0)
    score: Callable[[np.ndarray, np.ndarray], float] = roc_auc_score
    values = []
    for _ in range(1000):
        at = np.concatenate(
            [rng.choice(np.flatnonzero(label == c), (label == c).sum()) for c in (0, 1)]
        )
        values.append(score(label[at], scores[rng.integers(len(scores))][at]))
    low, high = np.quantile(values, (0.025, 0.975))
    mean = float(np.mean([score(label, each) for each in scores]))
    return {"auroc": mean, "low": float(low), "high": float(high)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/biomed-volumes"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only", choices=KINDS, help="keep the rows of the other kind")
    parser.add_argument("--quick", action="store_true", help="a few volumes and one draw")
    options = parser.parse_args(arguments)
    model = options.work / "towers"
    if not (model / "open_clip_model.safetensors").exists():
        write_towers(model)
    network = bag(model=str(model), slices=SLICES, classes=CLASSES).eval()
    sizes = (16, 8, 1, 8) if options.quick else (VOLUMES, TRAINING, DRAWS, POOL)
    volumes, training, draws, pool = sizes
    path, found = options.results / "biomed_volumes.csv", list[Row]()
    if options.only and path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            found = [row for row in csv.DictReader(file) if row["volumes"] != options.only]
    for kind in [options.only] if options.only else KINDS:
        seen = look(network, volumes, lesions=kind != "sham")
        found += rows(kind, seen, training, draws, pool)
        write(path, [{**provenance(), **row} for row in found])


if __name__ == "__main__":
    main()
