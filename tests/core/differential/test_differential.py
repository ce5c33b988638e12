"""200 random nets with adapters: the same outputs, gradients and files as plain peft."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

import campaign
import mends

SEEDS, CASES = range(mends.NETS), 10


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


@pytest.mark.slow
def test_adapters_that_a_fresh_process_loads_compute_the_same(folder: Path) -> None:
    if not any(folder.iterdir()):
        assert not campaign.faults(SEEDS[:20], folder)
    made = campaign.reloaded(folder)
    assert made
    assert not {seed: texts for seed, texts in made.items() if texts}


def test_each_mend_can_be_taken_out_of_the_source() -> None:
    for edits in mends.MENDS.values():
        assert all(mends.edited(edit) for edit in edits)


@pytest.mark.slow
@pytest.mark.parametrize("mend", mends.MENDS)
def test_a_net_differs_without_a_mend(mend: str) -> None:
    command = [sys.executable, mends.__file__, "--first", "--only", mend]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr
