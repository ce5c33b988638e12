"""Draw from a corruption, and test each property that it states.

Every test returns the probability of what was drawn if the property holds. A property is broken
below `ALPHA`, which is shared by all tests of one audit, so that correct functions pass: of a
million audits, about one would fail by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, final

import torch
from torch import Tensor

from scionwood.authoring import Corruption
from scionwood_audit.record import Row, Status

ALPHA = 1e-6
"""The probability, over all tests of one audit, that a correct function fails."""

BINS = 20
CHUNK = 5_000


@final
class Test(NamedTuple):
    """The result of one test: its name, the probability, what was found, and the property."""

    name: str
    probability: float
    found: str
    rule: str


@final
class Draws(NamedTuple):
    """Samples, labels and times, with what became of them; n is the first length of each."""

    clean: Tensor
    label: Tensor
    time: Tensor | None
    made: Tensor
    hidden: Tensor | None


def draw_and_test(corruption: Corruption, *, draws: int = 100_000, seed: int = 0) -> list[Row]:
    """Test a corruption with many draws.

    Args:
        corruption: the corruption with its properties.
        draws: samples to draw.
        seed: the seed of torch's global generator, whose state is restored.

    Returns:
        One row for each property; a broken one has a probability below its share of `ALPHA`.

    Example:
        >>> from scionwood_audit import draw_and_test
        >>> def noisy(x):
        ...     return x + 0.2 * torch.randn_like(x)
        >>> stated = authoring.Corruption(
        ...     "noise",
        ...     (noisy,),
        ...     sample=lambda n: (torch.randn(n, 3), torch.randint(2, (n,))),
        ...     apply=lambda clean, time, label: (noisy(clean), None),
        ...     scale=lambda time: (1.0, 0.1),  # wrong: it is 0.2
        ... )
        >>> [row.name for row in draw_and_test(stated, draws=2000) if row.status == "broken"]
        ['variance of the noise', 'marginals']
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        samples = _draw(corruption, draws, None)
        tests = list(_tests(corruption, samples))
        if corruption.terminal is not None:
            tests += _terminal(corruption, _draw(corruption, draws, corruption.terminal))
    return [_row(test, ALPHA / len(tests)) for test in tests]


def _row(test: Test, limit: float) -> Row:
    status: Status = "broken" if test.probability < limit else "kept"
    value = f"{test.found}; p = {test.probability:.2g}"
    return Row("training", test.name, status, value, f"p at least {limit:.1g}", test.rule)


def _draw(corruption: Corruption, draws: int, at: float | None) -> Draws:
    parts = [_chunk(corruption, min(CHUNK, draws - first), at) for first in range(0, draws, CHUNK)]
    clean, label, time, corrupted, hidden = zip(*parts, strict=True)
    return Draws(
        torch.cat(clean),
        torch.cat(label),
        None if time[0] is None else torch.cat(time),
        torch.cat(corrupted),
        None if hidden[0] is None else torch.cat(hidden),
    )


def _chunk(corruption: Corruption, n: int, at: float | None) -> Draws:
    clean, label = corruption.sample(n)
    time = corruption.time(n) if corruption.time is not None else None
    if time is not None and at is not None:
        time = torch.full_like(time, at)
    corrupted, hidden = corruption.apply(clean.clone(), time, label)
    flat = None if hidden is None else hidden.expand_as(corrupted).flatten(1)
    return Draws(clean.flatten(1), label, time, corrupted.flatten(1), flat)


def _tests(corruption: Corruption, samples: Draws) -> Iterator[Test]:
    if samples.time is not None:
        yield _uniform("times", samples.time.double(), "training draws times uniformly on [0, 1)")
        yield _independent(
            "times and label", _binned(samples.time.double(), 0.0, 1.0), samples.label
        )
    if corruption.rate is not None:
        yield from _of_mask(corruption, samples)
    if corruption.scale is not None:
        yield from _of_noise(corruption, samples)


def _of_mask(corruption: Corruption, samples: Draws) -> Iterator[Test]:
    """Test which elements are hidden, how often, and what they and the others become."""
    assert corruption.rate is not None
    hidden = samples.hidden
    assert hidden is not None, "a mask says what it hides"
    n, width = hidden.shape
    rate = torch.as_tensor(corruption.rate(samples.time), dtype=torch.float64).expand(n)
    unchanged_or_hidden = (samples.made == samples.clean) | hidden
    yield _never(
        "elements that are kept",
        ~unchanged_or_hidden,
        "an element that is not hidden is not changed",
    )
    if corruption.mask is not None:
        wrong = hidden & (samples.made != corruption.mask)
        yield _never("hidden elements", wrong, "every hidden element becomes the mask")
    share = hidden.double().mean(1)
    variance = (rate * (1 - rate) / width).clamp_min(1e-12)
    z = float((share - rate).sum() / variance.sum().sqrt())
    observation = f"{float(share.mean()):.4f}, stated {float(rate.mean()):.4f}"
    yield Test("rate", _two_sided(z), observation, "the share of hidden elements is the stated one")
    yield _by_time(samples, share - rate, variance)
    at = hidden.double().sum(0)
    expected_count, spread = rate.sum(), (rate * (1 - rate)).sum().clamp_min(1e-12)
    statistic = float(((at - expected_count).square() / spread).sum())
    observation = f"{width} places, {float(at.min() / n):.4f} to {float(at.max() / n):.4f}"
    rule = "every place is hidden equally often"
    yield Test("marginals", _chi2(statistic, width), observation, rule)
    yield _independent("mask and label", _ranked(hidden.sum(1)), samples.label)
    first = torch.where(hidden.any(1), hidden.int().argmax(1), width)
    yield _independent("places and label", _ranked(first), samples.label)


def _by_time(samples: Draws, excess: Tensor, variance: Tensor) -> Test:
    """Test the rate in each of `BINS` spans of time."""
    rule = "the share of hidden elements is the stated one at every time"
    if samples.time is None:
        return Test("rate by time", 1.0, "there is no time", rule)
    bins = _binned(samples.time.double(), 0.0, 1.0)
    total = torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, excess)
    spread = torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, variance)
    z = total / spread.clamp_min(1e-12).sqrt()
    observation = f"largest deviation {float(z.abs().max()):.1f} of {BINS} spans"
    return Test("rate by time", _chi2(float(z.square().sum()), BINS), observation, rule)


def _of_noise(corruption: Corruption, samples: Draws) -> Iterator[Test]:
    """Test what is left of the samples, and that the rest is normal and independent."""
    assert corruption.scale is not None
    share, deviation = corruption.scale(samples.time)
    share = torch.as_tensor(share, dtype=torch.float64).reshape(-1, 1)
    deviation = torch.as_tensor(deviation, dtype=torch.float64).reshape(-1, 1)
    z = (samples.made.double() - share * samples.clean.double()) / deviation.clamp_min(1e-6)
    n, width = z.shape
    mean = float(z.mean())
    rule = "the noise has no mean"
    yield Test("mean of the noise", _two_sided(mean * math.sqrt(n * width)), f"{mean:.4f}", rule)
    total = float(z.square().sum())
    observation = f"{total / (n * width):.4f} of the stated one"
    rule = "the variance of the noise is the stated one"
    wide = (total - n * width) / math.sqrt(2 * n * width)
    yield Test("variance of the noise", _two_sided(wide), observation, rule)
    one = z[torch.arange(n), torch.arange(n) % width]  # independent of each other
    values = 0.5 * (1 + torch.erf(one / math.sqrt(2)))
    yield _uniform("marginals", values, "the noise is normal")
    yield _independent("noise and label", _binned(values, 0.0, 1.0), samples.label)
    energy = z.square().mean(1)
    yield _independent("strength and label", _ranked(energy), samples.label)
    product = (z * _standard(samples.clean.double())).mean()
    yield Test(
        "noise and sample",
        _two_sided(float(product) * math.sqrt(n * width)),
        f"correlation {float(product):.4f}",
        "the noise does not depend on the sample",
    )


def _terminal(corruption: Corruption, samples: Draws) -> list[Test]:
    """Test that nothing of a sample is left at the terminal time."""
    tests = []
    if corruption.mask is not None:
        rule = "at the terminal time every element is the mask, with probability 1"
        tests.append(_never("terminal state", samples.made != corruption.mask, rule))
    if corruption.scale is not None:
        x, y = _standard(samples.made.double()), _standard(samples.clean.double())
        n, width = x.shape
        correlation = float((x * y).mean())
        observation = (
            f"correlation {correlation:.4f}, variance {float(samples.made.double().var()):.4f}"
        )
        rule = "at the terminal time nothing of the sample is left"
        z = correlation * math.sqrt(n * width)
        tests.append(Test("terminal state", _two_sided(z), observation, rule))
    label = _ranked(samples.made.double().mean(1))
    tests.append(_independent("terminal state and label", label, samples.label))
    return tests


def _never(name: str, wrong: Tensor, rule: str) -> Test:
    count = int(wrong.sum())
    return Test(name, 0.0 if count else 1.0, f"{count:,} of {wrong.numel():,} differ", rule)


def _uniform(name: str, values: Tensor, rule: str) -> Test:
    counts = torch.bincount(_binned(values, 0.0, 1.0), minlength=BINS).double()
    expected_count = len(values) / BINS
    statistic = float(((counts - expected_count).square() / expected_count).sum())
    outside = int(((values < 0) | (values >= 1)).sum())
    observation = f"chi-squared {statistic:.1f} with {BINS - 1} degrees of freedom"
    if outside > 1e-4 * len(values):
        return Test(name, 0.0, f"{outside:,} lie outside", rule)
    return Test(name, _chi2(statistic, BINS - 1), observation, rule)


def _independent(name: str, bins: Tensor, label: Tensor) -> Test:
    """Test the independence of two classes by chi-squared."""
    rule = "what is drawn does not depend on the label"
    _, columns = torch.unique(label, return_inverse=True)
    _, rows = torch.unique(bins, return_inverse=True)
    high, wide = int(rows.max()) + 1, int(columns.max()) + 1
    if high < 2 or wide < 2:
        return Test(name, 1.0, "there is one class only", rule)
    table = torch.bincount(rows * wide + columns, minlength=high * wide).double().view(high, wide)
    expected_counts = table.sum(1, keepdim=True) * table.sum(0, keepdim=True) / table.sum()
    statistic = float(((table - expected_counts).square() / expected_counts).sum())
    degrees = (high - 1) * (wide - 1)
    observation = f"chi-squared {statistic:.1f} with {degrees} degrees of freedom"
    return Test(name, _chi2(statistic, degrees), observation, rule)


def _binned(values: Tensor, low: float, high: float) -> Tensor:
    return ((values - low) / (high - low) * BINS).long().clamp(0, BINS - 1)


def _ranked(values: Tensor) -> Tensor:
    """Return ten classes of about equal size; equal values are in one class."""
    edges = torch.quantile(values.double()[:: max(1, len(values) // 10_000)], _TENTHS)
    return torch.bucketize(values.double(), torch.unique(edges))


_TENTHS = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)


def _standard(x: Tensor) -> Tensor:
    return (x - x.mean()) / x.std().clamp_min(1e-12)


def _chi2(statistic: float, degrees: int) -> float:
    """Return the probability that a chi-squared variable is at least as large."""
    half = torch.tensor([degrees / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))


def _two_sided(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))
