"""What acts on a random net: hooks, changed weights, the values of the adapter and the run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from scionwood.kernels import mask

WIDTH = 8
_GLOBAL: list[Any] = []


def _scale_data(module: nn.Module, inputs: Any, output: Tensor) -> None:
    output.data.mul_(1.7)


def _scale_data_of_input(module: nn.Module, inputs: Any) -> None:
    inputs[0].data.mul_(1.7)


def _double(module: nn.Module, inputs: Any, outputs: Any) -> Any:
    return tuple(None if gradient is None else 2 * gradient for gradient in inputs)


def hook(net: nn.Module, name: str, kind: str) -> None:
    """Put a hook of a kind on a module, or on all modules for this one."""
    module: Any = net.get_submodule(name)
    everywhere = nn.modules.module
    match kind:
        case "scale":
            module.register_forward_hook(lambda m, i, o: o * 1.5)
        case "scale in place":
            module.register_forward_hook(lambda m, i, o: o.mul_(1.5))
        case "scale data":
            module.register_forward_hook(_scale_data)
        case "look":
            module.register_forward_hook(lambda m, i, o: None)
        case "input":
            module.register_forward_pre_hook(lambda m, i: (i[0] * 1.5, *i[1:]))
        case "data of input":
            module.register_forward_pre_hook(_scale_data_of_input)
        case "gradient":
            module.register_full_backward_hook(_double)
        case "gradient of output":
            module.register_full_backward_pre_hook(lambda m, o: (o[0] * 2,))
        case "forward":
            old = module.forward
            module.forward = lambda x: old(x) * 1.5
        case "global":
            change = lambda m, i, o: o * 1.5 if m is module else None  # noqa: E731
            _GLOBAL.append(everywhere.register_module_forward_hook(change))
        case "global data":
            write = lambda m, i, o: _scale_data(m, i, o) if m is module else None  # noqa: E731
            _GLOBAL.append(everywhere.register_module_forward_hook(write))
        case "global input":
            change = lambda m, i: (i[0] * 1.5,) if m is module else None  # noqa: E731
            _GLOBAL.append(everywhere.register_module_forward_pre_hook(change))


class _Halved(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2


def change_weight(net: nn.Module, name: str, kind: str) -> None:
    """Let the weight of a layer be computed from another tensor."""
    module = net.get_submodule(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        match kind:
            case "halved":
                parametrize.register_parametrization(module, "weight", _Halved())
            case "pruned":
                prune.l1_unstructured(module, "weight", 0.4)
            case "old weight_norm":
                torch.nn.utils.weight_norm(module)
            case "old spectral_norm":
                torch.nn.utils.spectral_norm(module)
            case _:
                getattr(parametrizations, kind)(module)


def fill(tuned: nn.Module) -> None:
    """Give the parameters of an adapter values that depend on their names alone."""
    for name, parameter in tuned.named_parameters():
        if parameter.requires_grad:
            own = torch.Generator().manual_seed(crc32(name.encode()))
            noise = torch.randn(parameter.shape, generator=own)
            near = ("ia3" in name or "magnitude" in name) and "lora_A" not in name
            with torch.no_grad():
                parameter.copy_(parameter * (1 + 0.3 * noise) if near else 0.3 * noise)


@contextmanager
def alone() -> Iterator[None]:
    """Remove the hooks on all modules afterwards."""
    try:
        yield
    finally:
        while _GLOBAL:
            _GLOBAL.pop().remove()


def dropped(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Drop entries by the mask of the fused layers, so that both drop the same ones."""
    if not training or not p:
        return x
    return x * mask.keep(mask.new_seed(x.device), x.shape, p) * mask.growth(p)


def seed(number: int) -> None:
    """Seed the generator of the CPU; `torch.manual_seed` costs a millisecond for other devices."""
    torch.random.default_generator.manual_seed(number)


def run(tuned: nn.Module, *, amp: bool = False, train: bool = True) -> dict[str, Tensor]:
    """Return the output of a model, and its gradients in training."""
    seed(1)
    x = torch.randn(2, 6, WIDTH).requires_grad_(train)
    with torch.autocast("cpu", torch.bfloat16, enabled=amp), torch.set_grad_enabled(train):
        y = tuned.train(train)(x)
    made = {"output": y.detach().float()}
    if train:
        weights = torch.linspace(-1, 1, y.numel()).view(y.shape)  # a norm fixes the mean square
        (y.float() * (weights + y.float())).mean().backward()
        named = [("input", x), *tuned.named_parameters()]
        made |= {f"gradient of {n}": p.grad for n, p in named if p.grad is not None}
    return made
