"""The rules of a frozen prefix: its blocks, and why features cannot be cached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from peft import PeftModel
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.utils._pytree import tree_leaves
from torch.utils.data import Dataset, IterableDataset

from scionwood import AdapterError, TrainingError
from scionwood.authoring import adapter_parameters, sample_content
from scionwood_scale.prefix.layout import raw_bytes

Blocks = dict[str, nn.Module]
_STACKS = (nn.Sequential, nn.ModuleList)
_CHECKPOINTING = ("grad_checkpointing", "gradient_checkpointing")
_READS = 8


def backbone(model: nn.Module) -> nn.Module:
    """Return the backbone inside a model with adapters, or the model itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def moving_parameters(model: nn.Module) -> dict[int, str]:
    """Return the names of parameters that train or belong to an adapter, by their `id`."""
    adapters = {id(parameter) for parameter in adapter_parameters(model).values()}
    parameters = backbone(model).named_parameters()
    return {id(p): name for name, p in parameters if p.requires_grad or id(p) in adapters}


def find_blocks(model: nn.Module, names: Sequence[str] | None = None) -> Blocks:
    """Return the frozen blocks to skip, in the order in which they run.

    Without names these are the leading frozen children of a stack (`Sequential` or `ModuleList`),
    and the whole stacks before it under one parent. Of several candidates, those with the most
    weights are chosen.

    Raises:
        AdapterError: there is no such block, or a named one is missing, trains or has an adapter.
    """
    base, moving = backbone(model), moving_parameters(model)
    kind = type(base).__name__
    if not any(parameter.requires_grad for parameter in base.parameters()):
        rule = "a prefix ends before the first layer that trains"
        raise AdapterError(f"{kind}: nothing trains", rule, "Attach an adapter first")

    def frozen(module: nn.Module) -> bool:
        return not any(id(parameter) in moving for parameter in module.parameters())

    if names is not None:
        return _blocks_named(base, names, moving)
    runs = [run for run in _runs("", base, frozen) if run]
    best: Blocks = max(runs, key=lambda run: sum(map(_weights, run.values())), default={})
    if not sum(map(_weights, best.values())):
        first = next(iter(moving.values()))
        raise AdapterError(
            f"{kind}: no frozen prefix",
            f"the first block of every stack trains or has an adapter (as {first})",
            "Let `targets` match the last blocks only, or name the frozen blocks (`blocks`)",
        )
    return best


def refuse_model(base: nn.Module, blocks: Blocks) -> None:
    """Refuse a model for reasons that are known before it runs."""
    for name, module in base.named_modules():
        if any(getattr(module, flag, False) is True for flag in _CHECKPOINTING):
            where = f"activation checkpointing in {name or type(base).__name__}"
            rule = "backward would run all blocks again, including those that are skipped"
            raise AdapterError(where, rule, "Switch it off, or train without the cache")
    if any(isinstance(parameter, DTensor) for parameter in base.parameters()):
        rule = "its weights are spread over processes"
        remedy = "Use ddp, or train without the cache"
        raise TrainingError(f"prefix of {type(base).__name__}", rule, remedy)
    for name, block in blocks.items():
        refuse_dropout((f"{name}.{inner}".rstrip("."), m) for inner, m in block.named_modules())


def refuse_dropout(modules: Iterable[tuple[str, nn.Module]]) -> None:
    """Refuse modules of a prefix that drop values at random."""
    for name, module in modules:
        if share := _random_share(module):
            rule = f"it drops values at random (p={share:g}), so that its features differ each time"
            remedy = "Set it to 0, or train without the cache"
            raise AdapterError(f"{name} in the frozen prefix", rule, remedy)


def refuse_statistics(modules: Iterable[tuple[str, nn.Module]]) -> None:
    """Refuse modules of a prefix that normalise by the batch."""
    for name, module in modules:
        running = getattr(module, "running_mean", None)
        if (running is not None and module.training) or (
            running is None and isinstance(module, _BatchNorm)
        ):
            rule = "it normalises by the batch, so that features depend on a sample's neighbours"
            remedy = "Put it in eval mode, as scionwood.Task does with frozen norms"
            raise AdapterError(f"{name} in the frozen prefix", rule, remedy)


def refuse_trained(output: Any, moving: Mapping[int, str]) -> None:
    """Refuse an output of the prefix to which a gradient flows."""
    graph = [leaf.grad_fn for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
    visited: set[Any] = set()
    while graph:
        node = graph.pop()
        if node is None or node in visited:
            continue
        visited.add(node)
        if hasattr(node, "variable"):
            name = moving.get(id(node.variable), "a tensor outside the model")
            rule = "it trains and runs before the end of the prefix, so that features change"
            raise AdapterError(name, rule, "Freeze it, or end the prefix before it (`blocks`)")
        graph += [parent for parent, _ in node.next_functions]


def refuse_draws(before: Sequence[Tensor], after: Sequence[Tensor]) -> None:
    """Refuse a prefix that moved a generator of random numbers."""
    if not all(map(torch.equal, before, after)):
        rule = "it draws random numbers, so that its features differ from call to call"
        remedy = "Switch its dropout off, or train without the cache"
        raise AdapterError("the frozen prefix", rule, remedy)


def refuse_size(samples: int, width: int, budget: int) -> None:
    """Refuse samples whose features, of `width` bytes each, take more than the budget."""
    if (needed := samples * width) > budget:
        raise TrainingError(
            f"a budget of {budget / 2**30:.3g} GiB for the frozen prefix",
            f"{samples} samples take {needed / 2**30:.3g} GiB",
            "Raise the budget, store bfloat16, or train without the cache",
        )


def refuse_random_data(dataset: Dataset[Any]) -> None:
    """Read a few samples twice with other random draws, and refuse data that differ.

    An iterable dataset cannot be read twice. Its samples still have keys from their content.
    """
    if isinstance(dataset, IterableDataset) or not getattr(dataset, "__len__", int)():
        return
    last = len(dataset) - 1  # type: ignore[arg-type]  # it has a length
    for index in np.unique(np.linspace(0, last, _READS).round().astype(int)).tolist():
        if sample_content(dataset, index, epoch=0) != sample_content(dataset, index, epoch=1):
            raise TrainingError(
                f"sample {index} of {type(getattr(dataset, 'inner', dataset)).__name__}",
                "it differs when it is read twice: the data are augmented at random",
                "Switch the augmentation off, or train without the cache of the frozen prefix",
            )


def identity(ran: Blocks, moving: Mapping[int, str], facts: Sequence[str]) -> str:
    """Return the hash of a prefix over the modules that compute its features, and other facts.

    Args:
        ran: the modules that run in it by name, and the backbone itself under "".
        moving: parameters that do not count, because they train after the prefix.
        facts: further facts as text.
    """
    total = hashlib.sha256(repr(list(facts)).encode())
    for name, module in sorted(ran.items()):
        settings = {key: value for key, value in sorted(vars(module).items()) if _plain(key, value)}
        kind = f"{type(module).__module__}.{type(module).__qualname__}"
        total.update(f"\n{name} {kind} {settings}\n".encode())
        tensors = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for key, value in tensors:
            if id(value) not in moving:
                total.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
                total.update(raw_bytes(value).data)
    return total.hexdigest()


def _blocks_named(base: nn.Module, names: Sequence[str], moving: Mapping[int, str]) -> Blocks:
    modules, chosen = dict(base.named_modules()), Blocks()
    for name in names:
        if name not in modules:
            raise AdapterError(f"block {name!r}", f"{type(base).__name__} has none of that name")
        train = [moving[id(p)] for p in modules[name].parameters() if id(p) in moving]
        if train:
            rule = f"it trains or has an adapter ({train[0]})"
            raise AdapterError(f"block {name!r}", rule, "Name the frozen blocks before it")
        chosen[name] = modules[name]
    if not sum(map(_weights, chosen.values())):
        rule = "at least one block with weights"
        raise AdapterError(f"blocks={list(names)}", rule, "Name it, or leave `blocks` out")
    return chosen


def _runs(prefix: str, module: nn.Module, frozen: Callable[[nn.Module], bool]) -> Iterator[Blocks]:
    """Yield runs of leading frozen blocks: the stacks of one parent together, then deeper ones."""
    children = [(f"{prefix}{name}", child) for name, child in module.named_children()]
    if isinstance(module, _STACKS):
        yield dict(takewhile(lambda child: frozen(child[1]), children))
        children = children[:1]  # modules inside a later child do not run first
    together = Blocks()
    for name, stack in ((n, c) for n, c in children if isinstance(c, _STACKS)):
        inner = ((f"{name}.{key}", child) for key, child in stack.named_children())
        lead = dict(takewhile(lambda child: frozen(child[1]), inner))
        together |= lead
        if len(lead) < len(stack):
            break
    yield together
    for name, child in children:
        yield from _runs(f"{name}.", child, frozen)


def _weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _random_share(module: nn.Module) -> float:
    rate = module.p if isinstance(module, _DropoutNd) else 0.0
    others = (getattr(module, name, 0.0) for name in ("drop_prob", "dropout"))
    return max([rate, *(value for value in others if isinstance(value, float))])


def _plain(key: str, value: Any) -> bool:
    if key.startswith("_") or key == "training":
        return False
    items = value if isinstance(value, tuple | list) else [value]
    return all(isinstance(item, str | bool | int | float) for item in items)
