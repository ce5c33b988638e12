"""Layouts of DINOv3 ViT weights that timm does not read, turned into Meta's own."""

from __future__ import annotations

import re

import torch
from timm.models.eva import Eva
from torch import Tensor, nn

ROOT = "embeddings.patch_embeddings.weight"
"""A key that only files of transformers have."""

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
    """Rename what the DINOv3 ViT of transformers saves; its q, k and v become one tensor.

    A state dict of another layout comes back as it is. The key has no bias, which counts as zero.
    """
    if ROOT not in state:
        return state
    gated = any("gate_proj" in key for key in state)
    renamed = {**RENAMED, **(GATED_MLP if gated else PLAIN_MLP)}
    found: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        for pattern, name in renamed.items():
            key = re.sub(pattern, name, key)
        if part := PART.fullmatch(key):
            block, letter, kind = part.groups()
            parts.setdefault(f"{block}attn.qkv.{kind}", {})[letter] = value
        else:
            found[key] = value
    for key, three in parts.items():
        absent = torch.zeros_like(three["v"])
        found[key] = torch.cat([three.get(letter, absent) for letter in "qkv"])
    return found


def without_zero_biases(state: dict[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """Drop biases of q, k and v that are zero, for an encoder of a size that has none.

    Meta's files hold such biases; the key's is masked, whatever its value.

    Raises:
        ValueError: a bias is not zero, so that the encoder would compute something else.
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
