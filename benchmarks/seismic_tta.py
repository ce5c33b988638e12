"""Measure the SNR before and after test-time adaptation, gather by gather.

    python benchmarks/seismic_tta.py

Uses the run of the recipe with seed 0; if it does not exist, it is trained first, about six minutes
on one core (see seismic_accuracy.py). The test uses 24 gathers of another geology (VSP and
microseismic records) with noise classes that no recipe trains on, at -8 to 2 dB. It adds 8 gathers
with erratic noise, and gathers with the objective `kurtosis`. Each gather starts with 0.128 s
without signal. The script also checks that base and head stay bit-identical, and writes
benchmarks/results/seismic_tta.csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from runner import machine, option, out, parsed, write
from seismic_accuracy import RUNS, snr, train
from torch import nn

from scionwood import load_run
from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.dino.adaptation import Adaptation, Adapter, Objective
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.inference.arrays import denoise_array
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.noise import UNSEEN
from scionwood_seismic.synth.signal import draw_gather

DT, QUIET, SHAPE = 0.002, 64, (192, 256)


def shifted(index: int, kinds: list[str]) -> tuple[str, str, np.ndarray, np.ndarray]:
    """Return noise class, geology, noisy and clean gather."""
    rng = generator(2000, "test", index)
    kind, geology = kinds[index % len(kinds)], ("vsp", "microseismic")[index // len(kinds) % 2]
    events = draw_gather(rng, (SHAPE[0], SHAPE[1] - QUIET), dt=DT, dx=6.0, kind=geology)
    clean = np.pad(events, ((0, 0), (QUIET, 0)))
    return kind, geology, corrupt(rng, clean, kind, rng.uniform(-8, 2), dt=DT, dx=6.0), clean


def measure(
    model: nn.Module, kinds: list[str], count: int, objective: Objective
) -> list[dict[str, object]]:
    """Return one row per gather."""
    adapter = Adapter(model, Adaptation(objective=objective, window=(0.0, QUIET * DT)))
    rows: list[dict[str, object]] = []
    for index in range(count):
        kind, geology, noisy, clean = shifted(index, kinds)
        before = denoise_array(model, noisy)
        after, outcome = adapter.denoise(noisy, DT * np.arange(SHAPE[1]))
        rows.append(
            {
                "objective": objective,
                "noise": kind,
                "geology": geology,
                "gather": index,
                "kurtosis": round(float(metrics.kurtosis(torch.from_numpy(noisy - clean))), 2),
                "snr_in": round(snr(clean, noisy), 3),
                "snr": round(snr(clean, before), 3),
                "snr_tta": round(snr(clean, after), 3),
                "gain": round(snr(clean, after) - snr(clean, before), 3),
                "verdict": outcome.verdict,
                "steps": outcome.steps,
            }
        )
        print(*rows[-1].values(), flush=True)
    return rows


def main() -> None:
    options = parsed(
        __doc__,
        option("--n", type=int, default=24, help="gathers of another geology"),
        option("--run", type=Path, help="a run of seismic/denoise to use"),
        out("seismic_tta"),
        threads=None,
    )
    RUNS.mkdir(exist_ok=True)
    run = options.run or train("LoRA + head", 0, argparse.Namespace(steps=0))
    model = load_run(run).backbone
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = measure(model, list(UNSEEN), options.n, "matched")
    rows += measure(model, ["erratic"], 8, "matched")
    rows += measure(model, ["erratic"], 8, "kurtosis")
    rows += measure(model, list(UNSEEN), 8, "kurtosis")
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), f"{name} changed"
    print(f"all {len(before)} tensors are bit-identical afterwards: base, head and LoRA")
    gains = [row["gain"] for row in rows[: options.n]]
    print(f"shifted: median gain {np.median(gains):+.2f} dB, worst {min(gains):+.2f} dB")
    write(options.out, [row | machine() for row in rows])


if __name__ == "__main__":
    main()
