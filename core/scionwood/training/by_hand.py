"""Train outside Lightning: one loop of AdamW for pretraining scripts and evaluation baselines."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from scionwood.errors import TrainingError

Schedule: TypeAlias = Callable[[Optimizer], LRScheduler]
"""Makes a scheduler for an optimiser; it is stepped after every optimiser step."""

_LINES = 20  # lines of progress where there is no terminal


def minimise(
    loss: Callable[[int], Tensor | None],
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
    *,
    steps: int,
    lr: float,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
    schedule: Schedule | None = None,
    clip: float | None = None,
    clipped: Iterable[nn.Parameter] | None = None,
    label: str = "",
    report: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Minimise a loss with AdamW (Loshchilov and Hutter 2019), one step for each call of `loss`.

    Args:
        loss: takes the number of the step, from 0, draws a batch, and returns its scalar loss;
            `None` ends the training.
        parameters: what is trained, or groups of it as `parameter_groups` returns them.
        steps: the most optimiser steps.
        lr: the learning rate of parameters whose group gives none.
        weight_decay: decoupled weight decay of parameters whose group gives none.
        betas: decay rates of the two moments.
        schedule: makes the scheduler of the learning rate, such as `warm_cosine(steps)`; `None`
            keeps the rate constant.
        clip: the largest norm of the gradient; `None` leaves it as it is.
        clipped: the parameters whose joint norm is limited; `None` means all that are trained.
        label: names the progress on stderr, with the loss and the time left; empty shows none.
        report: is called with the step and its loss after every step.

    Returns:
        The loss of each step, before the step was taken.

    Raises:
        TrainingError: there is nothing to train, or a loss is not finite.

    Example:
        >>> model, x = torch.nn.Linear(8, 1), torch.randn(32, 8)
        >>> losses = scionwood.minimise(
        ...     lambda step: (model(x) - 1).square().mean(),
        ...     model.parameters(),
        ...     steps=50,
        ...     lr=1e-2,
        ...     schedule=scionwood.warm_cosine(50),
        ... )
        >>> losses[-1] < losses[0]
        True
    """
    given: list[Any] = list(parameters)
    if not given:
        raise TrainingError("parameters", "there is nothing to train", "Unfreeze some")
    optimizer = AdamW(given, lr=lr, weight_decay=weight_decay, betas=betas)
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    limited = trained if clipped is None else list(clipped)
    rate = schedule(optimizer) if schedule else None
    losses: list[float] = []
    with _progress(label, steps) as show:
        for step in range(steps):
            value = loss(step)
            if value is None:
                break
            losses.append(_finite(step, value))
            optimizer.zero_grad()
            value.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(limited, clip)
            optimizer.step()
            if rate is not None:
                rate.step()
            show(step + 1, losses[-1])
            if report is not None:
                report(step, losses[-1])
    return losses


def warm_cosine(steps: int, *, warmup: int | None = None, floor: float = 0.01) -> Schedule:
    """Return a schedule: a linear warm-up, then half a cosine down to a share of the rate.

    Args:
        steps: of the whole training.
        warmup: steps of the warm-up; `None` means a tenth of `steps` and one, 200 at most.
        floor: the share of the highest rate at the last step.

    Example:
        >>> optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=1.0)
        >>> schedule = scionwood.warm_cosine(5, warmup=2)(optimiser)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(schedule.get_last_lr()[0], 2))
        ...     optimiser.step()
        ...     schedule.step()
        >>> rates
        [0.5, 1.0, 1.0, 0.75, 0.26]
    """
    warm = min(200, steps // 10 + 1) if warmup is None else max(1, warmup)

    def factor(step: int) -> float:
        done = max(0, step - warm) / max(1, steps - warm)
        cosine = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))
        return min(1.0, (step + 1) / warm) * cosine

    return lambda optimizer: LambdaLR(optimizer, factor)


def one_cycle(steps: int, *, rise: float = 0.1) -> Schedule:
    """Return a schedule: torch's `OneCycleLR` with the learning rate of each group as its peak.

    Args:
        steps: the steps of the whole training.
        rise: the share of the steps in which the rate rises.

    Source: Smith and Topin 2019, arXiv:1708.07120.

    Example:
        >>> optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=1.0)
        >>> schedule = scionwood.one_cycle(5, rise=0.4)(optimiser)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(schedule.get_last_lr()[0], 2))
        ...     optimiser.step()
        ...     schedule.step()
        >>> rates
        [0.04, 1.0, 0.75, 0.25, 0.0]
    """

    def schedule(optimizer: Optimizer) -> LRScheduler:
        peaks = [group["lr"] for group in optimizer.param_groups]
        # OneCycleLR divides by zero if the rate rises in exactly one step.
        share = rise if rise * steps > 1 else 0.0
        return OneCycleLR(optimizer, peaks, steps, pct_start=share)

    return schedule


def _finite(step: int, value: Tensor) -> float:
    number = float(value.detach())
    if not math.isfinite(number):
        rule = f"the loss is {number}"
        raise TrainingError(f"step {step}", rule, "Lower the learning rate, or check the data")
    return number


@contextmanager
def _progress(label: str, steps: int) -> Iterator[Callable[[int, float], None]]:
    """Yield a function that shows the step and its loss: a bar on a terminal, else some lines."""
    if not label:
        yield lambda done, loss: None
    elif sys.stderr.isatty():
        with _bar(label, steps) as show:
            yield show
    else:
        began = time.monotonic()

        def say(done: int, loss: float) -> None:
            if done % max(1, steps // _LINES) and done != steps:
                return
            left = (time.monotonic() - began) / done * (steps - done) / 60
            text = f"{label}: step {done} of {steps}, loss {loss:.4g}, {left:.1f} min left"
            print(text, file=sys.stderr, flush=True)

        yield say


@contextmanager
def _bar(label: str, steps: int) -> Iterator[Callable[[int, float], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=steps)

        def show(done: int, loss: float) -> None:
            bar.update(task, completed=done, description=f"{label}, loss {loss:.4g}")

        yield show
