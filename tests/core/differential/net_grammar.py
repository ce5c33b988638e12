"""The words of which random nets are written; a failing net is printed in these words.

Every part maps (batch, tokens, WIDTH) to the same shape.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import torch
import torch.nn.functional as F
from net_foreign import Asked, OwnConv, Scan, Unread, equivariant, language_net, mixture
from peft import IA3Config, LoraConfig
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.utils.checkpoint import checkpoint

from scionwood.kernels import mask

WIDTH = 8
__all__ = ["IA3Config", "LoraConfig", "nn", "torch"]
__all__ += ["Asked", "OwnConv", "Scan", "Unread", "equivariant", "language_net", "mixture"]


def word(thing: Any) -> Any:
    """Add a name to the words of the grammar."""
    __all__.append(thing.__name__)
    return thing


@word
def linear(bias: bool = True) -> nn.Module:
    return nn.Linear(WIDTH, WIDTH, bias)


@word
class Doubled(nn.Linear):
    """A subclass with another forward."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


@word
class Standardised(nn.Linear):
    """A subclass that changes its weight before it uses it."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight / self.weight.std(1, keepdim=True), self.bias)


@word
class Renamed(nn.Linear):
    """A subclass that changes nothing."""


@word
class Swapped(nn.Module):
    """A convolution or a norm over channels, for tokens in the last axis but one."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.transpose(-1, -2)).transpose(-1, -2)


@word
class Image(nn.Module):
    """A convolution of two dimensions, for an image of one row."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.transpose(-1, -2).unsqueeze(-2)).squeeze(-2).transpose(-1, -2)


@word
class Attention(nn.Module):
    """Layers that read one tensor, of which two may be changed in place."""

    def __init__(self, write: bool = False) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (linear() for _ in range(4))
        self.write = write

    def forward(self, x: Tensor) -> Tensor:
        q = self.q(x)
        k = self.k(x)
        v = self.v(x)
        if self.write:
            q.mul_(0.5)
            v += 1
        return self.o((q @ k.transpose(-1, -2) / 3).softmax(-1) @ v)


@word
class Gated(nn.Module):
    """A gated unit behind a norm of its own, as language models have them."""

    def __init__(self, act: Callable[[Tensor], Tensor] = F.silu) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(WIDTH) + 0.5)
        self.gate, self.up, self.down = (linear(False) for _ in range(3))
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        x = self.scale * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))
        return self.down(self.act(self.gate(x)) * self.up(x))


@word
class Experts(nn.Module):
    """Linear experts; tokens go to them by their place."""

    def __init__(self, count: int = 2) -> None:
        super().__init__()
        self.experts = nn.ModuleList(linear() for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        y, turn = torch.zeros_like(x), torch.arange(x.shape[-2]) % len(self.experts)
        for at, expert in enumerate(self.experts):
            part = expert(x[..., turn == at, :])
            y = y.to(part.dtype)
            y[..., turn == at, :] = part
        return y


@word
class Stacked(nn.Module):
    """Experts in one tensor, beside a router in a bare parameter."""

    def __init__(self, count: int = 2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(count, WIDTH, WIDTH) / 3)
        self.router = nn.Parameter(torch.randn(count, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        shares = F.linear(x, self.router).softmax(-1)
        return torch.einsum("bti,eoi,bte->bto", x, self.weight, shares)


@word
class Loud(nn.GELU):
    """A subclass of an activation with another forward."""

    def forward(self, x: Tensor) -> Tensor:
        return 3 * super().forward(x)


@word
class Soft(nn.Softplus):
    """A subclass of an activation with another forward."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 1)


@word
class Raised(nn.LayerNorm):
    """A subclass of a norm with another forward."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1


@word
class Loose(nn.LayerNorm):
    """A subclass of a norm that computes with another eps."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, 0.5)


@word
class Moody(nn.LayerNorm):
    """A subclass of a norm that computes something else from the second step on."""

    steps = 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        return super().forward(x.exp() if self.training and self.steps > 1 else x)


@word
class Call(nn.Module):
    """A function in place of a module."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return getattr(F, self.name)(x)


WRITES: dict[str, Callable[[Tensor], Any]] = {
    "in place": lambda x: x.mul_(1.5),
    "without gradient": lambda x: x.detach().mul_(1.5),
    "in a part": lambda x: x[..., :2].add_(1),
}
"""What a net does with the output of a part before the next part reads it."""


@word
class Net(nn.Module):
    """Parts in a row."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.writes: dict[int, str] = {}
        self.skips: set[int] = set()
        self.checkpoints: dict[int, bool] = {}
        """Parts that are checkpointed, reentrant or not."""

    def forward(self, x: Tensor) -> Tensor:
        for at, part in enumerate(self.parts):
            if at in self.checkpoints and torch.is_grad_enabled():
                y = checkpoint(part, x, use_reentrant=self.checkpoints[at])
            else:
                y = part(x)
            if at in self.writes:
                WRITES[self.writes[at]](y)
            x = x + y if at in self.skips else y
        return x


_GLOBAL: list[Any] = []


def _scale_data(module: nn.Module, inputs: Any, output: Tensor) -> None:
    output.data.mul_(1.7)


def _double(module: nn.Module, inputs: Any, outputs: Any) -> Any:
    return tuple(None if gradient is None else 2 * gradient for gradient in inputs)


@word
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


@word
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


@word
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


@word
def run(tuned: nn.Module, *, amp: bool = False, train: bool = True) -> dict[str, Tensor]:
    """Return the output of a model, and its gradients in training."""
    torch.manual_seed(1)
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
