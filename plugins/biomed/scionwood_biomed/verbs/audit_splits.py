"""Show what a split by image hides: `scionwood biomed audit-splits`."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, prints
from scionwood_biomed.verbs.options import ImageOptions

if TYPE_CHECKING:
    from scionwood_biomed.evaluation.audit import Audit


def _print_audit(audit: Audit, *, json: bool = False) -> None:
    """Print an audit.

    Args:
        audit: the result.
        json: print JSON.
    """
    from scionwood_biomed.evaluation.audit import print_audit

    if json:
        print(dumps(audit, indent=1))
    else:
        print_audit(audit)


@prints(_print_audit)
def audit_splits(
    images: InputPath,
    options: ImageOptions = ImageOptions(),
    *,
    folds: int = 5,
    seed: int = 0,
) -> Audit:
    """Show what a split by image hides: shared subjects, duplicates, an optimistic accuracy.

    In Python `audit` does the same for images and a model in memory.

    Args:
        images: a table `.csv`, a folder of images or shards, as for `biomed/images`.
        options: how images are read, and the model.
        folds: number of cross-validation folds.
        seed: seed of the splits and the folds.

    Returns:
        Shared subjects, duplicates and the accuracy of a linear probe, for splits by image and by
        subject.

    Raises:
        ReadError: a file is damaged.
        RecipeError: an image has no subject, or there are too few subjects.
        WeightsError: the model cannot be loaded.

    Example:
        >>> result = audit_splits(table, folds=2)
        >>> result["by_subject"]["shared_subjects"]
        0
    """
    from scionwood_biomed.backbones import ClipBackbone
    from scionwood_biomed.data.images import Images
    from scionwood_biomed.evaluation.audit import audit

    backbone = ClipBackbone(model=options.model)
    data = Images(
        source=images,
        subject=options.subject,
        window=options.window,
        size=backbone.size,
        duplicates="allow",  # the audit counts them
    )
    return audit(data, backbone, folds=folds, seed=seed)
