"""Rates of scores: average precision of positions, AUC and equal error rate of trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


def average_precision(scores: Tensor, target: Tensor) -> Tensor:
    """Return the average precision of scores, 0 to 1; NaN without any positive.

    Positions of one score have one precision, that of the last of them.

    Args:
        scores: (position,) float32.
        target: (position,) 1 or 0.

    Source: C. D. Manning et al., Introduction to information retrieval (2008), section 8.4.
    """
    ranked, order = scores.sort(descending=True)
    hit = target[order] > 0.5
    if not hit.any():
        return torch.full((), torch.nan, device=scores.device)
    falling = -ranked
    places = torch.searchsorted(falling, falling[hit], right=True)
    return (hit.cumsum(0)[places - 1] / places).mean()


class Rates(NamedTuple):
    """Area under the curve and equal error rate, 0 to 1, and the threshold at that rate."""

    auc: float
    eer: float
    threshold: float


def rates(positive: np.ndarray, negative: np.ndarray) -> Rates:
    """Return the rates of the scores of clips that say a text, and of clips that do not."""
    from sklearn.metrics import roc_auc_score, roc_curve

    scores = np.concatenate([positive, negative]).astype(np.float64)
    scores = np.maximum(scores, np.finfo(np.float32).min)  # CTC gives minus infinity
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    alarms, hits, thresholds = roc_curve(labels, scores)
    place = int(np.argmin(np.abs(alarms - (1 - hits))))
    equal = (alarms[place] + 1 - hits[place]) / 2
    return Rates(float(roc_auc_score(labels, scores)), float(equal), float(thresholds[place]))


def of_trials(scores: Tensor) -> dict[str, Tensor]:
    """Return the rates of the trials of clips, in percent.

    Args:
        scores: (clip, 5): of its text, of two random ones, and of the two of nearest spelling.

    Returns:
        `easy` and `hard`, areas under the curve; `easy_eer` and `hard_eer`; and `threshold`, the
        score at the equal error rate of all trials.
    """
    table = scores.detach().float().cpu().numpy()
    easy, hard, overall = (
        rates(table[:, 0], table[:, columns].ravel())
        for columns in (slice(1, 3), slice(3, 5), slice(1, 5))
    )
    measured = {
        "easy": 100 * easy.auc,
        "hard": 100 * hard.auc,
        "easy_eer": 100 * easy.eer,
        "hard_eer": 100 * hard.eer,
        "threshold": overall.threshold,
    }
    return {name: torch.tensor(value) for name, value in measured.items()}


def advice(arms: Mapping[str, Mapping[int, float]], zero_shot: float) -> Iterable[str]:
    """Yield a line for each arm: from how many clips on it is above zero-shot, if it ever is."""
    for arm, by_clips in arms.items():
        below = [clips for clips, score in by_clips.items() if score <= zero_shot]
        above = [clips for clips in by_clips if clips > max(below, default=-1)]
        if above:
            start = f"{arm}: above zero-shot ({zero_shot:.1f}) from {min(above)} clips"
            yield f"{start}, {max(by_clips.values()):.1f} at best"
        else:
            most = max(by_clips)
            yield f"{arm}: not above zero-shot with {most} clips or less: not recommended"
