"""200 random nets with adapters: the same outputs, gradients and files as plain peft."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import campaign
import mends

pytestmark = pytest.mark.usefixtures("_one_thread")
SEEDS, CASES = range(mends.NETS), 10


@pytest.mark.parametrize("case", range(CASES))
def test_outputs_gradients_and_merges_are_those_of_peft(case):
    made = campaign.faults(SEEDS[case::CASES])
    assert not made, "\n\n".join(campaign.report(seed, texts) for seed, texts in made.items())


@pytest.mark.slow
def test_adapters_that_a_fresh_process_loads_compute_the_same(tmp_path):
    assert not campaign.faults(SEEDS, tmp_path)
    made = campaign.reloaded(tmp_path)
    assert made
    assert not {seed: texts for seed, texts in made.items() if texts}


def test_each_mend_can_be_taken_out_of_the_source():
    for edits in mends.MENDS.values():
        assert all(mends.edited(edit) for edit in edits)


@pytest.mark.slow
@pytest.mark.parametrize("mend", mends.MENDS)
def test_a_net_differs_without_a_mend(mend):
    command = [sys.executable, mends.__file__, "--first", "--only", mend]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr
