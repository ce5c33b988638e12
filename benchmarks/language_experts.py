"""Adapt a tiny OLMoE to another text: LoRA on attention, HELLoRA on hot experts, and full training.

    python benchmarks/language_experts.py --work runs/experts    # four minutes on one core

No small mixture of experts with real weights can be had without a hub. So an OLMoE of 4 layers with
8 experts, 2 of them for each byte, first learns Python's manual. It is then adapted to licences for
the same steps by each method. HELLoRA counts the routes on a tenth of the training licences and
adapts the two most used experts of each layer, and the attention. Forgetting is the change of the
nats a byte on the test part of the manual. The rate of a method is the one of three with the lowest
loss on the validation licences, after half of the steps with another seed.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from language_diffusion import windows
from language_parts import best_rate
from lora.memory import kept_by
from runner import SEEDS, Table, option, parsed
from safetensors.torch import load_file, save_file
from study.corpus import licences, manual, split_by_part
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import OlmoeConfig, OlmoeForCausalLM

from scionwood import attach
from scionwood.adapters.methods import config_class
from scionwood.authoring import atomic_path, minimise, warm_cosine
from scionwood_language.model.tiny import tiny_tokenizer
from scionwood_methods.hellora.routes import count_routes, expert_targets, hot_experts

WIDTH, LAYERS, EXPERTS, HOT, BATCH, TESTED = 128, 4, 8, 2, 16, 48
BASE_STEPS, STEPS, TUNING_SEED = 200, 24, 100
ATTENTION = [f"model.layers.{at}.self_attn.{each}_proj" for at in range(LAYERS) for each in "qkvo"]
RATES = (1e-3, 4e-3, 1.6e-2)
METHODS: dict[str, tuple[float, ...]] = {
    "LoRA on attention": RATES,
    "HELLoRA, 2 hot experts": RATES,
    "HELLoRA, 2 least used experts": RATES,
    "HELLoRA, all experts": RATES,
    "full": (3e-4, 1e-3, 3e-3),
}
"""Each method with its three rates."""


def built() -> Any:
    """Return the model with random weights."""
    config = OlmoeConfig(
        vocab_size=len(tiny_tokenizer()),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=4,
        num_experts=EXPERTS,
        num_experts_per_tok=2,
        max_position_embeddings=256,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model: Any = OlmoeForCausalLM(config)
    return model


def nats(model: Any, rows: Tensor) -> Tensor:
    """Return the nats of each byte after the first."""
    logits = model(input_ids=rows, use_cache=False).logits[:, :-1]
    return F.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten())


@torch.no_grad()
def mean_nats(model: Any, rows: Tensor) -> float:
    """Return the mean over windows."""
    model.eval()
    return float(torch.stack([nats(model, batch) for batch in rows.split(BATCH)]).mean())


def train(model: Any, rows: Tensor, rate: float, steps: int, seed: int) -> float:
    """Train on windows that are drawn, and return the CPU seconds of a step."""
    generator = torch.Generator().manual_seed(seed)

    def loss(step: int) -> Tensor:
        return nats(model, rows[torch.randint(len(rows), (BATCH,), generator=generator)])

    model.train()
    start = time.process_time()
    trained = [p for p in model.parameters() if p.requires_grad]
    minimise(loss, trained, steps=steps, lr=rate, schedule=warm_cosine(steps), clip=1.0)
    return (time.process_time() - start) / steps


class Bench:
    """The texts, and the base that has learned the manual."""

    def __init__(self, work: Path) -> None:
        tokenizer = tiny_tokenizer()
        self.base, path = built(), work / "olmoe.safetensors"
        old, new = split_by_part(manual()), split_by_part(licences())
        self.rows = {part: windows(new[part], tokenizer) for part in new}
        self.rows["general"] = windows(old["test"], tokenizer)
        for part in ("val", "test", "general"):
            order = torch.randperm(len(self.rows[part]), generator=torch.Generator().manual_seed(0))
            self.rows[part] = self.rows[part][order[:TESTED]]
        if not path.is_file():
            train(self.base, windows(old["train"], tokenizer), 2e-3, BASE_STEPS, 0)
            work.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as part_file:
                save_file(dict(self.base.named_parameters()), part_file)
        self.base.load_state_dict(load_file(path), strict=False)
        self.base.eval().requires_grad_(False)

    def adapted(self, name: str) -> nn.Module:
        """Return a copy of the base with what a method trains."""
        model = copy.deepcopy(self.base)
        if name == "full":
            return model.requires_grad_(True)
        options: dict[str, Any] = {"r": 8, "target_modules": ATTENTION}
        method = "lora" if name == "LoRA on attention" else "methods/hellora"
        if method == "lora":
            options["lora_alpha"] = 16
        else:
            sample = self.rows["train"][:: 10 * BATCH]
            run: Callable[[nn.Module, Tensor], Any] = lambda network, x: network(input_ids=x)  # noqa: E731
            counts = count_routes(model, sample.split(BATCH), run)
            if "least" in name:
                counts = {key: -value for key, value in counts.items()}
            experts = hot_experts(counts, EXPERTS if "all" in name else HOT)
            options["experts"] = experts
            options["target_modules"] = [*ATTENTION, *expert_targets(model, experts)]
        return attach(model, config_class(method)(**options), head=())

    def rows_of(self, name: str, seed: int) -> dict[str, Any]:
        """Train a method at its rate, and return its row."""
        rate = self.rate(name)
        torch.manual_seed(seed)
        model = self.adapted(name)
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        stored = kept_by(_Called(model), self.rows["train"][:BATCH])
        pace = train(model, self.rows["train"], rate, STEPS, seed)
        row: dict[str, Any] = {"method": name, "seed": seed, "trained": trained, "rate": rate}
        row |= {"s a step": f"{pace:.3f}", "MiB": f"{stored / 2**20:.1f}"}
        return row | self.scores(model)

    def scores(self, model: nn.Module) -> dict[str, str]:
        """Return nats a byte of the licences and of the manual."""
        return {
            "nats": f"{mean_nats(model, self.rows['test']):.3f}",
            "general nats": f"{mean_nats(model, self.rows['general']):.4f}",
        }

    def rate(self, name: str) -> float:
        """Return the rate of a method by the rule, measuring what is missing."""

        def loss(rate: float) -> float:
            torch.manual_seed(TUNING_SEED)
            model = self.adapted(name)
            train(model, self.rows["train"], rate, STEPS // 2, TUNING_SEED)
            return mean_nats(model, self.rows["val"])

        return best_rate("language_experts_rates", name, METHODS[name], loss)


class _Called(nn.Module):
    """A language model as a function of its tokens."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        """Return the loss."""
        return nats(self.model, ids)


def main() -> None:
    options = parsed(__doc__, option("--work", type=Path, required=True), SEEDS)
    bench, table = Bench(options.work), Table("language_experts")
    if not table.rows:
        row = {"method": "no training", "seed": "", "trained": 0, "rate": "", "s a step": ""}
        table.add(row | {"MiB": ""} | bench.scores(bench.base))
    jobs = ({"method": name, "seed": seed} for seed in options.seeds for name in METHODS)
    for job in table.missing(jobs):
        table.add(bench.rows_of(job["method"], job["seed"]))


if __name__ == "__main__":
    main()
