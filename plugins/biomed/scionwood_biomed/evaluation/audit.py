"""What splits by image would hide in somebody's data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from scionwood import RecipeError
from scionwood_biomed.data.images import ImageData
from scionwood_biomed.data.items import Item, labels
from scionwood_biomed.data.splits import overlap, split_by_image, split_by_subject
from scionwood_biomed.evaluation.linear_probe import cross_validated
from scionwood_biomed.model.model import ClipBackbone
from scionwood_biomed.readers.archives import UNKNOWN

AT_ONCE = 64
SHARES = (0.75, 0.0, 0.25)
"""Training and test: two subjects of a class are enough."""


def audit(data: ImageData, backbone: ClipBackbone, *, folds: int = 5, seed: int = 0) -> Any:
    """How splits by image and by subject differ on these images.

    Args:
        data: the images.
        backbone: whose frozen vision tower makes features.
        folds: of the cross-validation.
        seed: of splits and folds.

    Returns:
        Numbers of `images`, `subjects`, `classes`; of the splits `by_image` and `by_subject`, each
        the subjects and duplicate files that training and test share, and the accuracy of a linear
        probe on frozen features under cross-validation that way.

    Raises:
        RecipeError: there is one class, fewer subjects than folds, or subjects that nobody knows.
    """
    items = data.items()
    names, subjects = labels(items), {item.subject for item in items}
    if any(subject.startswith(f"{UNKNOWN} ") for subject in subjects):
        rule = "nobody knows the subjects of these images, so nobody knows what they hide"
        raise RecipeError("audit", rule, "Audit data with subjects")
    if len(names) < 2 or len(subjects) < folds:
        rule = f"{len(names)} classes and {len(subjects)} subjects; 2 and {folds} are needed"
        raise RecipeError("audit", rule, "Add images, or take fewer folds")
    parts = [torch.stack([data.tensor(i) for i in batch]) for batch in _batches(items)]
    with torch.no_grad():
        backbone.eval()
        features = torch.cat([backbone.image_features(part) for part in parts])
    label = torch.tensor([names.index(item.label) for item in items])
    groups = {
        "by_image": [str(number) for number in range(len(items))],
        "by_subject": [item.subject for item in items],
    }
    found: dict[str, Any] = {
        "images": len(items),
        "subjects": len(subjects),
        "classes": len(names),
        "folds": folds,
    }
    for name, deal in (("by_image", split_by_image), ("by_subject", split_by_subject)):
        split = deal(items, shares=SHARES, seed=seed)
        shared = overlap(split["train"], split["test"], data.digest)
        found[name] = {
            "shared_subjects": shared.subjects,
            "share_of_test": shared.share,
            "duplicates": shared.duplicates,
            "probe_accuracy": cross_validated(
                features, label, groups[name], folds=folds, seed=seed
            ),
        }
    return found


def text(found: Any) -> str:
    """The audit as lines for a terminal."""
    head = f"{found['images']} images of {found['subjects']} subjects, {found['classes']} classes"
    rows = [head, f"{'':<34}{'by image':>10}{'by subject':>12}"]
    names = {
        "shared_subjects": "subjects in training and test",
        "share_of_test": "share of test images of these",
        "duplicates": "test files that are in training",
        "probe_accuracy": f"linear probe, {found['folds']}-fold accuracy",
    }
    for key, name in names.items():
        values = [found[way][key] for way in ("by_image", "by_subject")]
        cells = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in values]
        rows.append(f"{name:<34}{cells[0]:>10}{cells[1]:>12}")
    gap = found["by_image"]["probe_accuracy"] - found["by_subject"]["probe_accuracy"]
    rows.append(f"splits by image make the probe look better by {gap:+.3f}")
    return "\n".join(rows)


def _batches(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE)]
