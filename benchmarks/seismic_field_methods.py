"""The methods of the field scorecard: filters tuned on the tuning half, networks, and peers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from seismic_field_cases import Case

from scionwood import Task, load_run
from scionwood_seismic.evaluation.baselines import bandpass, fk_threshold, fx_ssa, total_variation
from scionwood_seismic.inference.arrays import denoise_array
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.options import DenoiseOptions

SCIONWOOD, OPEN = "Scionwood", "Scionwood, no gate"


@dataclass(frozen=True)
class Estimate:
    """The result of a method: the denoised record, and what the method says of it."""

    data: np.ndarray
    passed: bool = False
    note: str = ""


Method = Callable[[Case], Estimate]
Filter = Callable[[Case, float, float], np.ndarray]
Score = Callable[[Case, np.ndarray], float]


def _bandpass(case: Case, low: float, high: float) -> np.ndarray:
    return bandpass(case.record, case.dt, low=low / case.dt, high=high / case.dt)


def _fk(case: Case, keep: float, _: float) -> np.ndarray:
    return fk_threshold(case.record, case.dt, keep=keep)


def _ssa(case: Case, rank: float, highest: float) -> np.ndarray:
    return fx_ssa(case.record, case.dt, rank=int(rank), highest=highest / case.dt)


def _variation(case: Case, weight: float, _: float) -> np.ndarray:
    return total_variation(case.record, case.dt, weight=weight)


FILTERS: Mapping[str, tuple[Filter, Sequence[float], Sequence[float]]] = {
    "band-pass": (_bandpass, (0.002, 0.005, 0.01, 0.02), (0.05, 0.1, 0.14, 0.2, 0.3)),
    "f-k": (_fk, (0.01, 0.02, 0.05, 0.1, 0.2), (0.0,)),
    "f-x SSA": (_ssa, (1, 2, 3, 4, 6, 10), (0.1, 0.18, 0.3, 0.5)),
    "TV": (_variation, (0.3, 0.6, 1.0, 1.5), (0.0,)),
}
"""Name -> filter, and the values of its two settings. Frequencies are shares of 1 / dt."""


def tuned(cases: Sequence[Case], score: Score) -> dict[str, Method]:
    """Return each filter with the setting that is best on the tuning half, per group and noise.

    A record without added noise is filtered with the setting for white noise.
    """
    settings: dict[tuple[str, str, str], tuple[float, float]] = {}
    for group, noise in {(c.group, c.noise) for c in cases if c.noise != "none"}:
        half = [c for c in cases if c.tune and (c.group, c.noise) == (group, noise)]
        if half:
            for name in FILTERS:
                settings[name, group, noise] = _best(name, half, score)

    def method(name: str) -> Method:
        def run(case: Case) -> Estimate:
            noise = case.noise if (name, case.group, case.noise) in settings else "white"
            a, b = settings[name, case.group, noise]
            return Estimate(FILTERS[name][0](case, a, b), note=f"{a:g}, {b:g}")

        return run

    return {name: method(name) for name in FILTERS}


def _best(name: str, half: Sequence[Case], score: Score) -> tuple[float, float]:
    """Return the best settings: first the second one, at the middle of the first."""
    apply, firsts, seconds = FILTERS[name]

    def mean(a: float, b: float) -> float:
        return float(np.mean([score(case, apply(case, a, b)) for case in half]))

    middle = firsts[len(firsts) // 2]
    b = max(seconds, key=lambda value: mean(middle, value)) if len(seconds) > 1 else seconds[0]
    return max(firsts, key=lambda value: mean(value, b)), b


def simple() -> dict[str, Method]:
    """Return what anybody can do: nothing, or remove everything."""
    return {
        "input": lambda case: Estimate(case.record),
        "zeros": lambda case: Estimate(np.zeros_like(case.record)),
    }


def earlier() -> dict[str, Method]:
    """Return the run `seismic/denoise` as the plugin used it before: on samples, without a gate."""
    model = load_run("seismic/denoise").backbone
    return {"seismic/denoise": lambda case: Estimate(denoise_array(model, case.record))}


def scionwood_runs(names: Sequence[str]) -> dict[str, Method]:
    """Return Scionwood with the model that suits the file, also without its gate.

    Args:
        names: runs by domain to use instead of the shipped ones, such as `shot=folder`.
    """
    runs = dict(name.split("=", 1) for name in names)
    tasks: dict[str, Task] = {}

    def method(options: DenoiseOptions) -> Method:
        def run(case: Case) -> Estimate:
            name = runs.get(case.domain, f"seismic/{case.domain}")
            if name not in tasks:
                tasks[name] = load_run(name)
            about = {"dt": case.dt, "dx": case.dx, "domain": case.domain}
            result = denoise_record(tasks[name], case.record, options=options, **about)
            report = result.report
            return Estimate(result.denoised, report.passed_through, report.reason)

        return run

    return {SCIONWOOD: method(DenoiseOptions()), OPEN: method(DenoiseOptions(gate="off"))}


def peers(folder: Path | None) -> Iterator[tuple[str, Method]]:
    """Yield the published networks that are installed in a folder.

    They pin other versions of torch, and run with ours: `pip install --no-deps --target FOLDER
    wavedenoiser`. The package dasn2n has to be there with its weights; no registry has it.
    """
    if folder is None:
        return
    sys.path.insert(0, str(folder))
    if (folder / "wavedenoiser").is_dir():
        yield "WaveDenoiser", _wavedenoiser()
    if (folder / "dasn2n").is_dir():
        yield "DAS-N2N", _dasn2n(folder)


def _wavedenoiser() -> Method:
    from wavedenoiser.wavedenoiser import Denoiser

    model = Denoiser()

    @torch.no_grad()
    def run(case: Case) -> Estimate:
        return Estimate(model.predict(case.record[None])[0].numpy())

    return run


def _dasn2n(folder: Path) -> Method:
    from dasn2n.model import DASN2N

    model = DASN2N()
    weights = folder / "dasn2n/weights/original.pt"
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval()

    @torch.no_grad()
    def run(case: Case) -> Estimate:
        x = case.record.T.astype(np.float32)  # it works on (time, channel) of an even size
        pad = [(0, n % 2) for n in x.shape]
        unit = x.std()
        y = model(torch.from_numpy(np.pad(x / unit, pad, mode="reflect"))[None])[0].numpy()
        return Estimate((y[: x.shape[0], : x.shape[1]] * unit).T)

    return run


PEERS = {"WaveDenoiser": "station", "DAS-N2N": "das"}
"""Name -> the only group of records that the peer is made for."""
