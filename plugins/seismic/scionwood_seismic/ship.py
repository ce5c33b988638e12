"""Train the run that this plugin ships: `python -m scionwood_seismic.ship [FOLDER]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from scionwood import Origin, load_run, ship
from scionwood_seismic.data.synthetic import SyntheticGathers
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.evaluation.baselines import bandpass_ssa

NAME = "seismic/denoise"
SCOPE = "generated gathers; in field records flat events may lose signal"
TARGET = Path(__file__).parent / "runs/denoise"


def train(target: Path = TARGET) -> Origin:
    """Train by the recipe on one thread, and write the run as the package carries it.

    Args:
        target: the folder of the run, which is replaced.

    Returns:
        The origin of the run, with its score and its digest.
    """
    own = version("scionwood-seismic")
    return ship(NAME, target, name=NAME, version=own, scope=SCOPE, score=score)


def score(run: Path) -> str:
    """Measure a run on gathers of another seed than those of its training and validation.

    Args:
        run: the run folder.

    Returns:
        The mean SNR of ten gathers of each noise class with an input SNR of 0 dB, and that of the
        best classical method.
    """
    network = load_run(run)
    ours, classical = mean_snr(network), mean_snr(_classical)
    return f"mean SNR {ours:.1f} dB from 0 dB, band-pass and f-x SSA {classical:.1f} dB"


@torch.no_grad()
def mean_snr(denoise: Callable[[torch.Tensor], torch.Tensor], *, n: int = 100) -> float:
    """Return the mean SNR of a denoiser on held-out gathers, dB.

    Args:
        denoise: takes and returns gathers, (batch, 1, trace, time).
        n: number of gathers; the ten noise classes alternate.
    """
    data = SyntheticGathers(lowest_snr=0.0, highest_snr=0.0, n_test=n, batch_size=10, seed=1)
    scores = [metrics.snr(batch["clean"], denoise(batch["noisy"])) for batch in data.loader("test")]
    return float(torch.cat(scores).mean())


def _classical(noisy: torch.Tensor) -> torch.Tensor:
    dt = 0.002  # s, that of `mean_snr`
    filtered = [bandpass_ssa(gather.numpy(), dt) for gather in noisy[:, 0]]
    return torch.from_numpy(np.stack(filtered)[:, None].astype(np.float32))


if __name__ == "__main__":
    print(train(*map(Path, sys.argv[1:2])))
