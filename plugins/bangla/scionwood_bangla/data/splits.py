"""Three splits by topic, of exactly the sizes asked for wherever the topics allow it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

SPLITS = ("train", "val", "test")


def split_by_topic(
    topics: Sequence[str], *, val: float = 0.1, test: float = 0.1, seed: int = 0
) -> dict[str, list[int]]:
    """The numbers of the examples by split; all examples of a topic are in one split.

    Validation and test get `round(share * n)` examples each, training the rest: 3,356, 420 and 420
    of 4,196. Where no choice of whole topics has exactly so many, they get the largest number
    below it that one has. Topics are taken in a random order.

    Args:
        topics: of each example.
        val: the share for validation.
        test: the share for the test.
        seed: of the order of the topics.
    """
    sizes = Counter(topics)
    order = sorted(sizes)
    Random(seed).shuffle(order)
    chosen: dict[str, str] = {}
    for split, share in (("val", val), ("test", test)):
        left = [topic for topic in order if topic not in chosen]
        wanted = round(share * len(topics))
        chosen |= dict.fromkeys(_filling(left, sizes, wanted), split)
    found: dict[str, list[int]] = {split: [] for split in SPLITS}
    for number, topic in enumerate(topics):
        found[chosen.get(topic, "train")].append(number)
    return found


def _filling(order: Sequence[str], sizes: Counter[str], wanted: int) -> list[str]:
    """Topics whose sizes sum to `wanted`, or to as much below it as any can.

    `reach[i]` has bit s set where some of the first i topics have s examples together (the subset
    sum, in the bits of an integer); it is walked back from the last topic.
    """
    most = (1 << (wanted + 1)) - 1
    reach = [1]
    for topic in order:
        reach.append((reach[-1] | reach[-1] << sizes[topic]) & most)
    left = reach[-1].bit_length() - 1
    taken = []
    for i in range(len(order), 0, -1):
        rest = left - sizes[order[i - 1]]
        if rest >= 0 and reach[i - 1] >> rest & 1:
            taken.append(order[i - 1])
            left = rest
    return taken
