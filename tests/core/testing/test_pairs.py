"""The check of a task's pairs: each rule is broken once."""

from __future__ import annotations

from typing import Any

import pytest

from scionwood_kit import CheckFailure, NothingToCheck
from scionwood_kit.checks.pairs import check_pairs

METRICS = "    def metrics(self, batch"
PAIRS = '''    def pairs(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the predicted and the observed response, (batch, time)."""
        return self.predict(batch)[..., 0], batch["response"][..., 0]

'''


@pytest.fixture
def paired(sample: Any) -> Any:
    """A plugin whose task states pairs."""
    return sample.change("tasks.py", METRICS, PAIRS + METRICS)


def test_sound_pairs_pass_and_a_task_without_any_has_nothing_to_check(paired):
    assert not check_pairs(paired.plugin())


def test_a_task_without_pairs_has_nothing_to_check(sample):
    with pytest.raises(NothingToCheck, match="no task of pairs"):
        check_pairs(sample.plugin())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[..., 0], batch", ", batch", r"shape \(\d+, \d+, 1\) and .* the batch has n = "),
        ('batch["response"][..., 0]', 'batch["response"][1:, :, 0]', "both have the shape"),
        ("self.predict(batch)[..., 0],", "self.predict(batch)[..., 0].log(),", "NaN or infinity"),
        ("[..., 0], batch", "[..., 0].detach(), batch", "pairs without gradient"),
        ('batch["response"][..., 0]', 'torch.rand(batch["response"].shape[:2])', "two calls"),
        (
            'return self.predict(batch)[..., 0], batch["response"][..., 0]',
            "return None",
            "NoneType",
        ),
    ],
    ids=["three axes", "fewer rows", "nan", "no gradient", "random", "none"],
)
def test_pairs_that_break_a_rule_are_named(paired, old, new, message):
    paired.change("tasks.py", old, new)
    with pytest.raises(CheckFailure, match=message):
        check_pairs(paired.plugin())
