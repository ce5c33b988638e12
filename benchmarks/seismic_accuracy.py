"""Measure the SNR by noise class of the recipe, its ablations, a U-Net and classical filters.

    python benchmarks/seismic_accuracy.py --jobs 2

Trains `seismic/denoise` with four seeds. With the same data and steps, it also trains full
fine-tuning, the frozen encoder with its head, and the same network from random weights. These four
methods are repeated with a head of a fifth of the size. The last method is a U-Net with as many
parameters. Each is measured on test gathers at 0 dB, new for every seed, and on gathers without
noise. Runs are kept in benchmarks/runs, so that a stopped benchmark continues; it takes about two
hours on two cores. Writes benchmarks/results/seismic_accuracy.csv.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import yaml
from runner import machine, option, out, parsed, write
from safetensors.torch import load_file

from scionwood import load_run, report
from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.evaluation.baselines import METHODS, bandpass, fx_ssa
from scionwood_seismic.inference.arrays import denoise_array
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.noise import NOISES
from scionwood_seismic.synth.signal import SIGNALS, draw_gather

FOLDER = Path(__file__).parent
RUNS = FOLDER / "runs"
TINY = {"name": "seismic/dinov3_unet", "size": "tiny", "weights": "shipped", "width": 24}
RANDOM = TINY | {"weights": "none"}
LIGHT = {"scales": 1}
FULL, FROZEN = {"name": "full"}, {"name": "frozen"}
VARIANTS: dict[str, dict[str, dict[str, object]]] = {
    "LoRA + head": {},
    "full": {"adapter": FULL},
    "frozen + head": {"adapter": FROZEN},
    "scratch": {"adapter": FULL, "backbone": RANDOM},
    "LoRA + light head": {"backbone": TINY | LIGHT},
    "full, light head": {"adapter": FULL, "backbone": TINY | LIGHT},
    "frozen + light head": {"adapter": FROZEN, "backbone": TINY | LIGHT},
    "scratch, light head": {"adapter": FULL, "backbone": RANDOM | LIGHT},
    "U-Net": {
        "adapter": FULL,
        "backbone": {"name": "seismic/conv_unet", "width": 14},
        "task": {"lr": 2e-3},  # the best of 1e-3, 2e-3 and 4e-3 after 150 steps
    },
}
"""Method -> sections of the recipe that it replaces; `task` is changed by key.

A light head has a convolutional path of stride 2 only. Coarser information comes from the encoder.
"""

SHAPE = (256, 256)
RANKS = (1, 2, 3, 4, 6)
LEAKING = 2  # gathers per class and seed whose leakage is measured, which is slow


def recipe(method: str) -> Path:
    base = yaml.safe_load((FOLDER.parent / "configs" / "seismic" / "denoise.yaml").read_text())
    target = RUNS / f"{slug(method)}.yaml"
    changes = VARIANTS[method]
    task = base["task"] | changes.get("task", {})
    # The common mode is one of the classes here, and the decoder may take it for noise.
    backbone = base["backbone"] | changes.get("backbone", {})
    if backbone["name"] == "seismic/dinov3_unet":
        backbone["common_mode"] = True
    else:
        backbone = changes["backbone"]
    data = base["data"] | {"noises": list(NOISES)}
    sections = {"task": task, "backbone": backbone, "data": data}
    target.write_text(yaml.safe_dump(base | changes | sections))
    return target


def slug(method: str) -> str:
    """Return the name of a method as a file name."""
    return method.replace(" ", "").replace("+", "-").replace(",", "-").lower()


def train(method: str, seed: int, options: argparse.Namespace) -> Path:
    """Train a method with a seed, in a process with one thread, unless its run exists."""
    steps = f"-{options.steps}" if options.steps else ""
    run = RUNS / f"{slug(method)}-{seed}{steps}"
    if (run / "README.md").is_file():
        return run
    command = [sys.executable, "-m", "scionwood.cli", "fit", str(recipe(method))]
    command += ["--seed", str(seed), "--data.seed", str(seed), "--run", str(run)]
    if options.steps:
        command += ["--data.n_train", str(8 * options.steps)]
    log = run.with_suffix(".log")
    with log.open("w") as file:
        subprocess.run(
            command,
            check=True,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    return run


def test_gathers(seed: int, count: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Return noise class, noisy and clean gather; no recipe uses seeds from 1000 on."""
    pairs = []
    for i in range(count * (len(NOISES) + 1)):
        rng = generator(1000 + seed, "test", i)
        kind = [*NOISES, "none"][i % (len(NOISES) + 1)]
        signal = "reflection" if kind != "none" else SIGNALS[i % 3]
        clean = draw_gather(rng, SHAPE, kind=signal)
        noisy = clean if kind == "none" else corrupt(rng, clean, kind, 0.0)
        pairs.append((kind, noisy, clean))
    return pairs


def measure(run: Path, method: str, seed: int, count: int) -> list[dict[str, object]]:
    """Return the rows of a trained run."""
    torch.set_num_threads(1)
    model = load_run(run).backbone
    counts = report(model)
    trained = run / "adapter" / "adapter_model.safetensors"
    about = {
        "parameters": counts.total,
        "trained": trained_parameters(run),
        "adapter_bytes": trained.stat().st_size if trained.is_file() else "",
    }
    rows = []
    for i, (kind, noisy, clean) in enumerate(test_gathers(seed, count)):
        estimate = denoise_array(model, noisy)
        rows.append(_row(method, seed, kind, noisy, clean, estimate) | about)
        if method == "LoRA + head" and kind != "none" and i < LEAKING * (len(NOISES) + 1):
            rows[-1] |= leakage(noisy, clean, estimate)
    return rows


def leakage(noisy: np.ndarray, clean: np.ndarray, denoised: np.ndarray) -> dict[str, object]:
    """Return the leakage, and that of band-pass + SSA with the rank that removes as much noise."""
    passed = bandpass(noisy, 0.002)
    candidates = [fx_ssa(passed, 0.002, rank=rank) for rank in RANKS]
    removed = _share(noisy, denoised, noisy - clean)
    filtered = min(candidates, key=lambda y: abs(_share(noisy, y, noisy - clean) - removed))
    values: dict[str, object] = {}
    for name, estimate in {"": denoised, "_ssa": filtered}.items():
        leak = metrics.leakage(noisy, estimate)
        values[f"noise_removed{name}"] = round(_share(noisy, estimate, noisy - clean), 4)
        values[f"signal_removed{name}"] = round(_share(noisy, estimate, clean), 4)
        values[f"local_similarity{name}"] = round(leak["local similarity"], 4)
        values[f"ms_ssim_r{name}"] = round(leak["MS-SSIM-R"], 4)
    return values


def _share(noisy: np.ndarray, estimate: np.ndarray, part: np.ndarray) -> float:
    """Return the projection of the removed part on `part`, as a share of `part`."""
    return float(((noisy - estimate) * part).sum() / (part * part).sum())


def trained_parameters(run: Path) -> int:
    """Return the number of parameters in the files that the training wrote."""
    files = [run / "adapter" / "adapter_model.safetensors", run / "head.safetensors"]
    tensors = [load_file(path) for path in files if path.is_file()]
    return sum(value.numel() for group in tensors for value in group.values())


def measure_classical(seed: int, count: int) -> list[dict[str, object]]:
    """Return the rows of all classical filters on the same gathers."""
    torch.set_num_threads(1)
    return [
        _row(name, seed, kind, noisy, clean, np.asarray(method(noisy, 0.002)))
        for kind, noisy, clean in test_gathers(seed, count)
        for name, method in METHODS.items()
    ]


def snr(clean: np.ndarray, estimate: np.ndarray) -> float:
    """Return the SNR, dB."""
    s, e = (torch.from_numpy(x.astype(np.float64)) for x in (clean, estimate))
    return float(metrics.snr(s, e))


def _row(
    method: str, seed: int, kind: str, noisy: np.ndarray, clean: np.ndarray, estimate: np.ndarray
) -> dict[str, object]:
    s, e = (torch.from_numpy(a.astype(np.float64)) for a in (clean, estimate))
    return {
        "method": method,
        "seed": seed,
        "noise": kind,
        "snr_in": round(snr(clean, noisy), 4) if kind != "none" else "inf",
        "snr": round(min(snr(clean, estimate), 99.0), 4),
        "amplitude_ratio": round(float(metrics.amplitude_ratio(s, e)), 4),
    }


def main() -> None:
    options = parsed(
        __doc__,
        option("--seeds", type=int, default=4),
        option("--each", type=int, default=6, help="gathers per noise class and seed"),
        option("--jobs", type=int, default=2, help="parallel processes, one thread each"),
        option("--steps", type=int, default=0, help="fewer steps than the recipe"),
        option("--methods", nargs="*", default=list(VARIANTS), choices=list(VARIANTS)),
        out("seismic_accuracy"),
        threads=None,
    )
    RUNS.mkdir(exist_ok=True)
    work = [(method, seed) for seed in range(options.seeds) for method in options.methods]
    with ThreadPoolExecutor(options.jobs) as pool:  # each thread waits for a process
        runs = list(pool.map(lambda item: train(*item, options), work))
    rows: list[dict[str, object]] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        pending = [
            pool.submit(measure, run, method, seed, options.each)
            for run, (method, seed) in zip(runs, work, strict=True)
        ]
        pending += [
            pool.submit(measure_classical, seed, options.each) for seed in range(options.seeds)
        ]
        for future in pending:
            rows += future.result()
    write(options.out, [row | machine() for row in rows])


if __name__ == "__main__":
    main()
