"""Train outside Lightning: one loop of AdamW for pretraining scripts and evaluation baselines."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from scionwood.errors import TrainingError
from scionwood.training.checkpoint import SafeCheckpointIO, read_checkpoint
from scionwood.training.progress import Pace
from scionwood.training.schedules import cosine

Schedule: TypeAlias = Callable[[Optimizer], LRScheduler]
"""Makes a scheduler for an optimiser; it is stepped after every optimiser step."""

_LINES = 20  # lines of progress where there is no terminal


class Stateful(Protocol):
    """What has a state that can be kept: a module, or a stream of batches."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state, of tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Continue from a state."""


@final
@dataclass(frozen=True)
class Resume:
    """A checkpoint of `minimise`, from which a stopped training continues.

    Args:
        file: is written to a temporary name first; if it is there, the training continues from it.
        parts: the model and all else that changes from step to step, by name, such as the stream
            of batches. The loss must draw from nothing else, or from numbers seeded by the step.
        every: the steps between two writes; the last step writes too.

    Example:
        >>> from pathlib import Path
        >>> model, x = torch.nn.Linear(8, 1), torch.randn(32, 8)
        >>> kept = authoring.Resume(Path("state.pt"), {"model": model}, every=5)
        >>> options = {"lr": 1e-2, "resume": kept}
        >>> loss = lambda step: (model(x) - 1).square().mean()
        >>> first = authoring.minimise(loss, model.parameters(), steps=5, **options)
        >>> both = authoring.minimise(loss, model.parameters(), steps=10, **options)
        >>> len(both), both[:5] == first
        (10, True)
    """

    file: Path
    parts: Mapping[str, Stateful]
    every: int = 200


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
    resume: Resume | None = None,
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
        resume: keeps the state in a file, and continues from it.

    Returns:
        The loss of each step, before the step was taken.

    Raises:
        TrainingError: there is nothing to train, a loss is not finite, or the file of `resume` is
            of another training.

    Example:
        >>> model, x = torch.nn.Linear(8, 1), torch.randn(32, 8)
        >>> losses = authoring.minimise(
        ...     lambda step: (model(x) - 1).square().mean(),
        ...     model.parameters(),
        ...     steps=50,
        ...     lr=1e-2,
        ...     schedule=authoring.warm_cosine(50),
        ... )
        >>> losses[-1] < losses[0]
        True
    """
    groups: list[Any] = list(parameters)
    if not groups:
        raise TrainingError("parameters", "there is nothing to train", "Unfreeze some")
    optimizer = AdamW(groups, lr=lr, weight_decay=weight_decay, betas=betas)
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    limited = trained if clipped is None else list(clipped)
    rate = schedule(optimizer) if schedule else None
    parts: dict[str, Any] = {"optimizer": optimizer, **({"rate": rate} if rate else {})}
    losses = _load(resume, parts) if resume else []
    with _progress(label, steps, len(losses)) as show:
        for step in range(len(losses), steps):
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
            if resume and (step + 1 == steps or (step + 1) % resume.every == 0):
                _save(resume, parts, losses)
    return losses


def warm_cosine(steps: int, *, warmup: int | None = None, floor: float = 0.01) -> Schedule:
    """Return a schedule: a linear warm-up, then half a cosine down to a share of the rate.

    Args:
        steps: of the whole training.
        warmup: steps of the warm-up; `None` means a tenth of `steps` and one, 200 at most.
        floor: the share of the highest rate at the last step.

    Example:
        >>> optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=1.0)
        >>> schedule = authoring.warm_cosine(5, warmup=2)(optimiser)
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
        share = cosine(max(0, step - warm), steps - warm, floor=floor)
        return min(1.0, (step + 1) / warm) * share

    return lambda optimizer: LambdaLR(optimizer, factor)


def _save(resume: Resume, parts: Mapping[str, Stateful], losses: list[float]) -> None:
    states = {name: part.state_dict() for name, part in {**parts, **resume.parts}.items()}
    SafeCheckpointIO().save_checkpoint({"state_dict": states, "losses": losses}, resume.file)


def _load(resume: Resume, parts: Mapping[str, Stateful]) -> list[float]:
    """Load the state of a stopped training, if there is one, and return its losses."""
    if not resume.file.is_file():
        return []
    checkpoint = read_checkpoint(resume.file)
    states, parts = checkpoint["state_dict"], {**parts, **resume.parts}
    if missing := sorted(parts.keys() ^ states.keys()):
        rule = f"it is the state of another training ({missing[0]!r} is in one of the two only)"
        raise TrainingError(str(resume.file), rule, "Name another file, or delete this one")
    for name, part in parts.items():
        part.load_state_dict(states[name])
    return list(checkpoint["losses"])


def _finite(step: int, value: Tensor) -> float:
    number = float(value.detach())
    if not math.isfinite(number):
        rule = f"the loss is {number}"
        raise TrainingError(f"step {step}", rule, "Lower the learning rate, or check the data")
    return number


@contextmanager
def _progress(label: str, steps: int, start: int) -> Iterator[Callable[[int, float], None]]:
    """Yield a function that shows a step and its loss: a bar on a terminal, else some lines."""
    has_bar, pace = bool(label) and sys.stderr.isatty(), Pace(start)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
    with bar if has_bar else nullcontext():  # rich ends an empty bar with a line
        task = bar.add_task(label, total=steps, completed=start)

        def show(step: int, loss: float) -> None:
            bar.update(task, completed=step, description=f"{label}, loss {loss:.4g}")
            if label and not has_bar and (step % max(1, steps // _LINES) == 0 or step == steps):
                left = (steps - step) / pace.rate(step) / 60
                text = f"{label}: step {step} of {steps}, loss {loss:.4g}, {left:.1f} min left"
                print(text, file=sys.stderr, flush=True)

        yield show
