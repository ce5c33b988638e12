"""Words by example: dynamic time warping on a frozen layer, without training."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from scionwood import ReadError, RecipeError
from scionwood.authoring import atomic_path, reading, writing
from scionwood_audio.errors import WindowMismatchError
from scionwood_audio.model.mel import FRAME
from scionwood_audio.model.whisper import Whisper

LAYER = 2
"""The layer that is compared: 99.9 easy and 95.5 hard with one take, the best of five."""


class Enrolment(NamedTuple):
    """Clips as features, with the word that each says.

    Attributes:
        words: the word of each clip; a word may have several.
        features: (position, width) float32 of each clip, of unit length at each position.
        window: seconds of the window in which they were computed.
        weights: the weights that computed them.
    """

    words: list[str]
    features: list[np.ndarray]
    window: float
    weights: str


def enrol(
    clips: Sequence[tuple[str, np.ndarray]], *, window: float = 3.0, weights: str = "package"
) -> Enrolment:
    """Return the features of clips.

    Args:
        clips: words, and samples (time,) at 16 kHz of one clip each.
        window: seconds of the window; a clip is at most as long.
        weights: as for `audio/whisper`.

    Raises:
        RecipeError: a clip is longer than the window.
    """
    tower = Whisper(weights=weights, window=window, read_layer=LAYER).eval()
    for word, sound in clips:
        if len(sound) > tower.samples:
            rule = f"it lasts {len(sound) / 16000:.1f} s, and the window {window:g} s"
            raise RecipeError(f"clip of {word!r}", rule, "Cut the word out, or set --window")
    features = [frozen(tower, sound) for _, sound in clips]
    return Enrolment([word for word, _ in clips], features, window, weights)


@torch.no_grad()
def frozen(tower: Whisper, sound: np.ndarray) -> np.ndarray:
    """Return the features of a clip or of a window, (position, width), each of unit length.

    Args:
        tower: `audio/whisper`.
        sound: (time,) float32 at 16 kHz, at most a window; only its own positions are returned.
    """
    padded = np.pad(sound, (0, tower.samples - len(sound)))
    hidden = tower.hidden(torch.from_numpy(padded)[None])[-1][0, : -(-len(sound) // FRAME)]
    return np.asarray(torch.nn.functional.normalize(hidden, dim=-1).numpy())


def warp(take: np.ndarray, sound: np.ndarray) -> float:
    """Return the distance of a take to the nearest stretch of a sound, per position of the take.

    The stretch begins and ends anywhere. A step goes on in the take, in the sound, or in both. With
    a = min(D[i-1, j], D[i-1, j-1]) and s the running sum of the costs of row i, the row is
    D[i, j] = s[j] + min over k <= j of (a[k] - s[k-1]).

    Args:
        take: (position, width), of unit length at each position.
        sound: (position, width) likewise.

    Source: H. Sakoe and S. Chiba (1978); the open ends are those of subsequence warping,
        M. Müller, Information retrieval for music and motion (2007), section 4.4.

    Example:
        >>> import numpy as np
        >>> from scionwood_audio.inference.enrolment import warp
        >>> take = np.eye(3)
        >>> warp(take, np.concatenate([np.eye(3)[::-1], np.eye(3)]))
        0.0
    """
    cost = 1.0 - take.astype(np.float64) @ sound.astype(np.float64).T
    row = cost[0]
    for line in cost[1:]:
        before = np.minimum(row, np.concatenate([[np.inf], row[:-1]]))
        sums = np.cumsum(line)
        row = sums + np.minimum.accumulate(before - (sums - line))
    return max(0.0, float(row.min())) / len(take)


def nearness(enrolment: Enrolment, words: Sequence[str], sound: np.ndarray) -> list[float]:
    """Return for each word minus the distance of its nearest take to a sound.

    Args:
        enrolment: the clips.
        words: words that are enrolled.
        sound: features of a window, see `frozen`.
    """
    pairs = list(zip(enrolment.words, enrolment.features, strict=True))
    return [-min(warp(take, sound) for name, take in pairs if name == word) for word in words]


def write_enrolment(enrolment: Enrolment, target: Path, *, overwrite: bool = False) -> None:
    """Write an enrolment as NPZ: arrays of numbers and texts, nothing pickled.

    Raises:
        OutputExistsError: the file exists and `overwrite` is false.
        WriteError: it cannot be written.
    """
    arrays = {f"clip_{n}": features for n, features in enumerate(enrolment.features)}
    about = np.array([f"{enrolment.window!r}", enrolment.weights, *enrolment.words])
    with writing(target), atomic_path(target, overwrite=overwrite) as part, part.open("wb") as file:
        np.savez(file, about=about, **arrays)  # type: ignore[arg-type]  # names of arrays


def read_enrolment(path: Path, window: float | None = None) -> Enrolment:
    """Read an enrolment; nothing in it is unpickled.

    Args:
        path: the file that `write_enrolment` wrote.
        window: seconds of the window that is asked for; `None` means any.

    Raises:
        ReadError: it is no enrolment.
        WindowMismatchError: it was made with another window.
    """
    remedy = "Make it anew: scionwood audio enrol CLIPS... OUT.npz"
    with reading(path, "enrolment (.npz)"):
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                about = [str(text) for text in file["about"]]
                features = [file[f"clip_{n}"] for n in range(len(about) - 2)]
                enrolment = Enrolment(about[2:], features, float(about[0]), about[1])
        except (KeyError, ValueError, IndexError, zipfile.BadZipFile, EOFError) as error:
            raise ReadError(str(path), f"it is no enrolment ({error})", remedy) from error
    right = [f.ndim == 2 and f.dtype == np.float32 and np.isfinite(f).all() for f in features]
    if not right or not all(right) or not 0.1 <= enrolment.window <= 30:
        raise ReadError(str(path), "it is no enrolment: its features are damaged", remedy)
    if window is not None and window != enrolment.window:
        rule = f"it was made with a window of {enrolment.window:g} s, not {window:g} s"
        remedy = f"Leave --window out, or set {enrolment.window:g}"
        raise WindowMismatchError(str(path), rule, remedy)
    return enrolment
