"""Small seeded backbones, and options of each method of peft that fit them; no scionwood."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn as nn


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.fc1, self.fc2 = nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.fc2(torch.relu(self.fc1(self.norm(x))))


class Net(nn.Module):
    """Token ids (batch, 5) or features (batch, 16) to 4 values; the decoder is the head."""

    adapter_targets: ClassVar = {"mlp": r"blocks\.\d+\.fc\d", "norms": r"blocks\.\d+\.norm"}
    head = ("decoder",)

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.embed = nn.Embedding(12, 16)
            self.stem = nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16))
            self.blocks = nn.ModuleList([Block(), Block()])
            self.decoder = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Linear(8, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not x.is_floating_point():
            x = self.embed(x).mean(1)
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.decoder(x)

    def example_input(self) -> tuple[torch.Tensor, ...]:
        return (torch.linspace(-1, 1, 48).reshape(3, 16),)


def language_model(seed: int = 0) -> nn.Module:
    """A tiny Llama of transformers, for methods that need a language model."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=24,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=32,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


OPTIONS: dict[str, dict] = {
    "adalora": {"total_step": 10},
    "adamss": {"r": 4, "num_subspaces": 2, "subspace_rank": 1},
    "c3a": {"block_size": 8},
    "fourierft": {"n_frequency": 20},
    "ia3": {"feedforward_modules": r"blocks\.\d+\.fc2"},
    "miss": {"r": 4},
    "oft": {"oft_block_size": 8},
    "psoft": {"r": 4},
    "road": {"group_size": 8},
    "shira": {"r": 2},
    "trainable_tokens": {"token_indices": [1, 3], "target_modules": ["embed"]},
    "vblora": {"vector_length": 8, "num_vectors": 16},
    "waveft": {"n_frequency": 20},
}
"""The options that a method needs on `Net`, whose layers are small."""

LANGUAGE: dict[str, dict] = {
    "prompt_tuning": {"num_virtual_tokens": 3},
    "p_tuning": {"num_virtual_tokens": 3, "encoder_hidden_size": 8},
    "prefix_tuning": {"num_virtual_tokens": 3},
    "multitask_prompt_tuning": {"num_virtual_tokens": 3, "num_tasks": 2},
    "cpt": {"cpt_token_ids": [1, 2, 3], "cpt_mask": [1, 1, 1], "cpt_tokens_type_mask": [1, 2, 3]},
    "cartridge": {"num_virtual_tokens": 3, "num_frozen_tokens": 1},
    "adaption_prompt": {"adapter_len": 3, "adapter_layers": 1},
    "shadow": {"r": 2},
    "poly": {"r": 2, "n_tasks": 2, "n_skills": 2, "target_modules": ["q_proj"]},
}
"""Methods for language models, all with `task_type="CAUSAL_LM"`."""


def answer(method: str, model: nn.Module) -> torch.Tensor:
    """Return the output of a model with an adapter of this method for a fixed input."""
    if method in LANGUAGE:
        ids = torch.arange(10).reshape(2, 5)
        by_task = method in ("multitask_prompt_tuning", "poly")
        more = {"task_ids": torch.tensor([0, 1])} if by_task else {}
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), **more).logits
    if method == "trainable_tokens":
        return model(torch.arange(10).reshape(2, 5))
    x = torch.linspace(-2, 2, 96).reshape(6, 16)
    return model(x)


def unsettle(model: nn.Module) -> nn.Module:
    """Change every trainable tensor slightly, as training would."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return model
