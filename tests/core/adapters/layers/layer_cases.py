"""Small layers with their inputs, and adapters on them. This module does not import scionwood."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn as nn
from peft import IA3Config, LoraConfig, PeftConfig
from small_layers import (
    Around,
    CosineConv1d,
    SpectralConv2d,
    StandardConv2d,
    attention,
    conv_3d_simple,
    encoder_block,
    encoder_layer,
    equivariant,
    experts,
    gpt2_conv,
    mesh_graph_net,
    pyg,
    radial,
    spectral,
    spherical,
)
from torch import Tensor

R = 4


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


def hetero() -> tuple[Tensor, Tensor]:
    return torch.randn(7, 6), torch.tensor([0, 2, 1, 0, 2, 2, 1])


def relational() -> tuple[Tensor, Tensor, Tensor]:
    return *graph(), torch.tensor([0, 1, 0, 1, 0, 1])


def tokens() -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(4, 6), torch.tensor([[0, 1], [1, 2], [2, 0], [0, 2]]), torch.rand(4, 2)


def three() -> tuple[Tensor, Tensor, Tensor]:
    y = torch.randn(2, 5, 8)
    return y, y, y


def other_sizes() -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(2, 5, 8), torch.randn(2, 4, 6), torch.randn(2, 4, 3)


G, T, N, V = "torch_geometric", "transformers", "neuralop", "torchvision"
E = "e3nn"
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
    "torchvision Conv3DSimple (R3D)": Case(conv_3d_simple, x(2, 4, 3, 4, 4), needs=V),
    "PyG Linear": Case(pyg("Linear")(6, 8), x(5, 6), needs=G),
    "PyG HeteroLinear": Case(pyg("HeteroLinear")(6, 8, 3), hetero, needs=G),
    "PyG GCNConv": Case(pyg("GCNConv")(6, 8), graph, r"layer\.lin", G),
    "PyG GATConv": Case(pyg("GATConv")(6, 4, heads=2), graph, r"layer\.lin", G),
    "PyG GATv2Conv": Case(pyg("GATv2Conv")(6, 4, heads=2), graph, r"layer\.lin_[lr]", G),
    "PyG TransformerConv": Case(pyg("TransformerConv")(6, 4, heads=2), graph, r"layer\.lin_\w+", G),
    "PyG SAGEConv": Case(pyg("SAGEConv")(6, 8), graph, r"layer\.lin_[lr]", G),
    "PyG RGCNConv": Case(pyg("RGCNConv")(6, 8, 2), relational, needs=G),
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
    "e3nn o3.Linear": Case(equivariant(), x(5, 10), needs=E),
    "e3nn o3.Linear, biases": Case(equivariant(biases=True), x(5, 10), needs=E),
    "e3nn radial network": Case(radial, x(5, 4), r"layer\.layer\d", E),
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
