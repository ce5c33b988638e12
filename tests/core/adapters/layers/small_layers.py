"""One small layer of each kind. This module does not import scionwood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn as nn
from torch import Tensor


class Around(nn.Module):
    """A model that calls one layer and returns its first tensor."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *inputs: Any) -> Tensor:
        out = self.layer(*inputs)
        out = out[0] if isinstance(out, tuple) else out
        return out.last_hidden_state if hasattr(out, "last_hidden_state") else out


class Twice(nn.Module):
    """Self-attention as a caller sees it."""

    def __init__(self, attention: nn.MultiheadAttention, need_weights: bool = True) -> None:
        super().__init__()
        self.attention = attention
        self.need_weights = need_weights

    def forward(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        out: Tensor = self.attention(x, y, z, need_weights=self.need_weights)[0]
        return out


class SpectralConv2d(nn.Module):
    """The Fourier layer of the first implementation of FNO: two complex weights."""

    def __init__(self, in_channels: int, out_channels: int, modes: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.modes = in_channels, out_channels, modes
        shape = (in_channels, out_channels, modes, modes)
        self.weights1 = nn.Parameter(torch.randn(shape, dtype=torch.cfloat))
        self.weights2 = nn.Parameter(torch.randn(shape, dtype=torch.cfloat))

    def forward(self, x: Tensor) -> Tensor:
        m, low = self.modes, torch.fft.rfft2(x)
        out = low.new_zeros(len(x), self.out_channels, *low.shape[-2:])
        out[..., :m, :m] = torch.einsum("bixy,ioxy->boxy", low[..., :m, :m], self.weights1)
        out[..., -m:, :m] = torch.einsum("bixy,ioxy->boxy", low[..., -m:, :m], self.weights2)
        return torch.fft.irfft2(out, s=x.shape[-2:])


class CosineConv1d(nn.Module):
    """A layer of a third party with real spectral weights, which it names itself."""

    adapter_weights: ClassVar[dict[str, str]] = {"spectrum": "io*"}

    def __init__(self, channels: int, modes: int) -> None:
        super().__init__()
        self.spectrum = nn.Parameter(torch.randn(channels, channels, modes))

    def forward(self, x: Tensor) -> Tensor:
        modes = self.spectrum.shape[-1]
        grid = torch.arange(x.shape[-1], dtype=x.dtype) + 0.5
        basis = torch.cos(torch.arange(modes)[:, None] * grid * (torch.pi / len(grid)))
        return torch.einsum("bit,kt,iok->bok", x, basis, self.spectrum) @ basis


class StandardConv2d(nn.Conv2d):
    """A weight-standardised convolution, as in the networks of timm."""

    def forward(self, x: Tensor) -> Tensor:
        flat = self.weight.flatten(1)
        flat = (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True)
        return self._conv_forward(x, flat.view_as(self.weight), self.bias)


def pyg(name: str) -> Callable[..., Callable[[], nn.Module]]:
    def make(*args: Any, **options: Any) -> Callable[[], nn.Module]:
        def build() -> nn.Module:
            from torch_geometric import nn as pyg

            layer: nn.Module = getattr(pyg, name)(*args, **options)
            return layer

        return build

    return make


def mesh_graph_net() -> nn.Module:
    """Make one block of a MeshGraphNet (Pfaff et al. 2021) of the layers of torch_geometric."""
    from torch_geometric.nn import MLP, MessagePassing

    class Block(MessagePassing):
        def __init__(self) -> None:
            super().__init__(aggr="sum")
            self.edge = MLP([12, 8, 6], norm=None)
            self.node = MLP([12, 8, 6], norm=None)

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            return x + self.node(torch.cat([x, self.propagate(edge_index, x=x)], -1))

        def message(self, x_i: Tensor, x_j: Tensor) -> Tensor:
            out: Tensor = self.edge(torch.cat([x_i, x_j], -1))
            return out

    return Block()


def experts(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        if name == "mixtral":
            from transformers.models.mixtral.configuration_mixtral import MixtralConfig as Config
            from transformers.models.mixtral.modeling_mixtral import MixtralExperts as Experts

            config = Config(hidden_size=6, intermediate_size=5, num_local_experts=3)
        else:
            from transformers.models.qwen3_moe.configuration_qwen3_moe import (
                Qwen3MoeConfig as Config,
            )
            from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeExperts as Experts

            config = Config(hidden_size=6, moe_intermediate_size=5, num_experts=3)
        config._experts_implementation = "eager"
        layer = Experts(config)
        for value in layer.parameters():
            nn.init.normal_(value, std=0.5)
        return layer

    return build


def gpt2_conv() -> nn.Module:
    from transformers.pytorch_utils import Conv1D

    return Conv1D(8, 6)


def encoder_block() -> nn.Module:
    from torchvision.models.vision_transformer import EncoderBlock

    return EncoderBlock(2, 8, 16, 0.0, 0.0)


def attention(**options: Any) -> Callable[[], nn.Module]:
    return lambda: Twice(nn.MultiheadAttention(8, 2, batch_first=True, **options))


def encoder_layer() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)


def spectral(*modes: int, **options: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from neuralop.layers.spectral_convolution import SpectralConv

        return SpectralConv(4, 4, modes, **options)

    return build


def spherical() -> nn.Module:
    from neuralop.layers.spherical_convolution import SphericalConv

    return SphericalConv(4, 6, (8, 8), factorization=None)


def conv_3d_simple() -> nn.Module:
    from torchvision.models.video.resnet import Conv3DSimple

    return Conv3DSimple(4, 6)


def equivariant(**options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        from e3nn import o3

        layer = o3.Linear("4x0e+2x1o", "3x0e+2x1o", **options)
        return layer

    return make


def radial() -> nn.Module:
    from e3nn.nn import FullyConnectedNet

    return FullyConnectedNet([4, 8, 6], torch.nn.functional.silu)
