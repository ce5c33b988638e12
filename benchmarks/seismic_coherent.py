"""The coherent stage on held-out field lines, against the network, one fixed chain and the oracle.

The rule of the stage was set on the lines and noises of `seismic_gate_lines.tuning`. Noise has the
energy of the line, 0 dB. The instrument is the quiet STS-2 of ObsPy's tests; the fibres of the DAS
event are files of github.com/DASDAE/test_data, in the folder of `--fibres`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import obspy
from runner import Row, Table, option, out, parsed
from seismic_field_cases import FIELD_DATA
from seismic_gate_lines import Line, Noises, held_out
from torch import nn

from scionwood import load_run
from scionwood_seismic import open_file
from scionwood_seismic.data.normalise import scale
from scionwood_seismic.evaluation.light import judge
from scionwood_seismic.inference import field
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.mixture import CHAINS, FIXED, outputs
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.stage import Stage
from scionwood_seismic.synth.canonical import dominant_period

FIVE = ("Qcdn", "alaska", "image2d", "bend_l1", "elfgath")
NINE = (*FIVE, "ln472", "zq_rc", "dipseis", "dealias")
"""The lines that are clean enough for a reference; those of the prototype come first."""

SIX = ("white", "band", "FORGE", "roll", "swell", "instrument")
FIBRES: Mapping[str, str] = {
    "FORGE": "",
    "Valencia": "valencia_febus_example.h5",
    "iDAS": "iDAS005_hdf5_example.626.h5",
    "ProdML": "prodml_2.0.h5",
}
EVENT = "deformation_rate_event_1.hdf5"
OFF = DenoiseOptions(gate="off")
KEEP = DenoiseOptions(coherent="auto")
REMOVE = DenoiseOptions(coherent="auto", slow="remove")


class HeldOutNoises(Noises):
    """The noises of the gate, that of a seismometer, and other fibres."""

    def __init__(self, folder: Path, fibres: Path | None) -> None:
        super().__init__(folder)
        data = Path(obspy.__file__).parent / "signal" / "tests" / "data" / "ref_STS2"
        trace = obspy.read(data)[0].detrend("demean").decimate(2)
        self._instrument = trace.data / trace.data.std()
        for name, file in FIBRES.items():
            if file and fibres is not None:
                with open_file(fibres / file) as reader:
                    self._fibres[name] = next(iter(reader)).data

    def draw(self, name: str, shape: tuple[int, int], period: float, seed: int) -> np.ndarray:
        """Return noise of unit variance, (trace, time); see `Noises.draw`."""
        if name != "instrument":
            return super().draw(name, shape, period, seed)
        rng = np.random.default_rng(seed)
        starts = rng.integers(0, len(self._instrument) - shape[1], shape[0])
        noise = np.stack([self._instrument[i : i + shape[1]] for i in starts])
        noise -= noise.mean(axis=1, keepdims=True)
        return noise / noise.std()


def snr(clean: np.ndarray, estimate: np.ndarray) -> float:
    """Return the SNR of an estimate, dB, at most 60."""
    clean = clean.astype(np.float64)
    error = max(float(np.square(clean - estimate).sum()), 1e-300)
    return min(60.0, 10 * float(np.log10(np.square(clean).sum() / error)))


class Watched:
    """Denoise with the coherent stage, and keep the stage that was chosen.

    `field.find_stage` is wrapped, since a report does not carry the candidates.
    """

    def __init__(self) -> None:
        self.stage: Stage | None = None
        self._find = field.find_stage
        field.find_stage = self._watched  # type: ignore[assignment]

    def _watched(self, *arguments: object) -> Stage | None:
        self.stage = self._find(*arguments)  # type: ignore[arg-type]
        return self.stage


def measure(
    line: Line, record: np.ndarray, model: nn.Module, options: DenoiseOptions, watched: Watched
) -> Row:
    """Return the SNR of the network, the stage, its candidates and the oracle, dB."""
    about = {"dt": line.dt, "domain": line.domain}
    network = denoise_record(model, record, OFF, **about).denoised
    judged = denoise_record(model, record, DenoiseOptions(), **about)
    watched.stage = None
    start = time.process_time()
    result = denoise_record(model, record, options, **about)
    seconds = time.process_time() - start
    row = {"network": snr(line.data, network), "network_gated": snr(line.data, judged.denoised)}
    row |= {"gated": snr(line.data, result.denoised)}
    scores = {"chain": row["network"], "filter": row["network"], "oracle": row["network"]}
    scores["mixture"] = row["gated"]
    if watched.stage is not None:
        stage, unit = watched.stage, scale(record)
        # A fibre keeps its base line, which the candidates do not see.
        base = record - unit * stage.reference.record if line.domain == "das" else 0
        made = outputs(stage.reference.record, CHAINS, stage.mixture.steps)
        each = {chain: snr(line.data, unit * made[chain] + base) for chain in CHAINS}
        scores = {"chain": each[FIXED], "filter": each[FIXED[:-1]], "oracle": max(each.values())}
        mixed = sum(w * made[chain] for chain, w in stage.mixture.weights.items())
        scores["mixture"] = snr(line.data, unit * mixed + base)
    report = result.report
    return {
        **{name: round(value, 3) for name, value in (row | scores).items()},
        "light": judge(report.as_json(), options).light,
        "gain": report.stage.get("gain_db"),
        "noise_named": "; ".join(report.stage.get("noise", ())),
        "slow_found": int(bool(report.stage.get("slow"))),
        "seconds": round(seconds, 2),
    }


def main() -> None:
    """Measure what is missing."""
    arguments = parsed(
        __doc__,
        FIELD_DATA,
        option("--lines", type=Path, required=True, help="the checkout of the held-out lines"),
        option("--fibres", type=Path, help="the folder of the fibres for the DAS event"),
        option("--seeds", type=int, nargs="*", default=[0, 1, 2]),
        out("seismic_coherent"),
    )
    lines = {name: line for name, line in held_out(arguments.lines).items() if name in NINE}
    with open_file(arguments.data / EVENT) as reader:
        lines["DAS event"] = Line(next(iter(reader)).data, reader.dt, "das")
    noises = HeldOutNoises(arguments.data, arguments.fibres)
    models = {d: load_run(f"seismic/{d}").backbone.eval() for d in ("shot", "stack", "das")}
    fibres = [noise for noise in FIBRES if arguments.fibres or noise == "FORGE"]
    jobs = [(0, noise, "DAS event") for noise in fibres]
    for seed in arguments.seeds:
        jobs += [(seed, "roll", name) for name in FIVE]
        jobs += [(seed, noise, name) for name in NINE for noise in SIX]
    jobs += [(0, "none", name) for name in NINE]
    watched, table = Watched(), Table(arguments.out)
    for job in table.missing(
        {"line": name, "noise": noise, "seed": seed, "slow": slow}
        for seed, noise, name in dict.fromkeys(jobs)
        for slow in (("remove", "keep") if noise == "roll" else ("keep",))
    ):
        line, noise = lines[job["line"]], job["noise"]
        record = line.data
        if noise != "none":
            seed = 100 * int(job["seed"]) + len(job["line"])
            drawn = noises.draw(noise, record.shape, dominant_period(record), seed)
            record = (record + record.std() * drawn).astype(np.float32)
        options = REMOVE if job["slow"] == "remove" else KEEP
        table.add({**job, **measure(line, record, models[line.domain], options, watched)})


if __name__ == "__main__":
    main()
