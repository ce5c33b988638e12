"""Direct preference optimisation of the level of address."""

import math

import pytest
import torch
from peft import LoraConfig
from trained import TINY

from scionwood import RecipeError, attach
from scionwood_bangla.data.preferences import Preferences
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.tasks.dpo import DirectPreference
from scionwood_language.tasks.losses import answer_log_probabilities


def test_the_log_probability_of_an_answer_is_the_sum_over_its_tokens():
    torch.manual_seed(0)
    logits, labels = (
        torch.randn(2, 5, 7),
        torch.tensor([[-100, -100, 3, 4, -100], [-100, 1, 2, 3, 4]]),
    )
    sums = answer_log_probabilities(logits, labels, torch.nn.Identity(), chunk=2)
    table = logits.log_softmax(-1)
    assert sums[0] == pytest.approx(float(table[0, 1, 3] + table[0, 2, 4]), rel=1e-5)
    assert sums[1] == pytest.approx(float(sum(table[1, t, t + 1] for t in range(4))), rel=1e-5)


@pytest.fixture(scope="module")
def task():
    return DirectPreference(
        attach(causal_lm(model=TINY), LoraConfig(r=4), targets="all-linear"), beta=0.2
    )


def test_a_new_adapter_equals_the_reference(task):
    batch = Preferences(n_train=6, n_val=1, n_test=1).collate(
        Preferences(n_train=6, n_val=1, n_test=1).splits()["train"]
    )
    losses = task.losses(batch)
    assert losses["loss"].item() == pytest.approx(math.log(2))
    assert losses["margin"] == losses["chosen_gain"] == losses["rejected_gain"] == 0


def test_refuses_a_backbone_without_an_adapter():
    with pytest.raises(RecipeError, match="no reference"):
        DirectPreference(causal_lm(model=TINY))
    with pytest.raises(RecipeError, match="beta=0"):
        DirectPreference(attach(causal_lm(model=TINY), LoraConfig(r=1)), beta=0)
