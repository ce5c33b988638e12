"""No topic is in two splits, and the splits have the requested sizes."""

from __future__ import annotations

from random import Random

from scionwood_language.data.splits import SPLITS, split_by_topic

ROWS, TOPICS = 4196, 2008
"""The size of BLADE, and a number of topics."""


def blade_like() -> list[str]:
    """Return the topics of as many rows as BLADE has, with a few large topics."""
    random = Random(0)
    weights = [1 / (1 + rank) ** 0.5 for rank in range(TOPICS)]
    more = random.choices(range(TOPICS), weights, k=ROWS - TOPICS)
    topics = [f"topic {number}" for number in [*range(TOPICS), *more]]
    random.shuffle(topics)
    return topics


def test_blade_is_split_into_the_published_sizes():
    splits = split_by_topic(blade_like(), seed=0)
    assert [len(splits[split]) for split in SPLITS] == [3356, 420, 420]


def test_no_topic_leaks_over_many_seeds():
    random = Random(1)
    topics = [f"topic {random.randrange(40)}" for _ in range(120)]
    for seed in range(300):
        splits = split_by_topic(topics, seed=seed)
        used = [{topics[number] for number in splits[split]} for split in SPLITS]
        assert not used[0] & used[1]
        assert not used[0] & used[2]
        assert not used[1] & used[2]
        assert sorted(number for split in SPLITS for number in splits[split]) == list(
            range(len(topics))
        )


def test_sizes_are_exact_if_whole_topics_allow_it():
    # With sizes 3 and 4, a tenth of 40 is one topic of four, in any order of the topics.
    topics = ["four"] * 4 + ["four too"] * 4 + [f"three {n // 3}" for n in range(30)] + ["two"] * 2
    for seed in range(50):
        splits = split_by_topic(topics, seed=seed)
        assert len(splits["val"]) == len(splits["test"]) == 4


def test_otherwise_a_split_is_smaller_never_larger():
    topics = [f"topic {n // 10}" for n in range(100)]
    splits = split_by_topic(topics, val=0.15, test=0.05)
    assert [len(splits[split]) for split in SPLITS] == [90, 10, 0]
