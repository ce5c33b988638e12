"""Train the runs that this plugin ships: `python -m scionwood_seismic.ship NAME [FOLDER]`.

NAME is denoise, shot, stack, das or station. Training any but denoise needs the folder of the
public field data in the environment variable `SCIONWOOD_FIELD_DATA`; see `NOISE`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import chdir
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from scionwood import ReadError, load_run
from scionwood.authoring import Origin
from scionwood_kit import ship
from scionwood_seismic.data.field import FieldCrops
from scionwood_seismic.data.noise_files import read_noise
from scionwood_seismic.data.station import StationRecords
from scionwood_seismic.data.synthetic import SyntheticGathers
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.evaluation.baselines import bandpass_ssa
from scionwood_seismic.synth.noise import NOISES

NAME = "seismic/denoise"
SCOPE = "generated gathers; in field records flat events may lose signal"
RUNS = Path(__file__).parent / "runs"
TARGET = RUNS / "denoise"

VARIABLE, STAGED = "SCIONWOOD_FIELD_DATA", "field-noise"
FORGE, FORGE_SHAPE = "forge0723.bin", (960, 500)
FORGE_ROWS = {"forge_a": slice(0, 290), "forge_b": slice(850, 960)}
"""The channels of the FORGE window that train; those from 300 to 840 are left for tests."""

NOISE: Mapping[str, str] = {
    FORGE: "Utah FORGE DAS, channels 0 to 289 and 850 to 959; github.com/aaspip/data, MIT",
    "decimated_optodas.hdf5": "OptoDAS; github.com/DASDAE/test_data, MIT",
    "silixa_h5_1.hdf5": "Silixa iDAS; github.com/DASDAE/test_data, MIT",
    "geofon_9N_HSF.mseed": "GEOFON 9N.HSF, one channel at 1 kHz; github.com/DASDAE/test_data, MIT",
}
"""File of the folder of field data -> what it holds, where it is published, its licence."""

GATHER_NOISE = tuple(NOISE)[:3]


@dataclass(frozen=True)
class FieldRun:
    """A shipped run of a field network.

    Attributes:
        scope: the data that it denoises, and those of its training, in a few words.
        noise: the files whose noise trains.
    """

    scope: str
    noise: tuple[str, ...]


FIELD_RUNS: Mapping[str, FieldRun] = {
    "shot": FieldRun(
        "pre-stack land and marine gathers; trained on generated gathers with DAS noise",
        GATHER_NOISE,
    ),
    "stack": FieldRun(
        "stacked sections and slices; trained on generated sections with DAS noise", GATHER_NOISE
    ),
    "das": FieldRun(
        "fibre-optic records; trained on generated events with noise of three fibres", GATHER_NOISE
    ),
    "station": FieldRun(
        "one to three components; trained on generated earthquakes with noise of one fibre",
        ("geofon_9N_HSF.mseed",),
    ),
}
"""Name -> run; `stack` and `das` start from `shot`."""


def train(target: Path = TARGET) -> Origin:
    """Train `denoise` by its recipe on one thread, and write the run as the package carries it.

    Args:
        target: the folder of the run, which is replaced.

    Returns:
        The origin of the run, with its score and its digest.
    """
    package_version = version("scionwood-seismic")
    return ship(NAME, target, name=NAME, version=package_version, scope=SCOPE, score=score)


def train_field(name: str, target: Path | None = None) -> Origin:
    """Train a run of `FIELD_RUNS` by its recipe, with real noise, and write it for the package.

    Args:
        name: shot, stack, das or station.
        target: the folder of the run, which is replaced; by default that of the package.

    Returns:
        The origin of the run, with its score and its digest.

    Raises:
        ReadError: a file of the noise is missing.
    """
    run, package_version = FIELD_RUNS[name], version("scionwood-seismic")
    target, source = (target or RUNS / name).resolve(), field_data()
    with tempfile.TemporaryDirectory() as place, chdir(place):
        stage_noise(source, run.noise, Path(STAGED))
        origin = ship(
            f"seismic/{name}",
            target,
            name=f"seismic/{name}",
            version=package_version,
            scope=run.scope,
            score=field_score,
            overrides=[f"data.noise_files={STAGED}"],
        )
    add_sources(target / "README.md", run)
    return origin


def field_data() -> Path:
    """Return the folder of the public field data.

    Raises:
        ReadError: the environment does not name it.
    """
    if not (folder := os.environ.get(VARIABLE)):
        rule = f"it names the folder with {', '.join(NOISE)}"
        raise ReadError(f"the environment variable {VARIABLE}", rule, "Download the files, set it")
    return Path(folder).resolve()


def stage_noise(source: Path, files: tuple[str, ...], target: Path) -> None:
    """Write the noise that trains as arrays.

    Args:
        source: the folder of the field data.
        files: names from `NOISE`.
        target: a folder, which is made.

    Raises:
        ReadError: a file is missing.
    """
    target.mkdir()
    for file in files:
        if not (source / file).is_file():
            raise ReadError(str(source / file), "there is no such file", f"See {NOISE[file]}")
        if file == FORGE:
            window = np.fromfile(source / file, "<f4").reshape(FORGE_SHAPE)
            records = {name: window[rows] for name, rows in FORGE_ROWS.items()}
        else:
            read = enumerate(read_noise(str(source / file)))
            records = {f"{Path(file).stem}_{i}": record for i, record in read}
        for name, record in records.items():
            np.save(target / f"{name}.npy", record)


def add_sources(card: Path, run: FieldRun) -> None:
    """Append to the card of a run: where its noise comes from, its licence and its scores."""
    lines = ["", "## Real noise of the training", ""]
    lines += [f"- {NOISE[file]}" for file in run.noise]
    lines += [
        "",
        f"`python -m scionwood_seismic.ship` trains again; `{VARIABLE}` names the files.",
        "",
        "## Licence and scores",
        "",
        "Apache-2.0, as the package. `origin.json` has the score on generated records. Scores on",
        "field records, none of which trained it, are in docs/results/seismic.md;",
        "`benchmarks/seismic_field.py` measures them.",
    ]
    with card.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def score(run: Path) -> str:
    """Measure `denoise` on gathers of another seed than those of its training and validation.

    Args:
        run: the run folder.

    Returns:
        The mean SNR of eleven gathers of each noise class with an input SNR of 0 dB, and that of
        the best classical method.
    """
    network = load_run(run)
    network_snr, classical = mean_snr(network), mean_snr(_classical)
    return (
        f"mean output SNR: {network_snr:.1f} dB for 0 dB input, {classical:.1f} dB with band-pass "
        "and f-x SSA"
    )


def field_score(run: Path) -> str:
    """Measure a field run on generated records of another seed than that of its training.

    Args:
        run: the run folder.

    Returns:
        The median SNR of clean records, and of records with an input SNR of 0 dB.
    """
    clean, noisy = (field_snr(run, snr) for snr in (100.0, 0.0))
    return f"median output SNR: {clean:.1f} dB for clean input, {noisy:.1f} dB for 0 dB input"


@torch.no_grad()
def field_snr(run: Path, snr: float, *, n: int = 96) -> float:
    """Return the median SNR of a field run on generated records, dB.

    Args:
        run: the run folder.
        snr: the SNR of the input, dB.
        n: number of records.
    """
    task = load_run(run)
    kind = StationRecords if run_is_station(task) else FieldCrops
    data = kind(lowest_snr=snr, highest_snr=snr, n_test=n, batch_size=8, seed=1)
    scores = [
        metrics.snr(batch["clean"], task(batch["noisy"], batch["mask"]))
        for batch in data.loader("test")
    ]
    return float(torch.cat(scores).clamp(max=60).median())


def run_is_station(task: torch.nn.Module) -> bool:
    """Return whether the network of a run takes components instead of traces."""
    return type(task.backbone).__name__ == "StationUNet"


@torch.no_grad()
def mean_snr(denoise: Callable[[torch.Tensor], torch.Tensor], *, n: int = 99) -> float:
    """Return the mean SNR of a denoiser on held-out gathers, dB.

    Args:
        denoise: takes and returns gathers, (batch, 1, trace, time).
        n: number of gathers; the noise classes of the training alternate.
    """
    noises = [name for name in NOISES if name != "common_mode"]
    data = SyntheticGathers(
        noises=noises, lowest_snr=0.0, highest_snr=0.0, n_test=n, batch_size=9, seed=1
    )
    scores = [metrics.snr(batch["clean"], denoise(batch["noisy"])) for batch in data.loader("test")]
    return float(torch.cat(scores).mean())


def _classical(noisy: torch.Tensor) -> torch.Tensor:
    dt = 0.002  # s, that of `mean_snr`
    filtered = [bandpass_ssa(gather.numpy(), dt) for gather in noisy[:, 0]]
    return torch.from_numpy(np.stack(filtered)[:, None].astype(np.float32))


def main(name: str, *folder: str) -> Origin:
    """Train one run.

    Args:
        name: the run, such as `shot`.
        folder: where to write it; by default in the package.

    Raises:
        ReadError: there is no such run, or a file of its noise is missing.
    """
    if name == "denoise":
        return train(*map(Path, folder))
    if name not in FIELD_RUNS:
        rule = f"the runs are denoise, {', '.join(FIELD_RUNS)}"
        raise ReadError(f"run {name!r}", rule, "Name one of them")
    return train_field(name, *map(Path, folder))


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
