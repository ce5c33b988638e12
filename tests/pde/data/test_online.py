"""Cubes simulated during the training: the stream, checkpoints, and options that do not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from case_table import table

from scionwood import RecipeError
from scionwood_pde.data.online import OnlineFields

ONLINE: dict[str, Any] = {"n_points": 16, "crop": 16, "capacity": 4, "n_batches": 3, "n_val": 3}


def test_the_stream_continues_in_the_next_epoch() -> None:
    data = OnlineFields(batch_size=2, **ONLINE)
    loader = data.train_dataloader()
    epochs = [torch.cat([batch["state"] for batch in loader]) for _ in range(2)]
    whole = OnlineFields(batch_size=12, **ONLINE | {"n_batches": 1})
    (batch,) = whole.train_dataloader()
    assert torch.equal(torch.cat(epochs), batch["state"])


def test_a_checkpoint_of_the_stream_continues_it() -> None:
    data, resumed = OnlineFields(**ONLINE), OnlineFields(**ONLINE)
    list(data.train_dataloader())
    resumed.load_state_dict(data.state_dict())
    for old, new in zip(data.train_dataloader(), resumed.train_dataloader(), strict=True):
        assert torch.equal(old["state"], new["state"])


@table(
    ("options", "message"),
    [
        ({"equations": ["heat"]}, "no equation has this name"),
        ({"crop": 24}, "a multiple of 16"),
        ({"crop": 64, "n_points": 32}, "no more than the 32 points"),
        ({"reuse": 9, "max_uses": 3}, "Lower reuse"),
        ({"device": "cuda", "workers": 1}, "a GPU simulates in the training"),
    ],
)
def test_refuses_online_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        OnlineFields(**options)
