"""Create the continual-learning methods by name from plain options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, final

import torch
import torch.nn as nn
from torch import Tensor
from torch.utils._pytree import tree_map

from scionwood import RecipeError, Task, TrainingError
from scionwood_methods.continual.controller import ContinualMethod

METHODS: Mapping[str, str] = {
    "naive": "scionwood_methods.continual.naive:Naive",
    "ewc": "scionwood_methods.continual.ewc:Ewc",
    "ace_lora_edit": "scionwood_methods.continual.ace:AceLora",
    "seqlora_bilevel": "scionwood_methods.continual.seqlora:SeqLora",
    "igsp": "scionwood_methods.continual.igsp:Igsp",
}
"""Class by name. Its positional parameter is the loss of each sample; the others are options."""

_NOT_PLAIN = ("adapter", "consistency")
"""Parameters that are not options: the only adapter of a sequence, and a function."""

Losses = Callable[[nn.Module, Any], Tensor]


Pairs = Callable[[nn.Module, Any], tuple[Tensor, Tensor]]


def make_method(
    name: str, options: Mapping[str, Any], losses: Losses, pairs: Pairs | None = None
) -> ContinualMethod:
    """Create a method with its options.

    Args:
        name: a name in `METHODS`.
        options: keyword arguments of its class.
        losses: `(model, batch) -> (n,)`, for the methods that need it.
        pairs: `(model, batch) -> ((n, d), (n, d))`, for the methods that can use it.

    Raises:
        RecipeError: there is no such method, it has no such option, or one has a wrong type.
        AdapterError: an option is out of its range, or needs pairs.
    """
    if name not in METHODS:
        raise RecipeError(f"method {name!r}", "it is not known", f"Known: {', '.join(METHODS)}")
    module, _, attribute = METHODS[name].partition(":")
    kind = getattr(import_module(module), attribute)
    parameters = inspect.signature(kind).parameters.values()
    option_names = [
        p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in _NOT_PLAIN
    ]
    for key in options:
        if key not in option_names:
            remedy = f"Known: {', '.join(option_names) or 'none'}"
            raise RecipeError(f"method {name!r}: option {key!r}", "it is not known", remedy)
    injected = [losses for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    functions = {p.name: pairs for p in parameters if p.name == "consistency"}
    try:
        method: ContinualMethod = kind(*injected, **functions, **options)
    except TypeError as error:
        rule = f"an option has a wrong type ({error})"
        remedy = f"See the options: scionwood_methods.continual.{kind.__name__}"
        raise RecipeError(f"method {name!r}: {dict(options)}", rule, remedy) from error
    return method


@final
class SampleLosses:
    """The loss of a task for each sample, used as its negative log-likelihood, and its pairs.

    Every tensor whose first length is the batch size is split into samples, and the task computes
    the loss of each.

    Attributes:
        task: the task over the model that trains; set it before the first call.
    """

    def __init__(self) -> None:
        self.task: Task | None = None

    def __call__(self, model: nn.Module, batch: Any) -> Tensor:
        """Return the losses (n,) of a batch of n samples.

        Raises:
            TrainingError: the batch is not split by the first axes of its tensors, such as a graph.
        """
        assert self.task is not None, "no task yet"
        count = self.task.batch_size(batch)
        samples = [_sample(batch, index, count) for index in range(count)]
        if count > 1 and any(self.task.batch_size(sample) != 1 for sample in samples):
            rule = f"the first axes of its tensors do not part the {count} samples of a batch"
            raise TrainingError(type(self.task).__name__, rule, "Set data.batch_size: 1")
        return torch.stack([self.task.losses(sample)["loss"] for sample in samples])

    def pairs(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        """Return the features ((n, d), (n, d)) of the pairs of a batch; see `Task.pairs`.

        Raises:
            TrainingError: the task has none for this batch.
        """
        assert self.task is not None, "no task yet"
        features = self.task.pairs(batch)
        if features is None:
            rule = "it returned no pairs for a batch, and gamma is above 0"
            raise TrainingError(type(self.task).__name__, rule, "Set gamma to 0")
        return features


def _sample(batch: Any, index: int, count: int) -> Any:
    def cut(leaf: Any) -> Any:
        is_shared = not isinstance(leaf, Tensor) or not leaf.ndim or len(leaf) != count
        return leaf if is_shared else leaf[index : index + 1]

    return tree_map(cut, batch)
