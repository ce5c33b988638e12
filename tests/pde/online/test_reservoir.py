"""The cache counts uses, replaces the most used sample, and bounds the uses of each."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from scionwood_pde.online import ReuseCache


def filled(capacity: int, max_uses: int, seed: int = 0) -> ReuseCache:
    cache = ReuseCache(capacity, max_uses, torch.Generator().manual_seed(seed))
    for number in range(capacity):
        cache.put((0, number), torch.full((1,), float(number)))
    return cache


def test_a_new_sample_replaces_the_oldest_of_the_most_used() -> None:
    cache = filled(4, 100)
    for entry, uses in zip(cache.entries, (1, 3, 3, 2), strict=True):
        entry.uses = uses
    assert cache.put((1, 0), torch.zeros(1)) == (0, 1)
    assert cache.put((1, 1), torch.zeros(1)) == (0, 2)
    assert [entry.key for entry in cache.entries] == [(0, 0), (0, 3), (1, 0), (1, 1)]


def test_a_new_sample_replaces_none_while_there_is_room() -> None:
    cache = ReuseCache(2, 1, torch.Generator())
    assert cache.put((0, 0), torch.zeros(1)) is None
    assert not cache.full


def test_a_sample_is_removed_after_its_last_use() -> None:
    cache = filled(3, 2)
    uses = Counter(cache.draw().key for _ in range(6))
    assert uses == {(0, 0): 2, (0, 1): 2, (0, 2): 2}
    with pytest.raises(IndexError, match="empty cache"):
        cache.draw()


def test_samples_are_drawn_with_equal_probabilities() -> None:
    cache = filled(4, 10**6)
    uses = Counter(cache.draw().key for _ in range(4000))
    assert all(900 < count < 1100 for count in uses.values())


def test_a_seed_determines_the_order() -> None:
    first, again, other = (
        [cache.draw().key for _ in range(50)]
        for cache in (filled(8, 99, 1), filled(8, 99, 1), filled(8, 99, 2))
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(("capacity", "max_uses"), [(0, 1), (1, 0)])
def test_refuses_bounds_below_one(capacity: int, max_uses: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ReuseCache(capacity, max_uses, torch.Generator())
