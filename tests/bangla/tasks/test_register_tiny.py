"""The demonstration: an adapter learns the level of address on the tiny model."""

from __future__ import annotations

import statistics

import pytest

from scionwood import fit, load_run, resolve
from scionwood_bangla.data.conversations import Generated
from scionwood_language.tasks.sft import Sft

SEEDS, STEPS = (0, 1, 2), 240


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Sft]:
    """The recipe with three seeds and 240 of its 800 steps, three minutes on one core."""
    short = [f"trainer.max_steps={STEPS}", f"trainer.val_check_interval={STEPS}"]
    tasks = []
    for seed in SEEDS:
        recipe = resolve("bangla/register_tiny", [f"seed={seed}", f"data.seed={seed}", *short])
        tasks.append(load_run(fit(recipe, run_dir=tmp_path_factory.mktemp(f"seed{seed}"))))
    return tasks


def judged(task: Sft, data: Generated, batch: dict) -> dict[str, float]:
    """Return what the task and the judge of the data say of greedy answers."""
    answers, _ = task.answers(batch)
    return task.metrics(batch) | data.judge(answers, batch)


def measured(task: Sft) -> dict[str, float]:
    """Return the metrics on 240 prompts about acts that training never showed."""
    data = Generated(n_test=240, batch_size=60)
    batches = [judged(task, data, batch) for batch in data.test_dataloader()]
    return {name: statistics.mean(float(part[name]) for part in batches) for name in batches[0]}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_adapter_learns_the_levels_of_address(runs):
    with runs[0].backbone.disable_adapter():
        assert measured(runs[0])["register_match"] <= 0.10
    scores = [measured(task) for task in runs]
    assert statistics.mean(score["register_match"] for score in scores) >= 0.85
    assert min(score["ended"] for score in scores) >= 0.95
