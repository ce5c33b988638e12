"""Splits by subject, shots of a class, and what splits by image would hide."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, final

import numpy as np

from scionwood import RecipeError
from scionwood_biomed.data.items import Item, labels

PARTS = ("train", "val", "test")


@final
class Overlap(NamedTuple):
    """What two parts of a split share.

    Attributes:
        subjects: those with images in both.
        share: of the second part's images, those whose subject is in the first, 0 to 1.
        duplicates: images of the second part that are, byte for byte, in the first.
    """

    subjects: int
    share: float
    duplicates: int


def split_by_subject(
    items: Sequence[Item], *, shares: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0
) -> dict[str, list[Item]]:
    """Deal subjects to training, validation and test, class by class.

    A subject with images of several classes counts for the rarest of them, so that rare classes
    reach every part. No subject is in two parts.

    Args:
        items: with subjects.
        shares: of the subjects of each class; they add up to 1.
        seed: of the dealing.

    Returns:
        By part: its items in the order in which they came.

    Raises:
        RecipeError: the shares are none, or a class has fewer subjects than parts need.
    """
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise RecipeError(f"shares {list(shares)}", "three shares, 0 or more, that add up to 1")
    rng = np.random.default_rng(seed)
    part_of: dict[str, int] = {}
    wanted = sum(share > 0 for share in shares)
    owners = _owners(items)
    for label in sorted(owners, key=lambda name: (len(owners[name]), name)):
        if len(owners[label]) < wanted:
            rule = f"it has {len(owners[label])} subjects, and {wanted} parts need one each"
            raise RecipeError(f"class {label!r}", rule, "Collect more, or set a share to 0")
        order = rng.permutation(sorted(owners[label] - part_of.keys()))
        for part, chosen in enumerate(np.split(order, _edges(len(order), shares))):
            part_of.update(dict.fromkeys(map(str, chosen), part))
    return {
        name: [item for item in items if part_of[item.subject] == part]
        for part, name in enumerate(PARTS)
    }


def deal(items: Sequence[Item], *, seed: int = 0) -> dict[str, list[Item]]:
    """The splits that the source gives, or by subject where it gives none.

    Args:
        items: with subjects.
        seed: of `split_by_subject`.

    Raises:
        RecipeError: some items have a split and others none, it is not train, val or test, or a
            subject is in two.
    """
    if all(item.split is None for item in items):
        return split_by_subject(items, seed=seed)
    of: dict[str, str | None] = {}
    for item in items:
        if item.split not in PARTS:
            rule = f"split {item.split!r} is none of {', '.join(PARTS)}"
            raise RecipeError(str(item.path), rule, "Give every image one, or none at all")
        if of.setdefault(item.subject, item.split) != item.split:
            rule = f"subject {item.subject!r} is in {of[item.subject]} and in {item.split}"
            raise RecipeError(str(item.path), rule, "Put all images of a subject into one split")
    return {name: [item for item in items if item.split == name] for name in PARTS}


def split_by_image(
    items: Sequence[Item], *, shares: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0
) -> dict[str, list[Item]]:
    """Deal images without regard to whose they are: only to show what that hides."""
    order = np.random.default_rng(seed).permutation(len(items))
    parts = np.split(order, _edges(len(order), shares))
    return {n: [items[i] for i in sorted(p)] for n, p in zip(PARTS, parts, strict=True)}


def shots(items: Sequence[Item], count: int, *, seed: int = 0) -> list[Item]:
    """Draw a few images of each class, from as many subjects as there are.

    Args:
        items: of the training part.
        count: K, of each class.
        seed: of the draw.

    Returns:
        K a class, class by class.

    Raises:
        RecipeError: a class has fewer images.
    """
    rng = np.random.default_rng(seed)
    found: list[Item] = []
    for label in labels(items):
        mine = [item for item in items if item.label == label]
        if len(mine) < count:
            rule = f"it has {len(mine)} training images, {count} shots are wanted"
            raise RecipeError(f"class {label!r}", rule, "Take fewer shots")
        found += _round_robin(mine, rng)[:count]
    return found


def base_and_novel(classes: Sequence[str]) -> tuple[list[str], list[str]]:
    """The first half of the classes for training, the others unseen.

    Args:
        classes: in alphabetical order; of an odd number the base has one more.

    Raises:
        RecipeError: a side has one class, on which every method is right.
    """
    half = (len(classes) + 1) // 2
    base, novel = list(classes[:half]), list(classes[half:])
    if len(novel) < 2:
        rule = f"{len(classes)} classes leave {len(novel)} novel, where any answer is right"
        raise RecipeError("base to novel", rule, "It takes 4 classes or more")
    return base, novel


def harmonic_mean(base: float, novel: float) -> float:
    """`2 b n / (b + n)` of one data set and seed; over several, it is averaged, not taken anew."""
    return 2 * base * novel / (base + novel) if base + novel else 0.0


def digest_of_file(item: Item) -> bytes:
    """A hash of an item's file."""
    return hashlib.blake2b(item.path.read_bytes(), digest_size=16).digest()


def overlap(
    first: Sequence[Item],
    second: Sequence[Item],
    digest: Callable[[Item], bytes] = digest_of_file,
) -> Overlap:
    """What the second part has of the first.

    Args:
        first: items.
        second: items.
        digest: what two items have in common that are the same image.
    """
    subjects = {item.subject for item in first}
    shared = [item for item in second if item.subject in subjects]
    known = {digest(item) for item in first}
    return Overlap(
        len({item.subject for item in shared}),
        len(shared) / max(len(second), 1),
        sum(digest(item) in known for item in second),
    )


def _owners(items: Sequence[Item]) -> Mapping[str, set[str]]:
    """The subjects of each class."""
    found: dict[str, set[str]] = defaultdict(set)
    for item in items:
        found[item.label].add(item.subject)
    return found


def _edges(count: int, shares: Sequence[float]) -> list[int]:
    """Where the parts begin; each has one at least if its share is not 0 and there are enough."""
    least = int(count >= len(shares))
    sizes = [max(int(share * count), least * (share > 0)) for share in shares[1:]]
    first = count - sum(sizes)
    return [first, first + sizes[0]]


def _round_robin(items: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    """One image of each subject, then a second of each, in random order."""
    turns: dict[str, int] = defaultdict(int)
    placed: list[tuple[int, int, Item]] = []
    for index in rng.permutation(len(items)):
        item = items[index]
        placed.append((turns[item.subject], len(placed), item))
        turns[item.subject] += 1
    return [item for *_, item in sorted(placed, key=lambda entry: entry[:2])]
