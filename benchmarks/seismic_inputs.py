"""Measure what more inputs are worth: neighbouring slices; the trace distance and trace count.

    python benchmarks/seismic_inputs.py --data FOLDER --seeds 0 1

Each network starts from a shipped run and trains for the same seconds of one CPU core. Its twin has
the same layers and sees the same records, but not the further inputs. Volumes are tested on a
generated cube of another generator than that of the training, on a field cube, and on F3; gathers
on generated ones of other seeds, and on Viking shots. The folder is that of seismic_field.py. Each
row is appended to benchmarks/results/seismic_inputs.csv when it is measured, and measured once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from runner import Table, option, out, parsed
from scipy import ndimage as nd
from seismic_field import next_inline, removed, score
from seismic_field_cases import FIELD_DATA, GROUPS, Case
from seismic_field_methods import Estimate
from seismic_inputs_data import (
    SLOWEST,
    Batch,
    cube,
    facts,
    field_volume,
    gather_batches,
    noisy,
    volume_batches,
)
from torch import Tensor, nn

from scionwood import load_run
from scionwood_seismic.backbones import field_unet
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.synth.canonical import plan
from scionwood_seismic.synth.signal import ricker
from scionwood_seismic.tasks.start import take_over

FLOOR = 10**-3.2
"""The floor of the loss `log` of the task `seismic/denoise`: an error of -32 dB."""
Rates = dict[float, list[nn.Parameter]]
"""What trains, by its highest rate."""


class WithFacts(nn.Module):
    """A network that is told the trace distance and the trace count of what it denoises."""

    def __init__(self, model: nn.Module, steepest: float) -> None:
        super().__init__()
        self.model, self.steepest = model, steepest

    def forward(self, record: Tensor, mask: Tensor, level: Tensor) -> Tensor:
        signal: Tensor = self.model(record, mask, level, facts(record, mask, self.steepest))
        return signal


def train(model: nn.Module, batches: Iterator[Batch], seconds: float, sees: bool) -> int:
    """Train all weights, and return the steps."""

    def loss(batch: Batch) -> Tensor:
        neighbours = batch["beside"] if sees else torch.zeros_like(batch["beside"])
        with torch.autocast("cpu", torch.bfloat16):
            signal = model(batch["noisy"], batch["mask"], batch["level"], neighbours)
        energy = batch["clean"].square().sum((1, 2, 3))
        error = (signal.float() - batch["clean"]).square().sum((1, 2, 3))
        return (torch.log10(error / energy.clamp_min(1e-8) + FLOOR) * (energy > 0)).mean()

    groups = {1e-3: list(model.parameters())}
    return train_for(seconds, model, groups, batches, loss, lambda n: (n + 1) / 50)


def train_for(
    seconds: float,
    model: nn.Module,
    groups: Rates,
    batches: Iterator[Batch],
    loss: Callable[[Batch], Tensor],
    rise: Callable[[int], float],
) -> int:
    """Train for some seconds of CPU time, the drawing of records not counted; return the steps.

    Args:
        seconds: of one core.
        model: the network.
        groups: what trains; a rate falls as half a cosine.
        batches: without end.
        loss: of a batch.
        rise: the share of the rate at a step, as long as it is below 1.
    """
    trained = [{"params": p, "lr": lr, "top": lr} for lr, p in groups.items() if p]
    optimizer = torch.optim.AdamW(trained, weight_decay=1e-4)
    model.train()
    spent, steps = 0.0, 0
    while spent < seconds:
        batch = next(batches)
        start = time.process_time()
        share = min(1, rise(steps)) * (0.5 + 0.5 * np.cos(np.pi * spent / seconds))
        for group in optimizer.param_groups:
            group["lr"] = group["top"] * share
        value = loss(batch)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        steps += 1
        spent += time.process_time() - start
    model.eval()
    return steps


Denoise = Callable[[np.ndarray, int, DenoiseOptions], np.ndarray]
"""A volume (inline, trace, time), the index of an inline, the gate -> the denoised inline."""


def by_slice(
    model: nn.Module, sees: bool, volume: np.ndarray, i: int, gate: DenoiseOptions
) -> np.ndarray:
    """Denoise an inline, with those beside it if the network sees them."""
    places = (i - 1 if i else 0, min(i + 1, len(volume) - 1))
    neighbours = volume[list(places)] if sees else None
    return denoise_record(
        model, volume[i], dt=0.004, domain="stack", beside=neighbours, options=gate
    ).denoised


def both_ways(
    model: nn.Module, sees: bool, volume: np.ndarray, i: int, gate: DenoiseOptions
) -> np.ndarray:
    """Return the mean of the results by inlines and by crosslines, as `--slices both` does."""
    across = _across(model, sees, volume.tobytes(), volume.shape, gate.gate)
    blend: np.ndarray = 0.5 * by_slice(model, sees, volume, i, gate) + 0.5 * across[i]
    return blend


@cache
def _across(
    model: nn.Module, sees: bool, data: bytes, shape: tuple[int, ...], action: str
) -> np.ndarray:
    volume = np.frombuffer(data, np.float32).reshape(shape)
    gate = DenoiseOptions(gate=action)  # type: ignore[arg-type]
    crosslines = np.ascontiguousarray(volume.transpose(1, 0, 2))
    slices = [by_slice(model, sees, crosslines, i, gate) for i in range(len(crosslines))]
    return np.stack(slices, axis=1)


def mean_snr(
    denoise: Denoise, clean: np.ndarray, volume: np.ndarray, places: range, action: str
) -> float:
    gate = DenoiseOptions(gate=action)  # type: ignore[arg-type]
    scores = []
    for i in places:
        case = Case("cube", "", "", False, volume[i], clean[i], 0.004, None, "stack")
        scores.append(score(case, denoise(volume, i, gate)))
    return float(np.mean(scores))


def test_volumes(denoise: Denoise, folder: Path) -> dict[str, float]:
    """Return the numbers of a denoiser of volumes, without and with the harm gate."""
    row: dict[str, float] = {}
    cubes = [cube(seed) for seed in range(2)]
    for snr, name in ((False, "made_clean"), (True, "made_white")):
        item = [
            mean_snr(denoise, c, noisy(c, 21, k) if snr else c, range(2, 16, 4), "off")
            for k, c in enumerate(cubes)
        ]
        row[name] = float(np.mean(item))
    for name, first in (("cube", 5), ("F3", 12)):
        clean = field_volume(folder, name)
        places = range(first, len(clean))
        for action in ("off", "blend"):
            row[f"{name}_white_{action}"] = mean_snr(
                denoise, clean, noisy(clean, 8), places, action
            )
        cases = [Case(name, "", "none", False, clean[i], None) for i in places]
        estimates = [Estimate(denoise(clean, i, DenoiseOptions())) for i in places]
        pairs = list(zip(cases, estimates, strict=True))
        row[f"{name}_removed"] = float(np.mean([removed(c, e.data) for c, e in pairs]))
        row[f"{name}_next"] = float(next_inline(cases, estimates))
    row["alone"] = one_slice(denoise, folder)
    return {name: round(value, 3) for name, value in row.items()}


def one_slice(denoise: Denoise, folder: Path) -> float:
    """Return the amplitude that comes back of flat events that one inline alone has."""
    clean, off = field_volume(folder, "cube"), DenoiseOptions(gate="off")
    wave = np.zeros(clean.shape[2])
    wavelet = ricker(1 / 12, 1.0, length=48)
    for k, at in enumerate(range(40, clean.shape[2] - 40, 50)):
        wave[at - len(wavelet) // 2 :][: len(wavelet)] += (-1) ** k * wavelet
    i = 7
    rms = np.sqrt(nd.uniform_filter(clean[i] ** 2, (25, 73)).clip(0)) + 0.02 * clean[i].std()
    added = np.zeros_like(clean)
    added[i] = 4 * wave * rms
    back = denoise(clean + added, i, off) - denoise(clean, i, off)
    return float(np.sum(back * added[i]) / np.sum(added[i] ** 2))


@torch.no_grad()
def test_gathers(model: nn.Module, sees: bool, folder: Path) -> dict[str, float]:
    """Return the numbers of a denoiser of gathers, without the harm gate."""
    row: dict[str, float] = {}
    kinds = {"made_clean": (60.0, 0.0), "made_0dB": (0.0, 0.0), "made_few_0dB": (0.0, 1.0)}
    for name, (snr, few) in kinds.items():
        batches = gather_batches(901, (snr, snr), few)
        scores = []
        for _ in range(10):
            batch = next(batches)
            neighbours = batch["beside"] if sees else torch.zeros_like(batch["beside"])
            signal = model(batch["noisy"], batch["mask"], batch["level"] * 0, neighbours)
            error = (signal - batch["clean"]).square().sum((1, 2, 3))
            ratio = batch["clean"].square().sum((1, 2, 3)) / error.clamp_min(1e-12)
            scores.append(10 * torch.log10(ratio.clamp_min(1e-3)))
        row[name] = float(torch.cat(scores).clamp(max=60).median())
    off = DenoiseOptions(gate="off")
    for noise in ("white", "band", "FORGE"):
        scores = []
        for case in GROUPS["viking"](folder):
            if case.tune or case.noise != noise:
                continue
            dt = case.dt / plan(case.record.astype(np.float64), domain="shot").factor
            network = WithFacts(model, case.dx / (SLOWEST * dt)) if sees else model
            estimate = denoise_record(network, case.record, dt=case.dt, domain="shot", options=off)
            scores.append(score(case, estimate.denoised))
        row[f"viking_{noise}"] = float(np.mean(scores))
    return {name: round(value, 3) for name, value in row.items()}


def measure(
    group: str, variant: str, seed: int, options: argparse.Namespace
) -> Iterator[dict[str, object]]:
    """Train one network and test it, volumes also both ways; a shipped run is tested only."""
    torch.manual_seed(seed)
    run = {"volumes": "seismic/stack", "gathers": "seismic/shot"}[group]
    row: dict[str, object] = {"group": group, "variant": variant, "seed": seed}
    row["seconds"] = 0.0
    sees = variant in ("neighbours", "told")
    if variant == "shipped":
        model: nn.Module = load_run(run).backbone
    else:
        model = field_unet(neighbours=1, init_seed=seed)
        take_over(model, run)
        batches = volume_batches(seed) if group == "volumes" else gather_batches(seed)
        row["steps"] = train(model, batches, options.seconds, sees)
        row["seconds"] = options.seconds
    if group == "gathers":
        yield row | test_gathers(model, sees, options.data)
        return
    ways = {variant: by_slice, f"{variant}, both ways": both_ways}
    for name, way in list(ways.items())[: 1 if options.one_way else 2]:
        yield row | {"variant": name} | test_volumes(partial(way, model, sees), options.data)


VARIANTS = {
    "volumes": ("shipped", "one slice", "neighbours"),
    "gathers": ("shipped", "not told", "told"),
}
"""Group -> what is measured; the first one is not trained."""


def main() -> None:
    options = parsed(
        __doc__,
        FIELD_DATA,
        option("--groups", nargs="*", default=list(VARIANTS), choices=list(VARIANTS)),
        option("--variants", nargs="*", help="only these; by default all of a group"),
        option("--seconds", type=float, default=60, help="of CPU time, for each training"),
        option("--seeds", nargs="*", type=int, default=[0]),
        option("--one-way", action="store_true", help="test volumes by inlines only"),
        out("seismic_inputs"),
    )
    table = Table(options.out)
    measured = {_key(row) for row in table.rows}
    for group in options.groups:
        for seed in options.seeds:
            for variant in options.variants or VARIANTS[group]:
                seconds = 0.0 if variant == "shipped" else options.seconds
                if (group, variant, seed, seconds) in measured or (variant == "shipped" and seed):
                    continue
                table.add(*measure(group, variant, seed, options))


def _key(row: dict[str, str]) -> tuple[str, str, int, float]:
    return row["group"], row["variant"], int(row["seed"]), float(row["seconds"])


if __name__ == "__main__":
    main()
