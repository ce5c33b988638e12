"""Splits by subject, few shots per class, and the overlap between two splits."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, final

import numpy as np

from scionwood import RecipeError
from scionwood_biomed.data.items import Item, labels
from scionwood_deid import same_subject

PARTS = ("train", "val", "test")


@final
class Overlap(NamedTuple):
    """What two parts of a split have in common.

    Attributes:
        subjects: number of subjects with images in both parts.
        share: share of images in the second part whose subject is in the first, 0 to 1.
        duplicates: number of images in the second part that are also in the first.
    """

    subjects: int
    share: float
    duplicates: int


def subject_key(subject: str) -> str:
    """Return what two spellings of a subject share: `P0a` and `p0a ` are one person.

    Args:
        subject: a subject as a table or a file states it.
    """
    return same_subject(subject)


def split_by_subject(
    items: Sequence[Item], *, shares: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0
) -> dict[str, list[Item]]:
    """Assign subjects to training, validation and test, class by class.

    A subject with images of several classes is assigned with the rarest of them, so that rare
    classes reach every part. No subject is in two parts.

    Args:
        items: the images.
        shares: share of each part in the subjects of a class; the shares add up to 1.
        seed: seed of the assignment.

    Returns:
        The items of `train`, `val` and `test`, each in their original order.

    Raises:
        RecipeError: the shares do not add up to 1, or a class has fewer subjects than parts.
    """
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        rule = "there must be three shares, each 0 or more, that add up to 1"
        raise RecipeError(f"shares {list(shares)}", rule, "Use for example 0.6, 0.2 and 0.2")
    rng = np.random.default_rng(seed)
    part_of: dict[str, int] = {}
    part_count = sum(share > 0 for share in shares)
    owners = _owners(items)
    # From the rarest class on: a subject of several classes is assigned with the first that it is
    # in.
    for label in sorted(owners, key=lambda name: (len(owners[name]), name)):
        if len(owners[label]) < part_count:
            rule = f"it has {len(owners[label])} subjects, and each of {part_count} parts needs one"
            raise RecipeError(f"class {label!r}", rule, "Add subjects, or set a share to 0")
        # Sorted, as the order of a set of texts differs from one process to the next.
        order = rng.permutation(sorted(owners[label] - part_of.keys()))
        for part, chosen in enumerate(np.split(order, _edges(len(order), shares))):
            part_of.update(dict.fromkeys(map(str, chosen), part))
    return {
        name: [item for item in items if part_of[subject_key(item.subject)] == part]
        for part, name in enumerate(PARTS)
    }


def deal(items: Sequence[Item], *, seed: int = 0) -> dict[str, list[Item]]:
    """Return the splits that the source states, or splits by subject if it states none.

    Args:
        items: the images.
        seed: seed of `split_by_subject`.

    Returns:
        The items of `train`, `val` and `test`.

    Raises:
        RecipeError: only some items state a split, a split has another name, or a subject is in
            two splits.
    """
    if all(item.split is None for item in items):
        return split_by_subject(items, seed=seed)
    split_of: dict[str, str | None] = {}  # by the key of the subject
    for item in items:
        if item.split not in PARTS:
            rule = f"split {item.split!r} is not one of {', '.join(PARTS)}"
            raise RecipeError(str(item.path), rule, "Give a split for every image, or for none")
        before = split_of.setdefault(subject_key(item.subject), item.split)
        if before != item.split:
            rule = f"subject {item.subject!r} is in {before} and in {item.split}"
            raise RecipeError(str(item.path), rule, "Put all images of a subject into one split")
    return {name: [item for item in items if item.split == name] for name in PARTS}


def split_by_image(
    items: Sequence[Item], *, shares: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0
) -> dict[str, list[Item]]:
    """Assign images to parts and ignore their subjects; only for audits of such splits.

    Args:
        items: the images.
        shares: share of each part in the images.
        seed: seed of the assignment.

    Returns:
        The items of `train`, `val` and `test`.
    """
    order = np.random.default_rng(seed).permutation(len(items))
    parts = np.split(order, _edges(len(order), shares))
    return {n: [items[i] for i in sorted(p)] for n, p in zip(PARTS, parts, strict=True)}


def shots(items: Sequence[Item], count: int, *, seed: int = 0) -> list[Item]:
    """Draw K images of each class, from as many different subjects as possible.

    Args:
        items: the images of the training part.
        count: K, the number of images per class.
        seed: seed of the draw.

    Returns:
        K images per class, class by class.

    Raises:
        RecipeError: a class has fewer than K images.
    """
    rng = np.random.default_rng(seed)
    selection: list[Item] = []
    for label in labels(items):
        mine = [item for item in items if item.label == label]
        if len(mine) < count:
            rule = f"it has {len(mine)} training images, and {count} shots are requested"
            raise RecipeError(f"class {label!r}", rule, "Use fewer shots, or add images")
        selection += _round_robin(mine, rng)[:count]
    return selection


def base_and_novel(classes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide the classes into base classes for training and novel classes.

    Args:
        classes: class names; for an odd number the base has one class more.

    Returns:
        The base classes, which are the first half, and the novel classes.

    Raises:
        RecipeError: there are fewer than two novel classes, so that any answer would be right.
    """
    half = (len(classes) + 1) // 2
    base, novel = list(classes[:half]), list(classes[half:])
    if len(novel) < 2:
        rule = f"{len(classes)} classes leave {len(novel)} novel, for which any answer is right"
        raise RecipeError("base to novel", rule, "Use 4 classes or more")
    return base, novel


def digest_of_file(item: Item) -> bytes:
    """Return a hash of an item's file."""
    return hashlib.blake2b(item.path.read_bytes(), digest_size=16).digest()


def overlap(
    first: Sequence[Item],
    second: Sequence[Item],
    digest: Callable[[Item], bytes] = digest_of_file,
) -> Overlap:
    """Measure what the second part has in common with the first.

    Args:
        first: items of the first part.
        second: items of the second part.
        digest: returns a hash that equal images share.
    """
    subjects = {subject_key(item.subject) for item in first}
    shared = [item for item in second if subject_key(item.subject) in subjects]
    digests = {digest(item) for item in first}
    return Overlap(
        len({subject_key(item.subject) for item in shared}),
        len(shared) / max(len(second), 1),
        sum(digest(item) in digests for item in second),
    )


def _owners(items: Sequence[Item]) -> Mapping[str, set[str]]:
    """Return the subjects of each class."""
    subjects: dict[str, set[str]] = defaultdict(set)
    for item in items:
        subjects[item.label].add(subject_key(item.subject))
    return subjects


def _edges(count: int, shares: Sequence[float]) -> list[int]:
    """Return where the second and third part begin; parts with a share get one item if possible."""
    minimum = int(count >= sum(share > 0 for share in shares))
    sizes = [max(int(share * count), minimum * (share > 0)) for share in shares[1:]]
    first = count - sum(sizes)
    return [first, first + sizes[0]]


def _round_robin(items: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    """Return one image of each subject, then a second one of each, ..., in random order."""
    turns: dict[str, int] = defaultdict(int)
    placed: list[tuple[int, int, Item]] = []
    for index in rng.permutation(len(items)):
        item = items[index]
        owner = subject_key(item.subject)
        placed.append((turns[owner], len(placed), item))
        turns[owner] += 1
    # By turn first, then in the random order; an item itself has no order.
    return [item for *_, item in sorted(placed, key=lambda entry: entry[:2])]
