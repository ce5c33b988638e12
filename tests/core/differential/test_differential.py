"""200 random nets with adapters: the same outputs, gradients and files as plain peft."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

import campaign

SEEDS = [*range(197), 473, 1240, 1335]
"""The last three find faults that few nets find: see docs/kernels.md."""
CASES = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adapters")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("case", range(CASES))
def test_outputs_gradients_and_merges_are_those_of_peft(case: int, folder: Path) -> None:
    made = campaign.faults(SEEDS[case::CASES], folder)
    assert not made, "\n\n".join(campaign.report(seed, texts) for seed, texts in made.items())


def test_adapters_that_a_fresh_process_loads_compute_the_same(folder: Path) -> None:
    if not any(folder.iterdir()):
        assert not campaign.faults(SEEDS[:20], folder)
    made = campaign.reloaded(folder)
    assert made
    assert not {seed: texts for seed, texts in made.items() if texts}
