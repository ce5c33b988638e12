"""Convert state dicts of DINOv3 ViTs that timm does not read into Meta's layout."""

from __future__ import annotations

import re

import torch
from timm.models.eva import Eva
from torch import Tensor, nn

ROOT = "embeddings.patch_embeddings.weight"
"""A key that only files of the library transformers have."""

RENAMED = {
    r"^(model\.)?layer\.": "blocks.",
    r"^embeddings\.register_tokens": "storage_tokens",
    r"^embeddings\.patch_embeddings": "patch_embed.proj",
    r"^embeddings\.": "",
    r"attention\.o_proj": "attn.proj",
    r"layer_scale(\d)\.lambda1": r"ls\1.gamma",
    r"mlp\.gate_proj": "mlp.w1",
}
PLAIN_MLP = {"up_proj": "fc1", "down_proj": "fc2"}
GATED_MLP = {"up_proj": "w2", "down_proj": "w3"}
PART = re.compile(r"(.*)attention\.([qkv])_proj\.(weight|bias)")


def from_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert the state dict of a DINOv3 ViT of transformers; q, k and v become one tensor.

    A state dict of another layout is returned unchanged. The key projection has no bias, so zeros
    take its place.
    """
    if ROOT not in state:
        return state
    gated = any("gate_proj" in key for key in state)
    renamed = {**RENAMED, **(GATED_MLP if gated else PLAIN_MLP)}
    converted: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        for pattern, name in renamed.items():
            key = re.sub(pattern, name, key)
        if part := PART.fullmatch(key):
            block, letter, kind = part.groups()
            parts.setdefault(f"{block}attn.qkv.{kind}", {})[letter] = value
        else:
            converted[key] = value
    for key, three in parts.items():
        absent = torch.zeros_like(three["v"])
        converted[key] = torch.cat([three.get(letter, absent) for letter in "qkv"])
    return converted


def without_zero_biases(state: dict[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """Drop zero biases of q, k and v if the encoder has no such biases.

    Meta's files contain them. The bias of the key is masked, so its value does not matter.

    Raises:
        ValueError: a bias is not zero, so the encoder would give other results.
    """
    if not isinstance(encoder, Eva) or "blocks.0.attn.q_bias" in dict(encoder.named_parameters()):
        return state
    for key, value in state.items():
        if not key.endswith("attn.qkv.bias"):
            continue
        query, _, content = value.chunk(3)
        if max(query.abs().max(), content.abs().max()) > 1e-6:
            raise ValueError(f"{key} is not zero; a size that ends in `_qkvb` has this bias")
    return {key: value for key, value in state.items() if not key.endswith("attn.qkv.bias")}
