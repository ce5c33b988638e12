"""Find dead targets: wrapped layers that the model's forward goes around.

timm's `EvaAttention` with a q/k/v bias calls `F.linear(x, self.qkv.weight, bias)`: the wrapper is
in place, is never called, and its adapter would never learn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from peft import PeftModel

from scionwood.adapters.head import backbone
from scionwood.adapters.modules import tuner_layers
from scionwood.errors import AdapterError


def check_alive(
    model: PeftModel, adapter: str, example: tuple[torch.Tensor, ...] | None = None
) -> None:
    """Run the model once and demand that each wrapped layer is called and gets a gradient.

    Without an example, and without `example_input()` of the backbone, nothing can be checked.

    Raises:
        AdapterError: naming the dead layers.
    """
    base = backbone(model)
    if example is None:
        offers = getattr(base, "example_input", None)
        example = offers() if callable(offers) else None
    layers = tuner_layers(model)
    device = next(model.parameters()).device
    if example is None or not layers or device.type == "meta":
        return
    called: set[str] = set()
    hooks = [x.register_forward_hook(partial(_note, called, n)) for n, x in layers.items()]
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()  # statistics of norms and the dropout's random numbers stay as they are
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            output = _run(model, [value.to(device) for value in example])
            silent = _without_gradient(model, adapter, output)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    if dead := [name for name in layers if name not in called or name in silent]:
        raise AdapterError(
            f"dead targets {', '.join(dead)}",
            "the model's forward never calls these layers or no gradient reaches them, so that an "
            "adapter there learns nothing",
            f"Target other layers than {type(base.get_submodule(dead[0]).base_layer).__name__} "
            "there, or change the backbone to call them as modules",
        )


def _note(called: set[str], name: str, *_: Any) -> None:
    called.add(name)


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
    """The wrapped layers none of whose trainable tensors is part of the output's graph."""
    total = sum(
        (value.abs().sum() for value in _tensors(output) if value.requires_grad),
        torch.zeros(()),
    )
    wanted = {
        name: [
            p for n, p in layer.named_parameters() if p.requires_grad and adapter in n.split(".")
        ]
        for name, layer in tuner_layers(model).items()
    }
    flat = [p for parameters in wanted.values() for p in parameters]
    if not flat:
        return set()
    if not total.requires_grad:
        return set(wanted)
    gradients = torch.autograd.grad(total, flat, allow_unused=True)
    reached = {id(p) for p, g in zip(flat, gradients, strict=True) if g is not None}
    return {
        name
        for name, parameters in wanted.items()
        if parameters and not any(id(p) in reached for p in parameters)
    }


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    """Every floating tensor in a nested output."""
    if isinstance(output, torch.Tensor):
        if output.is_floating_point() or output.is_complex():
            yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from _tensors(value)
