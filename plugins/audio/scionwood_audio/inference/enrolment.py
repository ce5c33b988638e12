"""Words by example: dynamic time warping on a frozen layer, without training."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from scionwood import ReadError
from scionwood.authoring import atomic_path, reading, writing
from scionwood_audio.model.mel import FRAME
from scionwood_audio.model.whisper import Whisper

LAYER = 2
"""The layer that is compared: 99.9 easy and 95.5 hard with one take, the best of five."""

Takes: TypeAlias = Sequence[tuple[str, np.ndarray]]
"""Words, and what says each: samples (time,) float32 at 16 kHz. A word may have several takes."""


@torch.no_grad()
def frozen(tower: Whisper, sound: np.ndarray) -> np.ndarray:
    """Return the features of a clip or of a window, (position, width), each of unit length."""
    padded = np.pad(sound, (0, tower.samples - len(sound)))
    hidden = tower.hidden(torch.from_numpy(padded)[None])[-1][0, : -(-len(sound) // FRAME)]
    return np.asarray(torch.nn.functional.normalize(hidden, dim=-1).numpy())


def warp(take: np.ndarray, sound: np.ndarray) -> float:
    """Return the distance of a take to the nearest stretch of a sound, per position of the take.

    The stretch begins and ends anywhere. A step goes on in the take, in the sound, or in both. With
    a = min(D[i-1, j], D[i-1, j-1]) and s the running sum of the costs of row i, the row is
    D[i, j] = s[j] + min over k <= j of (a[k] - s[k-1]).

    Source: H. Sakoe and S. Chiba (1978); the open ends are those of subsequence warping,
        M. Müller, Information retrieval for music and motion (2007), section 4.4.
    """
    cost = 1.0 - take.astype(np.float64) @ sound.astype(np.float64).T
    row = cost[0]
    for line in cost[1:]:
        before = np.minimum(row, np.concatenate([[np.inf], row[:-1]]))
        sums = np.cumsum(line)
        row = sums + np.minimum.accumulate(before - (sums - line))
    return max(0.0, float(row.min())) / len(take)


def write_enrolment(takes: Takes, target: Path, *, overwrite: bool = False) -> None:
    """Write takes as NPZ: arrays of numbers and texts, nothing pickled."""
    arrays = {f"take_{n}": sound for n, (_, sound) in enumerate(takes)}
    words = np.array([word for word, _ in takes])
    with writing(target), atomic_path(target, overwrite=overwrite) as part, part.open("wb") as file:
        np.savez(file, words=words, **arrays)  # type: ignore[arg-type]  # names of arrays


def read_enrolment(path: Path) -> Takes:
    """Read the takes of `write_enrolment`; nothing in the file is unpickled."""
    remedy = "Make it anew: scionwood audio enrol CLIPS... OUT.npz"
    with reading(path, "enrolment (.npz)"):
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                takes = [(str(word), file[f"take_{n}"]) for n, word in enumerate(file["words"])]
        except (KeyError, ValueError, TypeError, zipfile.BadZipFile, EOFError) as error:
            raise ReadError(str(path), f"it is no enrolment ({error})", remedy) from error
    right = [s.ndim == 1 and s.dtype == np.float32 and np.isfinite(s).all() for _, s in takes]
    if not right or not all(right):
        raise ReadError(str(path), "it is no enrolment: its samples are damaged", remedy)
    return takes
