"""Measure a reasoner trained by verified rewards: the base alone, and with the reasoner.

    python benchmarks/unir.py

The benchmark runs the recipe `language/unir` with seeds 0, 1 and 2 (of the samples, the reasoner
and the choice of prompts), once with all weights of the reasoner and once with LoRA in it. It
measures the mean reward of greedy completions of the 512 test prompts: of the base alone, and with
the reasoner before and after training. It writes benchmarks/results/unir.csv in about three minutes
on one core.
"""

from __future__ import annotations

import tempfile
import time
from itertools import product
from pathlib import Path

import torch
from runner import Row, machine, option, out, parsed, printed, write

from scionwood import build, fit, resolve, test

VARIANTS = {
    "whole reasoner": [],
    "LoRA in the reasoner": [
        "backbone.trains=adapter",
        "adapter={name: lora, r: 8, targets: all-linear}",
        "task.lr=1e-2",
    ],
}


@torch.no_grad()
def untrained(recipe) -> float:
    """Return the greedy reward of base and reasoner on the test split before training."""
    torch.manual_seed(recipe.seed)
    task, data = build(recipe)
    task.eval()
    batches = list(data.test_dataloader())
    rewards = [float(task.metrics(batch)["reward"]) * task.batch_size(batch) for batch in batches]
    return sum(rewards) / sum(map(task.batch_size, batches))


def measure(variant: str, seed: int, steps: int) -> Row:
    seeds = [f"seed={seed}", f"backbone.init_seed={seed}", f"data.seed={seed}"]
    quiet = ["trainer.logger=false", "trainer.accelerator=cpu", f"trainer.max_steps={steps}"]
    recipe = resolve("language/unir", [*VARIANTS[variant], *seeds, *quiet])
    start, first = time.process_time(), untrained(recipe)
    with tempfile.TemporaryDirectory() as folder:
        run = fit(recipe, run_dir=Path(folder) / "run")
        metrics = test(run)
    trained = sum(p.numel() for p in build(recipe)[0].parameters() if p.requires_grad)
    return {
        "variant": variant,
        "seed": seed,
        "base": round(metrics["test_reward_base"], 4),
        "before": round(first, 4),
        "after": round(metrics["test_reward"], 4),
        "trained": trained,
        "steps": steps,
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def main() -> None:
    options = parsed(
        __doc__,
        option("--seeds", type=int, default=3),
        option("--steps", type=int, default=256),
        out("unir"),
    )
    jobs = product(VARIANTS, range(options.seeds))
    rows = printed(measure(variant, seed, options.steps) for variant, seed in jobs)
    write(options.out, [row | machine() for row in rows])


if __name__ == "__main__":
    main()
