"""Words for parts of other libraries, or as other libraries have them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 8


class Unread(nn.Module):
    """Of two layers one is never called: its weight goes to a function, as in Swin."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(F.linear(x, self.inner.weight, self.inner.bias))


class Hidden(Unread):
    """The same, where the source does not show it, so that an example input must."""

    def forward(self, x: Tensor) -> Tensor:
        layer = self.inner
        return self.outer(F.linear(x, layer.weight, layer.bias))


class Asked(nn.Module):
    """An attention whose class decides how it is called, as in GPSConv."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(self.attn, nn.MultiheadAttention):
            raise TypeError("no attention")
        return self.attn(x, x, x, need_weights=False)[0]


class OwnConv(nn.Conv1d):
    """A convolution with a constructor of its own, as in R3D."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, 3, padding=1)


class Scan(nn.Module):
    """Layers with the names of Mamba's: peft refuses `out_proj`, whose weight its kernels read."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj, self.out_proj = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.out_proj(self.in_proj(x).cumsum(-2))


def equivariant() -> nn.Module:
    """Return a linear layer of e3nn."""
    from e3nn import o3

    layer: nn.Module = o3.Linear("2x0e+2x1o", "2x0e+2x1o")
    return layer


def mixture() -> nn.Module:
    """Return the mixture of experts of DeepSeek-V3, as small as it can be."""
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE

    part: nn.Module = DeepseekV3MoE(settings("deepseek_v3"))
    with torch.no_grad():
        for parameter in part.parameters():  # it leaves them empty
            parameter.normal_(std=0.5)
    return part


def settings(kind: str) -> Any:
    """Return the config of a small model of transformers."""
    from transformers import DeepseekV3Config, Mamba2Config

    if kind == "mamba2":
        return Mamba2Config(hidden_size=WIDTH, num_heads=2, head_dim=8, num_hidden_layers=1)
    return DeepseekV3Config(
        hidden_size=WIDTH,
        moe_intermediate_size=WIDTH,
        n_routed_experts=4,
        n_shared_experts=1,
        num_experts_per_tok=2,
        n_group=1,
        topk_group=1,
        num_hidden_layers=1,
    )


def language_net(net: Any, kind: str) -> Any:
    """Return a net as a model of transformers, which peft asks for `all-linear`."""
    from transformers import PreTrainedModel

    class LanguageNet(PreTrainedModel):
        """The net with the config of a language model."""

        config_class = type(settings(kind))

        def __init__(self) -> None:
            super().__init__(settings(kind))
            vars(self).update({name: vars(net)[name] for name in ("writes", "skips")})
            self.parts, self.checkpoints = net.parts, net.checkpoints

        forward = type(net).forward

    return LanguageNet()
