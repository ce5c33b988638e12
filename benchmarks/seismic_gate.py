"""Measure how often the light of the harm gate is wrong, on field lines that nothing was tuned on.

    python benchmarks/seismic_gate.py --data FOLDER --lines CHECKOUT

The folder is that of seismic_field.py; the checkout is that of
github.com/chenyk1990/reproducible_research. Each line gets each noise at 0 dB and is denoised with
the shipped network; and clean and in white noise with six filters that lose events. The truth is
what comes back of families of events that the gate never draws, and of the line's own strong parts.
`--tune` takes the lines on which thresholds are set. Each row is appended to
benchmarks/results/seismic_gate.csv when it is measured, and measured once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from runner import Row, Table, option, out, parsed
from seismic_field_cases import FIELD_DATA
from seismic_gate_lines import Line, Noises, held_out, tuning
from torch import Tensor, nn

from scionwood import load_run
from scionwood_seismic.evaluation.baselines import fx_ssa
from scionwood_seismic.evaluation.calibration import compare, truth
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.filters import prediction
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.synth.canonical import dominant_period

NETWORK = "network"
OFF, REPORT = DenoiseOptions(gate="off"), DenoiseOptions(gate="report")


def mean_of(traces: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return a running mean over neighbouring traces."""

    def mean(record: np.ndarray) -> np.ndarray:
        around = np.pad(record, ((traces // 2, traces // 2), (0, 0)), mode="edge")
        return np.stack([around[i : i + traces].mean(0) for i in range(len(record))])

    return mean


def low_pass(record: np.ndarray) -> np.ndarray:
    """Return what lies below 1/14 cycles per sample."""
    spectrum = np.fft.rfft(record)
    spectrum[:, np.fft.rfftfreq(record.shape[1]) >= 1 / 14] = 0
    return np.fft.irfft(spectrum, record.shape[1])


FILTERS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean of 5": mean_of(5),
    "mean of 9": mean_of(9),
    "low-pass": low_pass,
    "f-x": prediction,
    "SSA 2": lambda record: fx_ssa(record, 1.0, rank=2),
    "SSA 8": lambda record: fx_ssa(record, 1.0, rank=8),
}


class Filter(nn.Module):
    """A filter in place of a network; its tiles have 256 traces and samples."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.one = name, nn.Parameter(torch.ones(()))

    def forward(self, record: Tensor, mask: Tensor, level: Tensor) -> Tensor:
        crops = [FILTERS[self.name](crop) for crop in record[:, 0].double().numpy()]
        return torch.from_numpy(np.stack(crops).astype(np.float32))[:, None]


def own(clean: np.ndarray, denoised: np.ndarray) -> float:
    """Return the mean amplitude that the strongest tenth of the windows of a line keeps."""
    shape = 16, 48
    rows, columns = (n // size for n, size in zip(clean.shape, shape, strict=True))

    def sums(product: np.ndarray) -> np.ndarray:
        part = product[: rows * shape[0], : columns * shape[1]].astype(np.float64)
        return part.reshape(rows, shape[0], columns, shape[1]).sum((1, 3)).ravel()

    energy = sums(clean.astype(np.float64) ** 2)
    strong = energy >= np.quantile(energy, 0.9)
    return float((sums(clean * denoised)[strong] / energy[strong]).mean())


def measure(name: str, line: Line, noise: str, model: nn.Module, noises: Noises) -> Row:
    """Return what the gate says of a denoised record, and what is true."""
    period, record = dominant_period(line.data), line.data
    if noise != "none":
        drawn = noises.draw(noise, line.data.shape, period, len(name))
        record = (line.data + line.data.std() * drawn).astype(np.float32)
    start = time.process_time()

    def denoise(data: np.ndarray) -> np.ndarray:
        how = {"dt": line.dt, "domain": line.domain}
        return denoise_record(model, data, OFF, **how).denoised

    denoised = denoise(record)
    alone = time.process_time()
    report = denoise_record(model, record, REPORT, dt=line.dt, domain=line.domain).report
    gated = time.process_time()
    if report.passed_through:
        return {"light": "passed"}
    true = truth(denoise, record, denoised, period)
    pair = compare(report, true | {"strong line": own(line.data, denoised)}, name)
    numbers = "strong", "weak", "true_strong", "true_weak"
    values = {key: getattr(pair, key) for key in numbers}
    return {
        "light": pair.light,
        "truth": pair.truth,
        **{key: None if value is None else round(value, 3) for key, value in values.items()},
        "coherent": round(report.coherent, 3),
        "removed": round(report.removed, 3),
        "runs": round(report.runs, 2),
        "seconds_alone": round(alone - start, 3),
        "seconds_gate": round(gated - alone, 3),
    }


def main() -> None:
    """Measure what is missing."""
    arguments = parsed(
        __doc__,
        FIELD_DATA,
        option("--lines", type=Path, default=Path(), help="the checkout of the held-out lines"),
        option("--tune", action="store_true", help="the lines on which thresholds are set"),
        out("seismic_gate"),
    )
    lines = tuning(arguments.data) if arguments.tune else held_out(arguments.lines)
    noises = Noises(arguments.data)
    networks = {d: load_run(f"seismic/{d}").backbone.eval() for d in ("shot", "stack")}
    jobs = [(noise, NETWORK) for noise in noises.names]
    jobs += [(noise, name) for name in FILTERS for noise in ("none", "white")]
    table = Table(arguments.out)
    for job in table.missing(
        {"line": name, "noise": noise, "denoiser": denoiser, "tune": int(arguments.tune)}
        for noise, denoiser in jobs
        for name in lines
    ):
        line, denoiser = lines[job["line"]], job["denoiser"]
        model = networks[line.domain] if denoiser == NETWORK else Filter(denoiser)
        table.add({**job, **measure(job["line"], line, job["noise"], model, noises)})


if __name__ == "__main__":
    main()
