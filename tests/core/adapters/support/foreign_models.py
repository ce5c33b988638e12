"""Small models of other libraries with layers that are easily missed; no scionwood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn as nn


@dataclass(frozen=True)
class Foreign:
    """A model of another library.

    Attributes:
        build: Makes the model.
        inputs: Makes the positional inputs.
        needs: The package that the model comes from.
        targets: The targets.
        left_out: The last words of the names that `attach` leaves out.
        of_peft: What plain peft is given, without those; empty if peft has no such layer.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Any, ...]]
    needs: str
    targets: str = "all-linear"
    left_out: frozenset[str] = field(default_factory=frozenset)
    of_peft: str = ""


def _transformers(name: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import transformers

        shared = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, **options}
        config = getattr(transformers, f"{name}Config")(**shared)
        made: nn.Module = getattr(transformers, f"{name}ForCausalLM")(config)
        return made

    return make


def _swin() -> nn.Module:
    from torchvision.models.swin_transformer import SwinTransformer

    return SwinTransformer([4, 4], 16, [1, 1], [2, 2], [4, 4], num_classes=4)


def _swin_2() -> nn.Module:
    from torchvision.models import swin_transformer as swin

    parts = {"block": swin.SwinTransformerBlockV2, "downsample_layer": swin.PatchMergingV2}
    return swin.SwinTransformer([4, 4], 16, [1, 1], [2, 2], [4, 4], num_classes=4, **parts)


def _r3d() -> nn.Module:
    from torchvision.models.video import resnet

    makers = [resnet.Conv3DSimple] * 4
    whole = resnet.VideoResNet(resnet.BasicBlock, makers, [1, 1, 1, 1], resnet.BasicStem)
    return nn.Sequential(whole.stem, whole.layer1)  # the others have millions of weights


class Gps(nn.Module):
    """A graph transformer, whose layer asks whether its attention is one of torch."""

    def __init__(self) -> None:
        from torch_geometric.nn import GCNConv, GPSConv

        super().__init__()
        self.conv = GPSConv(8, GCNConv(8, 8), heads=2)

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.conv(x, edges)
        return out


class Equivariant(nn.Module):
    """A network of e3nn with a linear layer of torch at its end."""

    def __init__(self) -> None:
        from e3nn import o3

        super().__init__()
        self.mix = o3.Linear("4x0e", "8x0e+4x1o")
        self.product = o3.FullyConnectedTensorProduct("8x0e+4x1o", "1x0e+1x1o", "8x0e")
        self.out = nn.Linear(8, 1)

    def forward(self, x: torch.Tensor, sphere: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.out(self.product(self.mix(x), sphere))
        return out


def _tokens() -> tuple[torch.Tensor]:
    return (torch.randint(3, 64, (2, 8)),)


def _graph() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(5, 8), torch.tensor([[0, 1, 2, 3, 4, 0], [1, 2, 3, 4, 0, 2]])


_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
_MOE = {"intermediate_size": 64, **_HEADS}
_LATENT = {"qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "kv_lora_rank": 8}
_GROUPS = {"n_group": 1, "topk_group": 1, "first_k_dense_replace": 1, "n_routed_experts": 4}

MODELS: dict[str, Foreign] = {
    "torchvision Swin": Foreign(
        _swin, lambda: (torch.randn(1, 3, 32, 32),), "torchvision",
        left_out=frozenset({"qkv", "proj"}),
        of_peft=r".*(mlp\.[03]|reduction|head)",
    ),
    "torchvision Swin V2": Foreign(
        _swin_2, lambda: (torch.randn(1, 3, 32, 32),), "torchvision",
        left_out=frozenset({"qkv", "proj"}), of_peft=r".*(mlp\.[03]|reduction|head|cpb_mlp\.[02])",
    ),
    "torchvision R3D": Foreign(
        _r3d, lambda: (torch.randn(1, 3, 2, 8, 8),), "torchvision", r".*conv\d\.0",
    ),
    "PyG GPSConv": Foreign(Gps, _graph, "torch_geometric"),
    "PyG GPSConv, attention": Foreign(
        Gps, _graph, "torch_geometric", r"conv\.attn|conv\.mlp\.[03]"
    ),
    "Mamba2": Foreign(
        _transformers("Mamba2", num_heads=8, head_dim=8, state_size=8, n_groups=1, chunk_size=4),
        _tokens, "transformers", left_out=frozenset({"out_proj"}), of_peft=r".*in_proj",
    ),
    "FalconMamba": Foreign(
        _transformers("FalconMamba", state_size=4), _tokens, "transformers",
        left_out=frozenset({"out_proj", "dt_proj"}), of_peft=r".*(in_proj|x_proj)",
    ),
    "e3nn": Foreign(
        Equivariant, lambda: (torch.randn(3, 4), torch.randn(3, 4)), "e3nn"
    ),
    "DeepSeek-V3": Foreign(
        _transformers(
            "DeepseekV3", **{**_MOE, "num_key_value_heads": 4}, moe_intermediate_size=16,
            num_experts_per_tok=2, q_lora_rank=8, **_LATENT, **_GROUPS,
        ),
        _tokens, "transformers", left_out=frozenset({"gate_proj", "up_proj", "down_proj"}),
        of_peft="all-linear",
    ),
    "Qwen3-MoE": Foreign(
        _transformers("Qwen3Moe", **_MOE, moe_intermediate_size=16, num_experts=4,
            num_experts_per_tok=2),
        _tokens, "transformers", of_peft="all-linear",
    ),
    "Mixtral": Foreign(
        _transformers("Mixtral", **_MOE, num_local_experts=4), _tokens, "transformers",
        of_peft="all-linear",
    ),
    "GPT-OSS": Foreign(
        _transformers("GptOss", **_MOE, num_local_experts=4, num_experts_per_tok=2), _tokens,
        "transformers", of_peft="all-linear",
    ),
}  # fmt: skip


def answer(model: nn.Module, inputs: tuple[Any, ...]) -> torch.Tensor:
    """Return the tensor that the users of a model read."""
    output = model(*inputs)
    return getattr(output, "logits", output)


def built(name: str) -> nn.Module:
    """Build a model, the same at every call and in every process."""
    torch.manual_seed(0)
    return MODELS[name].build().eval()


def unsettled(model: nn.Module) -> nn.Module:
    """Move what trains off its start, by the names of the tensors."""
    for name, value in sorted(model.named_parameters()):
        if value.requires_grad:
            generator = torch.Generator().manual_seed(len(name))
            value.data += 0.1 * torch.randn(value.shape, generator=generator)
    return model
