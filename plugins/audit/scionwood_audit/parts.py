"""Adaptive parts: what depends on the input inside an adapter, and what happens without it.

A gate, a router or a generator of prompts is cut (set to its mean), swapped (given another input's
value) and frozen (given that of an empty input). Kept anchors are cut and swapped. The rows are
evidence and no verdict: on the one backdoor that was tried none of them told clean and poisoned
adapters apart, and cutting cost both alike (docs/results/audit.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from scionwood import ScionwoodError, Task
from scionwood_audit.record import Row

GATES = re.compile(r"(?:^|[._])(?:gates?|routers?|routes?)(?=\.|$)")
ANCHORS = re.compile(r"kept(?:_anchors?)?$")
GENERATORS = re.compile(r"(?:prompt_?gen|generator|dynamic_?prompts?|fusions?)$")

DONORS = 8
"""Inputs whose value is given to all others in a swap."""

Batch = dict[str, Any]
Predict = Callable[[Batch], Tensor]


@final
@dataclass(frozen=True)
class Probed:
    """What one change of an adaptive part did.

    Attributes:
        kind: `cut`, `swap` or `freeze`.
        changed: the share of answers that changed; of a swap, with the worst donor.
        to_one: the share of all answers that flipped to one class.
        target: this class.

    Example:
        >>> from scionwood_audit import Probed
        >>> Probed("cut", changed=0.1, to_one=0.0, target=2).kind
        'cut'
    """

    kind: str
    changed: float
    to_one: float
    target: int


def rows_of_parts(task: Task, recipe: Any) -> list[Row]:
    """Probe the adaptive parts of a task with a batch of its recipe's data.

    Args:
        task: the task with its adapter, whose `predict` returns (sample, class).
        recipe: its recipe.
    """
    names = [name for name, _ in _tensors(task)] + [name for name, _ in _generators(task)]
    if not names:
        value = "no gate, router, prompt generator or kept anchor was recognised"
        return [Row("adaptive parts", "parts", "note", value)]
    rows = [Row("adaptive parts", "parts", "note", f"{len(names)}: {names[0]} ...")]
    predict: Any = getattr(task, "predict", None)
    if predict is None:
        why = "the task has no predict(batch) whose answers could flip"
        return [*rows, Row("adaptive parts", "probes", "skipped", "not probed", reason=why)]
    try:
        data = recipe.data.build()
        data.prepare_data()
        data.setup("test")
        batch = next(iter(data.test_dataloader()))
        probes = probe_parts(task, predict, batch)
    except ScionwoodError as error:
        return [*rows, Row("adaptive parts", "probes", "skipped", error.value, reason=error.rule)]
    why = "evidence, no verdict: compare it with that of a trusted adapter"
    for kind, probe in probes:
        value = f"{probe.changed:.0%} of answers change, {probe.to_one:.0%} to class {probe.target}"
        rows.append(Row("adaptive parts", f"{kind}: {probe.kind}", "note", value, reason=why))
    return rows


@torch.no_grad()
def probe_parts(task: nn.Module, predict: Predict, batch: Batch) -> list[tuple[str, Probed]]:
    """Cut, swap and freeze the adaptive parts of a model; afterwards it is as before.

    Args:
        task: the model.
        predict: from a batch to (sample, class).
        batch: its entry `image`, or the first tensor, holds one sample for each row.

    Returns:
        The kind of part and the result, for each kind that the model has.

    Example:
        >>> from scionwood_audit import probe_parts
        >>> class Net(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.gate = torch.nn.Linear(4, 4)
        ...     def forward(self, x):
        ...         return x * self.gate(x)
        >>> net = Net()
        >>> batch = {"image": torch.randn(9, 4)}
        >>> found = probe_parts(net, lambda batch: net(batch["image"]), batch)
        >>> [(kind, each.kind) for kind, each in found]
        [('gates', 'cut'), ('gates', 'swap'), ('gates', 'freeze')]
    """
    clean = predict(batch)
    if clean.ndim != 2:
        return []
    usual = clean.argmax(1)
    key = next(key for key, value in batch.items() if isinstance(value, Tensor) and value.ndim > 1)
    donors = [_rows(batch, key, slice(i, i + 1)) for i in range(min(DONORS, len(usual)))]
    empty = {**donors[0], key: torch.zeros_like(donors[0][key])} if donors else batch
    probes: list[tuple[str, Probed]] = []
    for kind, hold in _holders(task, predict):
        for name, sources in (("cut", [batch]), ("swap", donors), ("freeze", [empty])):
            results = []
            for source in sources:
                with hold(source):
                    results.append(_flips(name, usual, predict(batch)))
            probes.append((kind, max(results, key=lambda result: result.to_one)))
    for name, change in (("cut", torch.zeros_like), ("swap", lambda x: x.roll(1, 0))):
        if anchors := [value for path, value in _tensors(task) if ANCHORS.search(_last(path))]:
            with _replaced(anchors, change):
                probes.append(("kept anchors", _flips(name, usual, predict(batch))))
    return probes


def _holders(task: nn.Module, predict: Predict) -> Iterator[tuple[str, Any]]:
    """Yield each kind of part with a context that holds it at its value on a batch."""
    if list(_linear_gates(task)):  # a gate without a bias cannot be held at a value
        yield "gates", partial(_gates_held, task, predict)
    if list(_generators(task)):
        yield "prompt generators", partial(_generators_held, task, predict)


@contextmanager
def _gates_held(task: nn.Module, predict: Predict, source: Batch) -> Iterator[None]:
    """Hold `W x + b` of every gate at its mean over a batch, by `W = 0` and `b = W mean(x) + b`."""
    pairs = list(_linear_gates(task))
    input_means: dict[int, Tensor] = {}

    def note(at: int, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        x = inputs[0].detach()
        input_means[at] = x.flatten(0, -2).mean(0) if x.ndim > 1 else x

    hooks = [
        layer.register_forward_pre_hook(partial(note, at)) for at, (layer, _, _) in enumerate(pairs)
    ]
    try:
        predict(source)
    finally:
        for hook in hooks:
            hook.remove()
    before = [(w, w.clone(), b, b.clone()) for _, w, b in pairs]
    for at, (_, weight, bias) in enumerate(pairs):
        if at in input_means and input_means[at].shape[-1] == weight.shape[-1]:
            bias.add_(weight @ input_means[at].to(weight))
            weight.zero_()
    try:
        yield
    finally:
        for weight, old, bias, old_bias in before:
            weight.copy_(old)
            bias.copy_(old_bias)


def _linear_gates(task: nn.Module) -> Iterator[tuple[nn.Module, Tensor, Tensor]]:
    """Yield the layer that sees the input of each gate, and the weight and bias of the gate."""
    modules, parameters = dict(task.named_modules()), dict(task.named_parameters())
    for path, weight in _tensors(task):
        if not GATES.search(path) or weight.ndim != 2:
            continue
        owner, _, last = path.rpartition(".")
        places = [f"{owner}.bias"] if last == "weight" else []
        places.append(re.sub(r"routers?|routes?|gates?", "bias", path))
        bias = next(
            (parameters[place] for place in places if place in parameters and place != path), None
        )
        holder = re.split(r"\.[^.]*(?:gates?|routers?|routes?)(?=\.|$)", f".{path}")[0].lstrip(".")
        layer = modules.get(holder)
        if bias is not None and layer is not None and len(bias) == len(weight):
            yield layer, weight, bias


@contextmanager
def _generators_held(task: nn.Module, predict: Predict, source: Batch) -> Iterator[None]:
    """Hold the output of every generator at its mean over a batch."""
    modules = list(_generators(task))
    output_means: dict[str, Tensor] = {}

    def note(name: str, _: nn.Module, __: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            output_means[name] = output.detach().mean(0, keepdim=True)

    def hold(name: str, _: nn.Module, __: Any, output: Any) -> Any:
        fits = name in output_means and output_means[name].shape[1:] == output.shape[1:]
        return output_means[name].expand_as(output) if fits else output

    hooks = [module.register_forward_hook(partial(note, name)) for name, module in modules]
    try:
        predict(source)
    finally:
        for hook in hooks:
            hook.remove()
    hooks = [module.register_forward_hook(partial(hold, name)) for name, module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _replaced(tensors: list[Tensor], change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    before = [value.clone() for value in tensors]
    for value in tensors:
        value.copy_(change(value))
    try:
        yield
    finally:
        for value, old in zip(tensors, before, strict=True):
            value.copy_(old)


def _flips(kind: str, usual: Tensor, answers: Tensor) -> Probed:
    now = answers.argmax(1)
    flipped = now[now != usual]
    counts = torch.bincount(flipped, minlength=answers.shape[1])
    target = int(counts.argmax())
    return Probed(kind, len(flipped) / len(usual), int(counts[target]) / len(usual), target)


def _tensors(task: nn.Module) -> list[tuple[str, Tensor]]:
    tensors = [*task.named_parameters(), *task.named_buffers()]
    return [(n, v) for n, v in tensors if GATES.search(n) or ANCHORS.search(_last(n))]


def _generators(task: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, module in task.named_modules():
        called = not isinstance(module, nn.ModuleDict | nn.ModuleList)
        if name and called and GENERATORS.search(name.removesuffix(".default")):
            yield name, module


def _last(path: str) -> str:
    return next((p for p in reversed(path.split(".")[:-1] or [path]) if p != "default"), path)


def _rows(batch: Batch, key: str, rows: slice) -> Batch:
    n = len(batch[key])
    return {
        name: value[rows] if isinstance(value, Tensor) and len(value) == n else value
        for name, value in batch.items()
    }
