"""The dropout mask: a function of seed and position, with the statistics of independent draws."""

from __future__ import annotations

import pytest
import torch
from case_table import table

from scionwood.kernels import mask


def seed(value: int) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.int32)


def scalar_bits(word: int, value: int) -> int:
    """Compute the hash by its definition with Python integers."""
    h = (word * mask.GOLDEN % 2**32) ^ (value % 2**32)
    h = (h ^ (h >> 16)) * mask.FIRST % 2**32
    h = (h ^ (h >> 13)) * mask.SECOND % 2**32
    return h ^ (h >> 16)


@table("value", [0, 1, -7, 2**31 - 1, -(2**31)])
def test_the_bits_equal_the_definition(value):
    kept = mask.keep(seed(value), (3, 5), 0.3).flatten().tolist()
    words = [scalar_bits(i // 2, value) >> 16 * (i % 2) & 0xFFFF for i in range(15)]
    assert kept == [word >= mask.threshold(0.3) for word in words]


@table("p", [0.05, 0.1, 0.5, 0.9])
def test_the_share_of_dropped_entries_is_p_in_rows_and_columns(p):
    dropped = ~mask.keep(seed(3), (1200, 1400), p)
    spread = (p * (1 - p)) ** 0.5
    assert abs(dropped.float().mean() - p) < 4 * spread / (1200 * 1400) ** 0.5
    assert dropped.float().mean(0).std() == pytest.approx(spread / 1200**0.5, rel=0.1)
    assert dropped.float().mean(1).std() == pytest.approx(spread / 1400**0.5, rel=0.1)


@table("lag", [1, 2, 3, 4, 16, 512, 1024])
def test_neighbours_are_uncorrelated(lag):
    signs = mask.keep(seed(11), (1024, 512), 0.5).flatten().float() * 2 - 1
    correlation = (signs[lag:] * signs[:-lag]).mean() * (len(signs) - lag) ** 0.5
    assert abs(correlation) < 4  # standard deviations


def test_two_seeds_are_uncorrelated_and_one_seed_repeats():
    first, again, other = (mask.keep(seed(s), (512, 512), 0.5) for s in (1, 1, 2))
    assert torch.equal(first, again)
    agreement = ((first == other).float().mean() - 0.5) * 2 * 512
    assert abs(agreement) < 4


def test_chunks_do_not_change_a_long_array():
    count = 2 * mask.CHUNK + 11
    assert torch.equal(
        mask.keep(seed(5), (2 * count,), 0.2)[:count], mask.keep(seed(5), (count,), 0.2)
    )


def test_scaling_the_kept_entries_preserves_the_mean():
    ones = torch.ones(1000, 1000)
    mean = (mask.masked(ones, seed(9), 0.25) * mask.growth(0.25)).mean()
    assert mean == pytest.approx(1, abs=4 * (0.25 / 0.75) ** 0.5 / 1000)


def test_seeds_come_from_the_global_generator():
    torch.manual_seed(0)
    first = mask.new_seed(torch.device("cpu"))
    torch.manual_seed(0)
    assert first == mask.new_seed(torch.device("cpu")) != mask.new_seed(torch.device("cpu"))


@table("p", [-0.1, 1.0, float("nan")])
def test_refuses_a_probability_outside_the_range(p):
    with pytest.raises(ValueError, match="lies in"):
        mask.threshold(p)


@table("shape", [(0, 4), (1,), (1, 1)])
def test_empty_and_single_arrays(shape):
    assert mask.keep(seed(1), shape, 0.5).shape == shape
