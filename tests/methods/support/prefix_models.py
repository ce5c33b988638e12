"""Models with attention of several libraries, each with the targets of PEML's prefix."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
import torch.nn as nn
from attention_model import Attentive, numbers
from peft import PeftModel, get_peft_model
from torch import Tensor

from scionwood_methods.peml.tuner import PemlConfig


class Attended(NamedTuple):
    """A model, an input, and the options of a config for it."""

    build: Callable[[], nn.Module]
    example: Callable[[], Tensor]
    options: dict[str, Any]
    heads: tuple[int, int, int]
    """Heads of q, heads of k, and the size of one."""
    attentions: int


def llama(implementation: str = "sdpa") -> nn.Module:
    """Return a Llama with two layers; 4 heads share 2 of k and v."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "vocab_size": 24}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    special = {"bos_token_id": 0, "eos_token_id": None, "pad_token_id": 0}
    config = LlamaConfig(**sizes, **heads, **special, initializer_range=0.3)
    config._attn_implementation = implementation
    return LlamaForCausalLM(config)


def bert() -> nn.Module:
    """Return a BERT with one layer; q and the output projection lie in sibling modules."""
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "vocab_size": 24}
    return BertModel(BertConfig(**sizes, num_attention_heads=4), add_pooling_layer=False)


def t5() -> nn.Module:
    """Return a T5 encoder with one layer and a bias for relative positions."""
    from transformers import T5Config, T5EncoderModel

    sizes = {"d_model": 16, "d_ff": 24, "d_kv": 6, "num_layers": 1, "vocab_size": 24}
    return T5EncoderModel(T5Config(**sizes, num_heads=4))


def vit() -> nn.Module:
    """Return a ViT of timm with fused q, k, v, and a norm of q and k."""
    from timm.models.vision_transformer import VisionTransformer

    sizes = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 3}
    return VisionTransformer(**sizes, num_classes=5, qk_norm=True)


def words() -> Tensor:
    """Return an input, (2, 7) int64 without zeros."""
    return torch.randint(1, 24, (2, 7), generator=torch.Generator().manual_seed(2))


def images() -> Tensor:
    """Return an input, (2, 3, 16, 16) float32."""
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))


ALL_FOUR = ["q_proj", "k_proj", "v_proj", "o_proj"]
GROUPED = {"target_modules": r"layers\.\d+\.[qkvo]_proj", "num_heads": 4, "num_kv_heads": 2}
DENSE = {"roles": {"query": "q", "dense": "o"}, "target_modules": ["query", "dense"]}

CASES: dict[str, Attended] = {
    "plain": Attended(Attentive, numbers, GROUPED, (4, 2, 3), 2),
    "llama": Attended(llama, words, {"target_modules": ALL_FOUR}, (4, 2, 4), 2),
    "bert": Attended(bert, words, DENSE, (4, 4, 4), 1),
    "t5": Attended(t5, words, {"target_modules": r".*SelfAttention\.[qkvo]"}, (4, 4, 6), 1),
    "vit": Attended(vit, images, {"target_modules": r".*attn\.(qkv|proj)"}, (3, 3, 8), 2),
}


def installed(case: str) -> bool:
    """Whether the library of a case is installed."""
    return case != "vit" or find_spec("timm") is not None


def base(case: str) -> nn.Module:
    """Return the model of a case in evaluation mode; it is the same in every process."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        # frozen, as in peft: where its mask trains, torch's attention takes another kernel
        return CASES[case].build().eval().requires_grad_(False)


def config(case: str, **options: Any) -> PemlConfig:
    """Return a config with a prefix of 5 tokens, embeddings of 6 features, and LoRA of rank 2."""
    chosen = {"r": 2, "prefix": 5, "width": 6, **CASES[case].options, **options}
    return PemlConfig(**chosen)


def prefixed(case: str, **options: Any) -> PeftModel:
    """Return the model of a case with a new adapter, attached by plain peft."""
    return get_peft_model(base(case), config(case, **options))


def answer(model: nn.Module, x: Tensor) -> Tensor:
    """Return the output, or the logits or last hidden states of a language model."""
    output = model(x)
    return output if isinstance(output, Tensor) else output[0]
