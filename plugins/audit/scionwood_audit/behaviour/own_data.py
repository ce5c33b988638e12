"""Behaviour on labelled data of the user: accuracy, calibration, groups, the base, and the card."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import torch
import yaml
from torch import Tensor, nn

from scionwood import Task, override
from scionwood_audit.behaviour.triggers import search_change, search_classes
from scionwood_audit.record import AuditError, Row, Status, limit_of

_row = partial(Row, "behaviour")

MOST_BATCHES = 64
"""The most batches that are used."""

INPUTS = 8
"""Samples of the search for triggers."""

BINS = 10

Batch = dict[str, Any]


@final
@dataclass(frozen=True)
class Measured:
    """What a task does on labelled data.

    Attributes:
        loss: the mean loss of the batches.
        answers: (sample, class) probabilities, or the answers of the backbone to the first batch.
        labels: (sample,), or None where the answers are no classes.
        groups: (sample,) as text; empty where no group was named.
        trigger: the strength of the strongest mark of a search.
        target: its class, or -1.
    """

    loss: float
    answers: Tensor
    labels: Tensor | None
    groups: Sequence[str]
    trigger: float
    target: int

    @property
    def accuracy(self) -> float | None:
        """The share of right answers, or None where there are no classes."""
        if self.labels is None:
            return None
        return float((self.answers.argmax(1) == self.labels).float().mean())

    @property
    def error(self) -> float:
        """The share of wrong answers, or the loss where there are no classes."""
        return self.loss if self.accuracy is None else 1 - self.accuracy

    @property
    def calibration(self) -> float | None:
        """The expected calibration error, (Guo et al. 2017), or None where there are no classes."""
        if self.labels is None:
            return None
        sure, answer = self.answers.max(1)
        right = (answer == self.labels).float()
        bins = (sure * BINS).long().clamp(max=BINS - 1)
        gaps = [(sure[bins == n] - right[bins == n]).sum().abs() for n in range(BINS)]
        return float(sum(gaps) / len(sure))

    def worst_group(self) -> tuple[str, int, float]:
        """Return the group with the lowest accuracy, its samples, and its accuracy."""
        assert self.labels is not None  # there are classes
        right = (self.answers.argmax(1) == self.labels).float().tolist()
        parts: dict[str, list[float]] = {}
        for group, value in zip(self.groups, right, strict=True):
            parts.setdefault(group, []).append(value)
        shares = {name: sum(values) / len(values) for name, values in parts.items()}
        worst = min(shares, key=lambda name: shares[name])
        return worst, len(parts[worst]), shares[worst]


def batches_of(recipe: Any, changes: Sequence[str]) -> list[Batch]:
    """Return the test batches of a recipe whose data are changed to those of the user.

    Args:
        recipe: the recipe of the run.
        changes: such as `["data.root=/mine"]`.

    Raises:
        AuditError: a batch is no mapping of names, or there is none.
    """
    data = override(recipe, list(changes)).data.build()
    data.prepare_data()
    data.setup("test")
    batches = list(itertools.islice(data.test_dataloader(), MOST_BATCHES))
    if not batches or not isinstance(batches[0], dict):
        rule = "they give no batch with named tensors"
        raise AuditError(f"data {' '.join(changes)}", rule, "Use data of the recipe's kind")
    return batches


def measure(
    task: Task, batches: Sequence[Batch], group: str = "", *, search: bool = True
) -> Measured:
    """Measure a task on labelled batches, and search it for triggers.

    Args:
        task: the task with its adapter.
        batches: see `batches_of`.
        group: the entry of a batch that names the group of each sample; by default its label.
        search: search for triggers.

    Raises:
        AuditError: no entry of the batches has this name.
    """
    task.eval()
    predict: Callable[[Batch], Tensor] | None = getattr(task, "predict", None)
    classes = predict is not None and isinstance(batches[0].get("label"), Tensor)
    key = group or "label"
    if group and group not in batches[0]:
        raise AuditError(f"group {group}", "a batch has no such entry", f"Has: {list(batches[0])}")
    with torch.no_grad():
        loss = sum(float(task.losses(batch)["loss"]) for batch in batches) / len(batches)
        if classes and predict is not None:
            answers = torch.cat([predict(batch).float() for batch in batches])
            labels = torch.cat([batch["label"] for batch in batches])
            groups = [str(getattr(n, "item", lambda n=n: n)()) for b in batches for n in b[key]]
        else:
            answers, labels, groups = _backbone_answers(task, batches[0]), None, []
    trigger, target = 0.0, -1
    if search:
        trigger, target = _trigger(task, batches[0], predict if classes else None)
    return Measured(loss, answers, labels, groups, trigger, target)


def rows_of_data(
    task: Task, batches: Sequence[Batch], group: str, card: Path | None, others: Sequence[Task]
) -> list[Row]:
    """Return what labelled data of the user say about an adapter.

    Args:
        task: the task with its adapter.
        batches: the data.
        group: see `measure`.
        card: the card of the run, or None.
        others: tasks with trusted adapters of the same recipe.
    """
    measured = measure(task, batches, group)
    references = [measure(other, batches, group) for other in others]
    with _without_adapter(task):
        base = measure(task, batches, group, search=False)
    rows = [_compared_row("errors on your data", measured.error, [r.error for r in references])]
    rows += [*_classes(measured, references), _base(measured, base), _card(measured, card)]
    rows.append(_drift(measured, base, references))
    return [*rows, _trigger_row(measured, references)]


def _compared_row(name: str, value: float, references: Sequence[float], why: str = "") -> Row:
    """Return a row whose limit 5 % of adapters like the references are beyond."""
    limit = limit_of(references)
    if limit is None:
        reference_text = (
            f"; references {min(references):.3g} to {max(references):.3g}" if references else ""
        )
        return _row(name, "note", f"{value:.3g}{reference_text}", reason=why)
    status: Status = "broken" if value > limit else "kept"
    return _row(name, status, f"{value:.3g}", f"at most {limit:.3g}", why)


def _classes(measured: Measured, references: Sequence[Measured]) -> Iterator[Row]:
    if measured.calibration is None:
        return
    known_values = [r.calibration or 0.0 for r in references]
    why = "the mean gap between how sure and how right it is"
    yield _compared_row("calibration error", measured.calibration, known_values, why)
    worst, count, share = measured.worst_group()
    why = f"group {worst}, {count} samples: right {share:.0%}"
    known_values = [1 - reference.worst_group()[2] for reference in references]
    yield _compared_row("errors in the worst group", 1 - share, known_values, why)


def _base(measured: Measured, base: Measured) -> Row:
    """Compare with the same network without the adapter; its head stays."""
    status: Status = "broken" if measured.error > base.error else "kept"
    why = "an adapter should be no worse than its base on your data"
    return _row(
        "beside the base", status, f"{measured.error:.3g}", f"at most {base.error:.3g}", why
    )


def _card(measured: Measured, card: Path | None) -> Row:
    card_scores = _scores_of_card(card) if card is not None and card.is_file() else {}
    name, claim = "beside the card", card_scores.get("val_accuracy")
    if measured.accuracy is not None and claim is not None:
        # Three standard errors of a share of so many samples.
        limit = claim - 3 * (claim * (1 - claim) / len(measured.answers)) ** 0.5
        status: Status = "broken" if measured.accuracy < limit else "kept"
        why = f"the card states {claim:.3f}; {len(measured.answers)} samples"
        return _row(name, status, f"accuracy {measured.accuracy:.3f}", f"at least {limit:.3f}", why)
    if "val_loss" in card_scores:
        value = f"loss {measured.loss:.3g}; the card states {card_scores['val_loss']:.3g}"
        return _row(name, "note", value, reason="of its own validation data")
    return _row(name, "skipped", "no card with a score")


def _scores_of_card(card: Path) -> dict[str, float]:
    """Return the scores that the card of a run states."""
    head = card.read_text("utf-8", errors="replace").split("---\n")
    try:
        record = yaml.safe_load(head[1]) if len(head) > 2 else {}
        metrics = record["model-index"][0]["results"][0]["metrics"]
        return {str(metric["name"]): float(metric["value"]) for metric in metrics}
    except (yaml.YAMLError, KeyError, IndexError, TypeError, ValueError):
        return {}  # a stranger's card states what it likes; the row says that there is no score


def _drift(measured: Measured, base: Measured, references: Sequence[Measured]) -> Row:
    """Compare the answers to clean data with those of the references, or of the base."""
    if len(references) < 2:
        return _row("drift from the base", "note", f"{_apart(measured, [base]):.3g}")
    known_values = [_apart(r, [o for o in references if o is not r]) for r in references]
    return _compared_row("drift from the references", _apart(measured, references), known_values)


def _apart(one: Measured, others: Sequence[Measured]) -> float:
    """Return how far answers are from the mean of others: of classes the share that differs."""
    mean = torch.stack([other.answers for other in others]).mean(0)
    if one.labels is not None:
        return float((one.answers.argmax(1) != mean.argmax(1)).float().mean())
    return float((one.answers - mean).norm() / mean.norm().clamp_min(1e-12))


def _trigger_row(measured: Measured, references: Sequence[Measured]) -> Row:
    to = f"to class {measured.target}" if measured.target >= 0 else "of the answers"
    why = f"the strongest mark that a search found, {to}; without references it says little"
    return _compared_row("trigger search", measured.trigger, [r.trigger for r in references], why)


def _trigger(
    task: Task, batch: Batch, predict: Callable[[Batch], Tensor] | None
) -> tuple[float, int]:
    key = next((k for k, v in batch.items() if _is_input(v)), None)
    if key is None:
        return 0.0, -1
    size = len(batch[key])
    rows = {k for k, v in batch.items() if isinstance(v, Tensor) and v.ndim and len(v) == size}
    inputs = {k: v[:INPUTS] if k in rows else v for k, v in batch.items()}

    def of(x: Tensor) -> Batch:
        times = len(x) // len(inputs[key])
        return {k: torch.cat([v] * times) if k in rows else v for k, v in inputs.items()} | {key: x}

    if predict is None:
        return search_change(lambda x: _backbone_answers(task, of(x)), inputs[key]), -1
    log = lambda x: predict(of(x)).clamp_min(1e-9).log()  # noqa: E731
    with torch.no_grad():
        count = predict(inputs).shape[1]
    marks = search_classes(log, inputs[key], count)
    return float(marks.max()), int(marks.argmax())


def _is_input(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim > 2


def _backbone_answers(task: Task, batch: Batch) -> Tensor:
    """Return the first tensor that the backbone answers while the loss of a batch is computed."""
    gradients: list[Tensor] = []

    def note(_: nn.Module, __: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        gradients.extend([first] if isinstance(first, Tensor) else [])

    hook = task.backbone.register_forward_hook(note)
    try:
        task.losses(batch)
    finally:
        hook.remove()
    if not gradients:
        raise AuditError("the backbone", "its answer is no tensor", "Leave --data out")
    return gradients[0].float()


@contextmanager
def _without_adapter(task: Task) -> Iterator[None]:
    model: Any = task.backbone
    with getattr(model, "disable_adapter", nullcontext)():
        yield
