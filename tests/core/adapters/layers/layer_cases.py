"""One small layer of each kind, with inputs. This module does not import scionwood."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn as nn
from peft import IA3Config, LoraConfig, PeftConfig
from torch import Tensor

R = 4


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


@dataclass(frozen=True)
class Case:
    """A layer, its inputs, and what is targeted.

    Attributes:
        build: Makes the layer.
        inputs: Makes the inputs.
        targets: A pattern over the names in `Around`.
        needs: The package that the layer comes from.
        parameters: The `target_parameters` of LoRA, in the place of modules.
        half: The dtype of the test in half precision, or `None` if the layer has none.
        options: Options of the config.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Any, ...]]
    targets: str = "layer"
    needs: str = "torch"
    parameters: tuple[str, ...] = ()
    half: torch.dtype | None = torch.bfloat16
    options: dict[str, Any] = field(default_factory=dict)


def x(*shape: int) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: (torch.randn(*shape),)


def graph() -> tuple[Tensor, Tensor]:
    return torch.randn(5, 6), torch.tensor([[0, 1, 2, 3, 4, 0], [1, 2, 3, 4, 0, 2]])


def _conv(name: str) -> Callable[..., Callable[[], nn.Module]]:
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


def hetero() -> tuple[Tensor, Tensor]:
    return torch.randn(7, 6), torch.tensor([0, 2, 1, 0, 2, 2, 1])


def relational() -> tuple[Tensor, Tensor, Tensor]:
    return *graph(), torch.tensor([0, 1, 0, 1, 0, 1])


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


def tokens() -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(4, 6), torch.tensor([[0, 1], [1, 2], [2, 0], [0, 2]]), torch.rand(4, 2)


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


def three() -> tuple[Tensor, Tensor, Tensor]:
    y = torch.randn(2, 5, 8)
    return y, y, y


def other_sizes() -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(2, 5, 8), torch.randn(2, 4, 6), torch.randn(2, 4, 3)


def spectral(*modes: int, **options: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from neuralop.layers.spectral_convolution import SpectralConv

        return SpectralConv(4, 4, modes, **options)

    return build


def spherical() -> nn.Module:
    from neuralop.layers.spherical_convolution import SphericalConv

    return SphericalConv(4, 6, (8, 8), factorization=None)


G, T, N, V = "torch_geometric", "transformers", "neuralop", "torchvision"
A = "layer.attention"
MOE = ("layer.gate_up_proj", "layer.down_proj")
CASES: dict[str, Case] = {
    "nn.Linear": Case(lambda: nn.Linear(6, 8), x(3, 6)),
    "nn.Embedding": Case(lambda: nn.Embedding(10, 6), lambda: (torch.tensor([[1, 2, 5]]),)),
    "nn.Conv1d": Case(lambda: nn.Conv1d(4, 6, 3), x(2, 4, 9)),
    "nn.Conv2d": Case(lambda: nn.Conv2d(4, 6, 3), x(2, 4, 7, 7)),
    "nn.Conv3d": Case(lambda: nn.Conv3d(4, 6, 3), x(2, 4, 5, 5, 5)),
    "nn.Conv2d, groups": Case(lambda: nn.Conv2d(4, 6, 3, groups=2), x(2, 4, 7, 7)),
    "nn.Conv2d, depthwise": Case(lambda: nn.Conv2d(6, 6, 3, groups=6), x(2, 6, 7, 7)),
    "nn.Conv2d, dilation": Case(lambda: nn.Conv2d(4, 6, 3, dilation=2), x(2, 4, 9, 9)),
    "nn.Conv2d, circular padding": Case(
        lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), x(2, 4, 7, 7)
    ),
    "weight-standardised Conv2d": Case(lambda: StandardConv2d(4, 6, 3), x(2, 4, 7, 7)),
    "nn.ConvTranspose1d": Case(lambda: nn.ConvTranspose1d(4, 6, 2, stride=2), x(2, 4, 5)),
    "nn.ConvTranspose2d": Case(lambda: nn.ConvTranspose2d(4, 6, 2, stride=2), x(2, 4, 5, 5)),
    "nn.ConvTranspose3d": Case(lambda: nn.ConvTranspose3d(4, 6, 2, stride=2), x(2, 4, 3, 3, 3)),
    "nn.ConvTranspose2d, groups": Case(
        lambda: nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2), x(2, 4, 5, 5)
    ),
    "nn.MultiheadAttention": Case(attention(), three, A),
    "nn.MultiheadAttention, kdim and vdim": Case(attention(kdim=6, vdim=3), other_sizes, A),
    "nn.TransformerEncoderLayer": Case(
        encoder_layer, x(2, 5, 8), r"layer\.(self_attn|linear1|linear2)"
    ),
    "torchvision EncoderBlock": Case(
        encoder_block, x(2, 5, 8), r"layer\.(self_attention|mlp\.0)", V
    ),
    "PyG Linear": Case(_conv("Linear")(6, 8), x(5, 6), needs=G),
    "PyG HeteroLinear": Case(_conv("HeteroLinear")(6, 8, 3), hetero, needs=G),
    "PyG GCNConv": Case(_conv("GCNConv")(6, 8), graph, r"layer\.lin", G),
    "PyG GATConv": Case(_conv("GATConv")(6, 4, heads=2), graph, r"layer\.lin", G),
    "PyG GATv2Conv": Case(_conv("GATv2Conv")(6, 4, heads=2), graph, r"layer\.lin_[lr]", G),
    "PyG TransformerConv": Case(
        _conv("TransformerConv")(6, 4, heads=2), graph, r"layer\.lin_\w+", G
    ),
    "PyG SAGEConv": Case(_conv("SAGEConv")(6, 8), graph, r"layer\.lin_[lr]", G),
    "PyG RGCNConv": Case(_conv("RGCNConv")(6, 8, 2), relational, needs=G),
    "PyG MeshGraphNet block": Case(mesh_graph_net, graph, r"layer\.(edge|node)\.lins\.\d", G),
    "Mixtral experts": Case(experts("mixtral"), tokens, needs=T),
    "Mixtral experts, target_parameters": Case(experts("mixtral"), tokens, needs=T, parameters=MOE),
    "Qwen3-MoE experts": Case(experts("qwen3"), tokens, needs=T),
    "Qwen3-MoE experts, target_parameters": Case(experts("qwen3"), tokens, needs=T, parameters=MOE),
    "GPT-2 Conv1D": Case(gpt2_conv, x(3, 6), needs=T, options={"fan_in_fan_out": True}),
    "FNO SpectralConv2d, complex weights": Case(
        lambda: SpectralConv2d(4, 6, 3), x(2, 4, 8, 8), half=None
    ),
    "real spectral weights, adapter_weights": Case(lambda: CosineConv1d(4, 3), x(2, 4, 8)),
    "neuralop SpectralConv 1D": Case(spectral(4), x(2, 4, 8), needs=N, half=None),
    "neuralop SpectralConv 2D": Case(spectral(4, 4), x(2, 4, 8, 8), needs=N, half=None),
    "neuralop SpectralConv 3D": Case(spectral(4, 4, 4), x(2, 4, 6, 6, 6), needs=N, half=None),
    "neuralop SpectralConv, separable": Case(
        spectral(4, 4, separable=True), x(2, 4, 8, 8), needs=N, half=None
    ),
    "neuralop SpectralConv, Tucker": Case(
        spectral(4, 4, factorization="tucker", rank=0.5), x(2, 4, 8, 8), needs=N, half=None
    ),
    "neuralop SphericalConv (SFNO)": Case(
        spherical, x(2, 4, 8, 16), needs="torch_harmonics", half=None
    ),
}
METHODS = ("lora", "dora", "rslora", "ia3")


def available(case: Case) -> bool:
    return importlib.util.find_spec(case.needs) is not None


def model_of(case: Case) -> tuple[Around, tuple[Any, ...]]:
    """Return the model and inputs of a case, the same at every call."""
    torch.manual_seed(0)
    return Around(case.build()).requires_grad_(False).eval(), case.inputs()


def config_of(method: str, case: Case) -> PeftConfig:
    """Return the config of a method for a case."""
    if method == "ia3":
        return IA3Config(target_modules=case.targets, feedforward_modules=[], **case.options)
    where = {"target_modules": case.targets}
    if case.parameters:
        where = {"target_parameters": list(case.parameters)}
    flags = {"use_dora": method == "dora", "use_rslora": method == "rslora"}
    return LoraConfig(r=R, lora_alpha=8, **where, **flags, **case.options)


def unsettle(model: nn.Module) -> None:
    """Change every trainable tensor of a model."""
    generator = torch.Generator().manual_seed(1)
    for value in model.parameters():
        if value.requires_grad:
            noise = torch.randn(value.shape, generator=generator)
            value.data = (value.data + 0.3 * noise).to(value.dtype)
