"""Language: a small model of characters, which has read Python's manual, learns Python code."""

from __future__ import annotations

import inspect
from importlib import import_module
from pydoc_data.topics import topics
from typing import Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

from methods.tasks import Part, Scores, Task, pretrain

LENGTH, BATCH = 64, {"base": 16, "new": 8}
MODULES = {
    "train": [
        "argparse",
        "ast",
        "dataclasses",
        "inspect",
        "typing",
        "pathlib",
        "shutil",
        "logging",
    ],
    "valid": ["textwrap", "fractions", "csv"],
    "test": ["tarfile", "statistics", "configparser"],
}


@final
class Characters(Task):
    """Both texts ship with Python. Every other block of the network is a mixture of experts."""

    metric = "loss"  # nats a character
    reference = "lora/r6"
    head = "lm_head."

    def __init__(self, *, quick: bool) -> None:
        manual = [topics[name] for name in sorted(topics)]
        cut = len(manual) * 8 // 10
        code = {part: [_source(name) for name in names] for part, names in MODULES.items()}
        self.texts = {
            "base": {"train": _codes(manual[:cut]), "test": _codes(manual[cut:])},
            "new": {part: _codes(sources) for part, sources in code.items()},
        }
        self.windows = 8 if quick else 256
        torch.manual_seed(0)
        steps = 4 if quick else 1500
        network = Qwen3MoeForCausalLM(
            Qwen3MoeConfig(
                vocab_size=128,
                hidden_size=64,
                intermediate_size=128,
                moe_intermediate_size=64,
                num_hidden_layers=4,
                num_attention_heads=4,
                num_key_value_heads=2,
                num_experts=4,
                num_experts_per_tok=2,
                decoder_sparse_step=2,
                max_position_embeddings=LENGTH,
                use_cache=False,
            )
        )
        self.base = pretrain(network, self._draw("base", 0, steps), self.loss, 4e-3, steps)

    def batches(self, seed: int, count: int) -> list[Tensor]:
        return self._draw("new", seed, count)

    def loss(self, model: nn.Module, batch: Tensor) -> Tensor:
        logits = model(input_ids=batch[:, :-1]).logits
        return F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())

    @torch.no_grad()
    def evaluate(self, model: nn.Module, what: Literal["base", "new"], part: Part) -> Scores:
        text = self.texts[what][part]
        starts = torch.linspace(0, len(text) - LENGTH - 1, self.windows).long()
        windows = text[starts[:, None] + torch.arange(LENGTH + 1)]
        model.eval()
        losses = [float(self.loss(model, each)) for each in windows.split(64)]
        return {"loss": sum(losses) / len(losses)}

    def _draw(self, what: str, seed: int, count: int) -> list[Tensor]:
        text = self.texts[what]["train"]
        generator = torch.Generator().manual_seed(seed)
        starts = torch.randint(len(text) - LENGTH - 1, (count, BATCH[what], 1), generator=generator)
        return list(text[starts + torch.arange(LENGTH + 1)])


def _source(name: str) -> str:
    return inspect.getsource(import_module(name))


def _codes(texts: list[str]) -> Tensor:
    """Return ASCII codes; other characters become question marks."""
    return torch.tensor(list("\n".join(texts).encode("ascii", "replace")))
