"""Properties of a corruption: planted faults are found, and correct ones pass."""

import pytest
import torch
from case_table import table
from corruptions import CORRECT, FAULTS, mask_tokens, masked

import scionwood
from scionwood_audit import audit_training, draw_and_test
from scionwood_audit.corruption.registered import calls


@table("fault", FAULTS)
def test_each_planted_fault_is_found(fault):
    rows = draw_and_test(FAULTS[fault](), draws=100_000)
    assert [row.name for row in rows if row.status == "broken"]


@pytest.mark.parametrize("name", CORRECT)
def test_correct_corruptions_pass_with_five_seeds(name):
    for seed in range(5):
        rows = draw_and_test(CORRECT[name](), draws=20_000, seed=seed)
        assert not [row for row in rows if row.status == "broken"], seed


def test_the_draws_leave_the_global_generator_as_it_was():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    draw_and_test(masked(), draws=1000)
    assert torch.equal(before, torch.get_rng_state())


def test_the_hash_is_that_of_the_source():
    own = masked()
    assert own.sha256 == masked().sha256
    assert len(own.record()["sha256"]) == 64
    other = scionwood.authoring.Corruption("x", (calls,), own.sample, own.apply)
    assert other.sha256 != own.sha256


def test_a_function_that_the_losses_do_not_call_is_noticed():
    tokens, time = torch.zeros(3, 4, dtype=torch.long), torch.rand(3)
    assert calls((mask_tokens,), lambda: mask_tokens(tokens, time)) == [mask_tokens]
    assert calls((mask_tokens,), lambda: torch.rand(3)) == []


@table(
    ("recipe", "overrides"),
    [("pde/generate", []), ("pde/dynamics", ["task.noise=0.1"]), ("seismic/adapt_to_survey", [])],
)
def test_the_corruption_that_a_field_states_holds(recipe, overrides):
    audit = audit_training(recipe, override=overrides, draws=10_000)
    kept = {row.name for row in audit.rows if row.status == "kept"}
    assert "the losses call it" in kept
    assert audit.verdict == "no reference"
    assert not [row for row in audit.rows if row.status == "broken"]


def test_a_recipe_without_a_corruption_says_so():
    (row,) = audit_training("seismic/denoise").rows
    assert (row.status, row.value) == ("skipped", "the task registers none")
