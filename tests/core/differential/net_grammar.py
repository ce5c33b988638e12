"""The words of which random nets are written; a failing net is printed in these words.

Every part maps (batch, tokens, WIDTH) to the same shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from net_actions import change_weight, fill, hook, run
from net_foreign import (
    Asked,
    Hidden,
    OwnConv,
    Scan,
    Unread,
    equivariant,
    language_net,
    mixture,
)
from peft import IA3Config, LoraConfig
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

WIDTH = 8
__all__ = ["IA3Config", "LoraConfig", "nn", "torch"]
__all__ += ["change_weight", "fill", "hook", "run"]
__all__ += [
    "Asked",
    "Hidden",
    "OwnConv",
    "Scan",
    "Unread",
    "equivariant",
    "language_net",
    "mixture",
]


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
class Lifted(nn.RMSNorm):
    """A subclass of a norm without mean that computes something else from the second step on."""

    steps = 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        return super().forward(x) + (self.training and self.steps > 1)


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
    "data": lambda x: x.data.mul_(1.5),
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
