"""Leave out targets on which an adapter would learn nothing, or which peft refuses.

A pattern such as `all-linear` selects layers that nobody has looked at. Some are read and never
called: `EvaAttention` of timm calls `F.linear(x, self.qkv.weight, bias)`, so that the wrapper of
`qkv` would never run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn as nn
from peft import PeftConfig, PeftModel
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

from scionwood.adapters.head import backbone
from scionwood.adapters.modules import evaluating, learned, tuner_layers
from scionwood.errors import AdapterError

READ = "the code around it reads its weight and never calls it, so that an adapter learns nothing"
DEAD = (
    "the model's forward never calls these layers or no gradient reaches them, so that an adapter "
    "there learns nothing"
)
NAMES_IN_WARNING = 4
"""How many names of a reason the warning shows."""


def check_alive(
    model: PeftModel, adapter: str, example: tuple[torch.Tensor, ...] | None = None
) -> None:
    """Run the model once on an example, and check that each wrapped layer gets a gradient.

    Raises:
        DeadTargetsError: Layers are never called or get no gradient; the message names them.
    """
    example, layers = example_of(model, example), tuner_layers(model)
    if example is None or not layers:
        return
    called: set[str] = set()
    hooks = [
        layer.register_forward_hook(lambda *_, name=name: called.add(name))
        for name, layer in layers.items()
    ]
    device = next(model.parameters()).device
    try:  # in eval mode, without an update of running statistics
        with evaluating(model), torch.random.fork_rng(devices=[]), torch.enable_grad():
            output = _run(model, [value.to(device) for value in example])
            silent = _without_gradient(model, adapter, output)
    finally:
        for hook in hooks:
            hook.remove()
    if dead := [name for name in layers if name not in called or name in silent]:
        kind = type(backbone(model).get_submodule(dead[0]).base_layer).__name__
        error = DeadTargetsError(
            f"dead targets {', '.join(dead)}",
            DEAD,
            f"Target another layer than {kind} there, or change the backbone so that it calls "
            "these layers as modules",
        )
        error.names = tuple(dead)
        raise error


def example_of(
    model: nn.Module, example: tuple[torch.Tensor, ...] | None = None
) -> tuple[torch.Tensor, ...] | None:
    """Return the user's example or that of the backbone, if the model can run on one."""
    base = backbone(model)
    offers = getattr(base, "example_input", None)
    if example is None and callable(offers):
        example = offers()
    first = next(base.parameters(), None)
    return None if first is None or first.device.type == "meta" else example


def _run(model: PeftModel, example: list[torch.Tensor]) -> Any:
    try:
        return model(*example)
    except Exception as error:  # the backbone's own code
        raise AdapterError(
            f"{type(backbone(model)).__name__} on its example input",
            f"forward failed ({type(error).__name__}: {error})",
            "Pass another example to attach()",
        ) from error


def _without_gradient(model: PeftModel, adapter: str, output: Any) -> set[str]:
    """Return the wrapped layers of which no trainable tensor influences the output."""
    parameters = learned(model, adapter)
    names = {name for name, _ in parameters}
    total = sum((value.abs().sum() for value in _recorded(output)), torch.zeros(()))
    if not parameters or not total.requires_grad:
        return names
    gradients = torch.autograd.grad(total, [p for _, p in parameters], allow_unused=True)
    reached = zip(parameters, gradients, strict=True)
    return names - {name for (name, _), gradient in reached if gradient is not None}


def _recorded(output: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of a nested output that need a gradient."""
    if isinstance(output, torch.Tensor) and output.requires_grad:
        yield output
    elif isinstance(output, Mapping | list | tuple):
        for value in output.values() if isinstance(output, Mapping) else output:
            yield from _recorded(value)


class LeftOutWarning(UserWarning):
    """Modules that a pattern selects have no adapter; the message names them and the reason.

    Example:
        >>> import warnings
        >>> from peft import LoraConfig
        >>> class Reads(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.called, self.read = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
        ...     def forward(self, x):
        ...         return self.called(x) @ self.read.weight
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("error", authoring.LeftOutWarning)
        ...     x = (torch.ones(1, 4),)
        ...     scionwood.attach(Reads(), LoraConfig(), targets="all-linear", example=x, head=())
        Traceback (most recent call last):
        ...
        scionwood.adapters.probe.LeftOutWarning: no adapter on read: ...
    """


class DeadTargetsError(AdapterError):
    """Wrapped layers, of these names, are never called or get no gradient."""

    names: tuple[str, ...] = ()


def message(left_out: Mapping[str, str]) -> str:
    """Return the text of the warning for the reasons by the names of the modules."""
    reasons: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        reasons.setdefault(reason, []).append(name)
    parts = [
        f"no adapter on {', '.join(names[:NAMES_IN_WARNING])}"
        + (f" and {len(names) - NAMES_IN_WARNING} more" if len(names) > NAMES_IN_WARNING else "")
        + f": {reason}"
        for reason, names in reasons.items()
    ]
    return "; ".join(parts)


def without(names: Sequence[str], left_out: Mapping[str, str], spelled: Sequence[str]) -> list[str]:
    """Return the names without those that are left out, unless one is spelled out or all are."""
    names_left = [name for name in names if name not in left_out]
    requested_names = [
        name for name in names if name in left_out and (name in spelled or not names_left)
    ]
    if requested_names:
        dead = "dead " * (left_out[requested_names[0]] in (READ, DEAD))
        remedy = "change the backbone so that it calls these layers as modules"
        raise AdapterError(
            f"{dead}targets {', '.join(requested_names)}",
            left_out[requested_names[0]],
            f"Target other layers{f', or {remedy}' if dead else ''}",
        )
    return names_left


def refused(model: nn.Module, config: PeftConfig, names: Sequence[str]) -> dict[str, str]:
    """Return the modules that peft refuses in this architecture, with its reason."""
    base, reasons = backbone(model), {}
    tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type]
    for name in names:
        try:
            tuner._check_target_module_compatiblity(None, config, base, name.rpartition(".")[2])
        except ValueError as error:
            reasons[name] = f"peft refuses it ({str(error).rstrip('.')})"
    return reasons
