"""Split examples by topic into three splits of the requested sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from scionwood import RecipeError

SPLITS = ("train", "val", "test")


def check_shares(val: float, test: float) -> None:
    """Refuse shares that leave a split without examples.

    Raises:
        RecipeError: a share is not above 0, or their sum is not below 1.
    """
    if val <= 0 or test <= 0 or val + test >= 1:
        rule = "each must be above 0, and their sum below 1"
        raise RecipeError(f"shares {val}, {test}", rule, "Such as 0.1 and 0.1")


def split_by_topic(
    topics: Sequence[str], *, val: float = 0.1, test: float = 0.1, seed: int = 0
) -> dict[str, list[int]]:
    """Return the indices of the examples by split. All examples of a topic are in one split.

    Validation and test get `round(share * n)` examples each, and training gets the rest: 3,356, 420
    and 420 of 4,196. If no set of whole topics has exactly that size, a split gets the largest
    possible size below it. Topics are taken in random order.
    """
    sizes = Counter(topics)
    order = sorted(sizes)
    Random(seed).shuffle(order)
    chosen: dict[str, str] = {}
    for split, share in (("val", val), ("test", test)):
        left = [topic for topic in order if topic not in chosen]
        target_size = round(share * len(topics))
        chosen |= dict.fromkeys(_filling(left, sizes, target_size), split)
    splits: dict[str, list[int]] = {split: [] for split in SPLITS}
    for number, topic in enumerate(topics):
        splits[chosen.get(topic, "train")].append(number)
    return splits


def _filling(order: Sequence[str], sizes: Counter[str], target_size: int) -> list[str]:
    """Return topics whose sizes sum to `target_size`, or to the largest possible sum below it.

    Subset sum with integers as bit sets: bit s of `reach[i]` is set if some of the first i topics
    have s examples together. The topics are then read off backwards.
    """
    # Sums above the target are of no use, and would make the integers long.
    mask = (1 << (target_size + 1)) - 1
    reach = [1]
    for topic in order:
        reach.append((reach[-1] | reach[-1] << sizes[topic]) & mask)
    left = reach[-1].bit_length() - 1
    topics = []
    for i in range(len(order), 0, -1):
        # Topic i was used if the rest can be reached with the topics before it.
        remainder = left - sizes[order[i - 1]]
        if remainder >= 0 and reach[i - 1] >> remainder & 1:
            topics.append(order[i - 1])
            left = remainder
    return topics
