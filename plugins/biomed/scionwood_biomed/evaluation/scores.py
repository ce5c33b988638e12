"""Scores of predictions, and their intervals over subjects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, final

import numpy as np
from sklearn.metrics import roc_curve

DRAWS = 1000
"""Bootstrap samples of an interval."""


@final
class Point(NamedTuple):
    """Sensitivity and specificity at one threshold.

    Attributes:
        threshold: probability of the second class from which it is the answer.
        sensitivity: share of images of the second class that are found.
        specificity: share of images of the first class that are not called the second.
    """

    threshold: float
    sensitivity: float
    specificity: float


def over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation (n - 1) over seeds; 0 for one seed."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def balanced_accuracy(probabilities: np.ndarray, label: np.ndarray) -> float:
    """Return the mean over the classes of the share of their images that are recognised.

    Args:
        probabilities: (image, class).
        label: (image,) integers.
    """
    right = probabilities.argmax(1) == label
    return float(np.mean([right[label == at].mean() for at in np.unique(label)]))


def auroc(probabilities: np.ndarray, label: np.ndarray) -> float:
    """Return the area under the ROC curve of the second class, or the mean of all classes.

    With more than two classes each is measured against the rest. Classes without an image are left
    out.

    Args:
        probabilities: (image, class).
        label: (image,) integers.

    Returns:
        0 to 1; NaN if all images are of one class, or a probability is NaN.
    """
    present = np.unique(label)
    if len(present) < 2:
        return float("nan")
    if probabilities.shape[1] == 2:
        return _area(label == 1, probabilities[:, 1])
    return float(np.mean([_area(label == at, probabilities[:, at]) for at in present]))


def _area(positive: np.ndarray, score: np.ndarray) -> float:
    """Return the share of pairs whose positive has the larger score; equal scores count half."""
    if np.isnan(score).any():
        return float("nan")
    others = np.sort(score[~positive])
    # Mann-Whitney: "left" counts the smaller scores and "right" also the equal ones, so that their
    # mean counts ties half.
    below = (np.searchsorted(others, score[positive], side) for side in ("left", "right"))
    return float(sum(below).mean() / (2 * len(others)))


def threshold(probabilities: np.ndarray, label: np.ndarray) -> float:
    """Return the probability of the second class at which sensitivity + specificity is largest.

    Args:
        probabilities: (image, 2), of validation images.
        label: (image,) integers, 0 or 1; both occur.
    """
    false, true, at = roc_curve(label, probabilities[:, 1])
    # Youden's index. The first threshold of `roc_curve` is infinite (nothing is positive).
    return float(min(at[int(np.argmax(true - false))], 1.0))


def at_threshold(probabilities: np.ndarray, label: np.ndarray, value: float) -> Point:
    """Return sensitivity and specificity of two classes at a threshold.

    Args:
        probabilities: (image, 2).
        label: (image,) integers, 0 or 1; both occur.
        value: the threshold, chosen on other images.
    """
    is_positive = probabilities[:, 1] >= value
    return Point(
        value, float(is_positive[label == 1].mean()), float((~is_positive[label == 0]).mean())
    )


def interval(
    score: Callable[[np.ndarray], float],
    subjects: Sequence[str],
    label: np.ndarray,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95 % interval of a score, by drawing subjects with replacement.

    Subjects are drawn within each set of subjects of equal labels, so that no class is lost.

    Args:
        score: computes the score of images, given their indices; an index may occur repeatedly.
        subjects: the subject of each image.
        label: (image,) integers.
        draws: number of bootstrap samples.
        seed: seed of the samples.
    """
    rng, groups = np.random.default_rng(seed), grouped(subjects, label)
    values = [score(resample(groups, rng)) for _ in range(draws)]
    return float(np.nanquantile(values, 0.025)), float(np.nanquantile(values, 0.975))


def grouped(subjects: Sequence[str], label: np.ndarray) -> list[list[np.ndarray]]:
    """Return the images of each subject; subjects with the same set of labels are together."""
    of_subject: dict[str, list[int]] = {}
    for at, subject in enumerate(subjects):
        of_subject.setdefault(subject, []).append(at)
    strata: dict[tuple[int, ...], list[np.ndarray]] = {}
    for images in of_subject.values():
        strata.setdefault(tuple(sorted(set(label[images]))), []).append(np.array(images))
    return list(strata.values())


def resample(groups: Sequence[Sequence[np.ndarray]], rng: np.random.Generator) -> np.ndarray:
    """Return the images of subjects that are drawn with replacement within each group."""
    chosen = [group[at] for group in groups for at in rng.integers(0, len(group), len(group))]
    return np.concatenate(chosen)
