"""The weights that a checkpoint holds, and the checkpoints that a model accepts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scionwood.errors import TrainingError
from scionwood.training.checkpoint import check_state, trained_keys


@pytest.fixture
def model() -> nn.Module:
    """A frozen base with running statistics, and a head whose norm has statistics only."""
    base = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).requires_grad_(False)
    head = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2, affine=False))
    return nn.Sequential(base, head)


def test_trainable_weights_and_their_buffers_are_kept(model: nn.Module) -> None:
    statistics = {f"1.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert trained_keys(model) == {"1.0.weight", "1.0.bias"} | statistics
    state = model.state_dict()
    check_state(model, {key: state[key] for key in trained_keys(model)})
    assert trained_keys(model.requires_grad_(True)) == state.keys()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda state: state.pop("1.0.bias"), "missing: 1.0.bias"),
        (lambda state: state.update({"0.0.weight": torch.zeros(4, 4)}), "unknown: 0.0.weight"),
        (lambda state: state.update({"1.0.bias": torch.zeros(3)}), "another shape: 1.0.bias"),
    ],
    ids=["missing", "frozen weight", "shape"],
)
def test_any_other_checkpoint_is_refused_by_name(model: nn.Module, change, named: str) -> None:
    state = {key: model.state_dict()[key] for key in trained_keys(model)}
    change(state)
    with pytest.raises(TrainingError, match=named):
        check_state(model, state)
