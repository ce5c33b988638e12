"""Models of transformers: language, speech, images with text, and proteins."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
import torch.nn as nn
from catalogue import Entry

WIDTH = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "vocab_size": 40}
HEADS = {"num_attention_heads": 4}
GROUPED = {**WIDTH, **HEADS, "num_key_value_heads": 2}


def tokens() -> dict[str, torch.Tensor]:
    """Make two texts of six tokens."""
    return {"input_ids": torch.randint(3, 40, (2, 6))}


def _make(model: str, config: str, **options: Any) -> nn.Module:
    import transformers

    settings = getattr(transformers, config)(**options)
    made: nn.Module = getattr(transformers, model)(settings)
    return made


def _both() -> dict[str, torch.Tensor]:
    return {**tokens(), "decoder_input_ids": torch.randint(3, 40, (2, 4))}


def _speech() -> dict[str, torch.Tensor]:
    return {
        "input_features": torch.randn(2, 8, 40),
        "decoder_input_ids": torch.randint(3, 40, (2, 4)),
    }


def _pairs() -> dict[str, torch.Tensor]:
    return {**tokens(), "pixel_values": torch.randn(2, 3, 16, 16)}


def _clip() -> nn.Module:
    text = {**WIDTH, **HEADS, "max_position_embeddings": 8, "projection_dim": 16}
    text |= {"eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 1}
    vision = {**WIDTH, **HEADS, "image_size": 16, "patch_size": 8, "projection_dim": 16}
    vision.pop("vocab_size")
    return _make(
        "CLIPModel", "CLIPConfig", text_config=text, vision_config=vision, projection_dim=16
    )


def _entry(
    name: str,
    model: str,
    sizes: Mapping[str, Any],
    inputs: Callable[[], Mapping[str, Any]] = tokens,
    targets: str = "all-linear",
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Entry:
    """Return the entry of a model of transformers, whose config has its name."""
    config = f"{re.split('For|LM', model)[0]}Config"
    build = partial(_make, model, config, **sizes)
    return Entry(f"transformers {name}", "transformers", build, inputs, targets, options)


EXPERTS = {"target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]}
ROUTED = {"moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2, "head_dim": 4}
T5 = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 2, "num_heads": 4, "vocab_size": 40}
WHISPER = {
    **{"d_model": 16, "vocab_size": 40, "num_mel_bins": 8},
    **{"encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 32},
    **{"decoder_layers": 2, "decoder_attention_heads": 4, "decoder_ffn_dim": 32},
    **{"max_source_positions": 20, "max_target_positions": 8},
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1},
}
GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 4, "vocab_size": 40, "n_positions": 16}
MAMBA = {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4, "vocab_size": 40}
ESM = {"pad_token_id": 1, "mask_token_id": 2, "position_embedding_type": "rotary"}
ENCODER = {**WIDTH, **HEADS}
QV = r".*[qv]_proj"

ENTRIES = [
    _entry("Llama", "LlamaForCausalLM", GROUPED),
    _entry("Qwen3-MoE", "Qwen3MoeForCausalLM", {**GROUPED, **ROUTED}, tokens, QV, EXPERTS),
    _entry(
        "Mixtral",
        "MixtralForCausalLM",
        {**GROUPED, "num_local_experts": 4, "head_dim": 4},
        tokens,
        QV,
        EXPERTS,
    ),
    _entry("T5", "T5ForConditionalGeneration", {**T5, "decoder_start_token_id": 0}, _both),
    _entry("BERT", "BertForMaskedLM", ENCODER),
    _entry("Whisper", "WhisperForConditionalGeneration", WHISPER, _speech),
    Entry("transformers CLIP", "transformers", _clip, _pairs),
    _entry("GPT-2", "GPT2LMHeadModel", GPT2),
    _entry("Mamba", "MambaForCausalLM", MAMBA, tokens, r".*(in_proj|x_proj)"),
    _entry(
        "ESM-2",
        "EsmForMaskedLM",
        {**ENCODER, **ESM},
        tokens,
        r".*attention\.self\.(query|key|value)",
    ),
]
