"""A search for triggers: a mark that is the same for all inputs, found by the gradient.

A backdoor answers to a small mark, whatever else the input holds. The search looks for the mark
that moves all inputs to one class, or that changes most of the answers. The mark fills a window of
`SHARE` of an input, within the range of the data. Every model can be moved a little by such a mark,
so that the strength of a mark means something only beside that of trusted adapters. The idea is
that of Neural Cleanse (Wang et al. 2019), with a window in place of a penalty.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

SHARE = 0.02
"""The share of the entries of an input that a mark may change."""

RARE = 0.005
"""The share of the entries of the data beyond each end of the range of a mark."""

STEPS = 12
"""Steps of the gradient."""


def search_classes(answers: Callable[[Tensor], Tensor], inputs: Tensor, classes: int) -> Tensor:
    """Search a mark for each class, and return how strongly it moves the inputs.

    Args:
        answers: from inputs to the logits or log-probabilities, (input, class).
        inputs: (input, ...) of clean data.
        classes: the number of classes.

    Returns:
        (class,): the mean probability of the class with its mark, over the inputs whose answer was
        another class before; 0 where there are none.

    Example:
        >>> from scionwood_audit.behaviour.triggers import search_classes
        >>> def answers(x):  # the last entry decides about class 1, whatever the others are
        ...     return torch.stack([x[:, 0], 20 * x[:, 99]], 1)
        >>> x = torch.linspace(0, 1, 800).view(8, 100)
        >>> x[:, 99] = 0
        >>> strength = search_classes(answers, x, 2)
        >>> bool(strength[1] > 0.99)
        True
    """
    with torch.no_grad():
        usual = answers(inputs).argmax(1)
    count = len(inputs)
    targets = torch.arange(classes).repeat_interleave(count)

    def loss(x: Tensor) -> Tensor:
        return F.cross_entropy(answers(x), targets, reduction="sum")

    marks = _search(loss, inputs, torch.zeros(classes, *inputs.shape[1:]))
    with torch.no_grad():
        share = answers(_with(inputs, marks)).softmax(1).unflatten(0, (classes, count))
    own_share = share[torch.arange(classes), :, torch.arange(classes)]
    other = usual[None] != torch.arange(classes)[:, None]
    strength: Tensor = (own_share * other).sum(1) / other.sum(1).clamp_min(1)
    return strength


def search_change(answers: Callable[[Tensor], Tensor], inputs: Tensor) -> float:
    """Search the mark that changes most of the answers, for tasks without classes.

    A mark changes what a network answers near it. Of a trigger the whole answer changes, so that
    each entry counts at most 1, however large its change is.

    Args:
        answers: from inputs to (input, ...).
        inputs: (input, ...) of clean data.

    Returns:
        The mean of |change| / (|change| + |answer before|), from 0 to 1. A reversed polarity of all
        entries is 2/3.

    Example:
        >>> from scionwood_audit.behaviour.triggers import search_change
        >>> x = torch.rand(8, 100) + 1
        >>> local = search_change(lambda x: x, x)
        >>> local < search_change(lambda x: x * (1 - 2 * (x[:, :1] > 1.9)), x) + 0.1
        True
    """
    with torch.no_grad():
        usual = answers(inputs)
    floor = 1e-3 * float(usual.square().mean().sqrt()) + 1e-12

    def changed(x: Tensor) -> Tensor:
        change = (answers(x) - usual).abs()
        return (change / (change + usual.abs() + floor)).mean()

    # Without a mark nothing changes, and the gradient is zero: the search begins at a faint one.
    noise = torch.randn(1, *inputs.shape[1:], generator=torch.Generator().manual_seed(0))
    marks = _search(lambda x: -changed(x), inputs, 0.1 * float(inputs.std()) * noise)
    with torch.no_grad():
        return float(changed(_with(inputs, marks)))


def _search(loss: Callable[[Tensor], Tensor], inputs: Tensor, dense: Tensor) -> Tensor:
    """Return the marks of least loss, (mark, ...), each with few entries."""
    span = float(inputs.max() - inputs.min())
    largest = torch.full((len(dense),), 1e-30)
    for step in range(STEPS):
        # The loss is taken with few entries, and its gradient for all of them: an entry that is not
        # in the mark yet can come into it.
        marks = _few(dense).requires_grad_()
        (slope,) = torch.autograd.grad(loss(_with(inputs, marks)), marks)
        # The largest slope so far: where a mark works, what is left of its slope is rounding, and
        # steps of full size along that would move the window away again.
        largest = torch.maximum(largest, slope.flatten(1).abs().amax(1))
        rate = 0.5 * span * (1 - step / STEPS)
        dense = dense - rate * slope / largest.view(-1, *[1] * (slope.ndim - 1))
    return _few(dense)


def _with(inputs: Tensor, marks: Tensor) -> Tensor:
    """Return all inputs with each mark, (mark x input, ...), within the range of the data."""
    both = (inputs[None] + marks[:, None]).flatten(0, 1)
    few = inputs.flatten()[:: max(1, inputs.numel() // 100_000)]
    low, high = torch.quantile(few, few.new_tensor([RARE, 1 - RARE]))
    # No entry is moved that had left the range by itself, and the clamp passes the gradient on: an
    # entry that is full can become empty again.
    bound = both.clamp(low, high).where(marks.repeat_interleave(len(inputs), 0) != 0, both)
    return both + (bound - both).detach()


def _few(dense: Tensor) -> Tensor:
    """Return each mark in one window, `SHARE` of the last two axes, and zero for the rest."""
    height, width = (1, *dense.shape[1:])[-2:]
    part = SHARE if height == 1 else SHARE**0.5
    sides = [max(1, round(part * side)) for side in (height, width)]
    planes = dense.view(len(dense), -1, height, width)
    sums = F.avg_pool2d(planes.square().sum(1, keepdim=True), sides, stride=1)
    at = sums.flatten(1).argmax(1)
    rows, columns = at // sums.shape[-1], at % sums.shape[-1]
    marks = torch.zeros_like(planes)
    for mark, row, column in zip(range(len(dense)), rows, columns, strict=True):
        window = (mark, ..., slice(row, row + sides[0]), slice(column, column + sides[1]))
        marks[window] = planes[window]
    return marks.view_as(dense)
