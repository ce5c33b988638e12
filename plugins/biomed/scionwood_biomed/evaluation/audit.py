"""Measure what splits by image would hide in a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, final

import torch

from scionwood import RecipeError
from scionwood.authoring import print_table
from scionwood_biomed.data.base import ImageData
from scionwood_biomed.data.items import Item, labels
from scionwood_biomed.data.splits import (
    overlap,
    split_by_image,
    split_by_subject,
    subject_key,
)
from scionwood_biomed.evaluation.linear_probe import cross_validated
from scionwood_biomed.model.towers import ClipBackbone
from scionwood_biomed.readers.archives import UNKNOWN

BATCH = 64
SHARES = (0.75, 0.0, 0.25)
"""Training and test only, so that two subjects per class are enough."""


@final
class SplitAudit(TypedDict):
    """The audit of one way to split.

    Attributes:
        shared_subjects: number of subjects with images in training and test.
        share_of_test: share of test images of these subjects, 0 to 1.
        duplicates: number of test files that are also in training.
        probe_accuracy: cross-validated accuracy of a linear probe on frozen features, 0 to 1.
    """

    shared_subjects: int
    share_of_test: float
    duplicates: int
    probe_accuracy: float


@final
class Audit(TypedDict):
    """Splits by image and by subject, compared on one data set.

    Example:
        >>> from scionwood_biomed.backbones import ClipBackbone
        >>> from scionwood_biomed.data.phantoms import Phantoms
        >>> result: Audit = audit(Phantoms(subjects=16, images=2), ClipBackbone())
        >>> result["subjects"], result["images"]
        (16, 32)
    """

    images: int
    subjects: int
    classes: int
    folds: int
    by_image: SplitAudit
    by_subject: SplitAudit


def audit(data: ImageData, backbone: ClipBackbone, *, folds: int = 5, seed: int = 0) -> Audit:
    """Compare splits by image with splits by subject on one data set.

    Args:
        data: the images.
        backbone: the model whose frozen vision tower computes the features.
        folds: number of cross-validation folds.
        seed: seed of the splits and the folds.

    Returns:
        The counts `images`, `subjects`, `classes` and `folds`, and a `SplitAudit` for `by_image`
        and for `by_subject`.

    Raises:
        RecipeError: there is one class only, there are fewer subjects than folds, or the subjects
            are not known.

    Example:
        >>> from scionwood_biomed.backbones import ClipBackbone
        >>> from scionwood_biomed.data.phantoms import Phantoms
        >>> result = audit(Phantoms(subjects=16, images=2), ClipBackbone())
        >>> result["by_subject"]["shared_subjects"]
        0
    """
    items = data.items()
    names, subjects = labels(items), {subject_key(item.subject) for item in items}
    if any(subject.startswith(f"{UNKNOWN} ") for subject in subjects):
        rule = "the subjects of these images are unknown, so leakage between subjects is too"
        raise RecipeError("audit", rule, "Audit a data set that records subjects")
    if len(names) < 2 or len(subjects) < folds:
        rule = f"{len(names)} classes and {len(subjects)} subjects; 2 and {folds} are needed"
        raise RecipeError("audit", rule, "Add images, or take fewer folds")
    parts = [torch.stack([data.tensor(item) for item in batch]) for batch in _batches(items)]
    with torch.no_grad():
        backbone.eval()
        features = torch.cat([backbone.image_features(part) for part in parts])
    label = torch.tensor([names.index(item.label) for item in items])
    ways = {
        # Each image is a group of its own, so that the folds may divide a subject.
        "by_image": (split_by_image, [str(number) for number in range(len(items))]),
        "by_subject": (split_by_subject, [subject_key(item.subject) for item in items]),
    }
    audits: dict[str, SplitAudit] = {}
    for name, (deal, groups) in ways.items():
        split = deal(items, shares=SHARES, seed=seed)
        shared = overlap(split["train"], split["test"], data.digest)
        audits[name] = {
            "shared_subjects": shared.subjects,
            "share_of_test": shared.share,
            "duplicates": shared.duplicates,
            "probe_accuracy": cross_validated(features, label, groups, folds=folds, seed=seed),
        }
    return {
        "images": len(items),
        "subjects": len(subjects),
        "classes": len(names),
        "folds": folds,
        "by_image": audits["by_image"],
        "by_subject": audits["by_subject"],
    }


def print_audit(result: Audit) -> None:
    """Print an audit as a table."""
    by_image, by_subject = result["by_image"], result["by_subject"]
    accuracy = by_image["probe_accuracy"], by_subject["probe_accuracy"]
    rows: list[tuple[str, str, str]] = [
        (
            "subjects in training and test",
            str(by_image["shared_subjects"]),
            str(by_subject["shared_subjects"]),
        ),
        (
            "share of test images of these subjects",
            f"{by_image['share_of_test']:.3f}",
            f"{by_subject['share_of_test']:.3f}",
        ),
        (
            "test files that are also in training",
            str(by_image["duplicates"]),
            str(by_subject["duplicates"]),
        ),
        (
            f"accuracy of a linear probe, {result['folds']} folds",
            f"{accuracy[0]:.3f}",
            f"{accuracy[1]:.3f}",
        ),
    ]
    columns = ("", "by image", "by subject")
    title = (
        f"{result['images']} images of {result['subjects']} subjects, {result['classes']} classes"
    )
    print_table(columns, rows, title=title, numeric=columns[1:])
    print(f"A split by image changes the accuracy of the probe by {accuracy[0] - accuracy[1]:+.3f}")


def _batches(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
