"""Simulated trajectories, and cubes that are simulated during the training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from case_table import table

from scionwood import RecipeError
from scionwood_pde.data.online import OnlineFields
from scionwood_pde.data.trajectories import Trajectories

SMALL: dict[str, Any] = {"n_points": 16, "n_frames": 4, "n_train": 3, "n_val": 2, "n_test": 2}


def test_a_pair_is_a_state_and_the_next_one():
    data = Trajectories(**SMALL)
    runs = data.trajectories("val")
    batches = list(data.val_dataloader())
    states = torch.cat([batch["state"] for batch in batches])
    following = torch.cat([batch["next"] for batch in batches])
    assert torch.equal(states, runs[:, :-1].flatten(0, 1))
    assert torch.equal(following, runs[:, 1:].flatten(0, 1))


def test_fields_of_the_training_split_have_zero_mean_and_unit_variance():
    train = Trajectories(equation="gray_scott", **SMALL).trajectories("train")
    axes = (0, 1, 3, 4, 5)
    assert train.shape == (3, 4, 2, 16, 16, 16)
    assert train.mean(axes).abs().max() < 1e-4
    assert (train.std(axes) - 1).abs().max() < 1e-4


def test_skips_frames_at_the_beginning():
    whole, late = Trajectories(**SMALL), Trajectories(skip=2, **SMALL)
    assert late.trajectories("train").shape[1] == 2
    axes = (0, 1, 3, 4, 5)
    expected = whole._simulated("train")[:, 2:]
    std = expected.std(axes, correction=0, keepdim=True)
    expected = (expected - expected.mean(axes, keepdim=True)) / std
    assert torch.allclose(late.trajectories("train"), expected, atol=1e-5)


def test_any_parameter_of_an_equation_can_be_set():
    options = {"equation": "kolmogorov_flow", **SMALL, "n_frames": 2, "interval": 20.0}
    ends = [
        Trajectories(
            parameters={"forcing": 5.0, "viscosity": 0.05, "forcing_mode": mode}, **options
        )
        for mode in (1, 3)
    ]
    profiles = [made.trajectories("test")[0, -1, 0].mean((0, 2)) for made in ends]
    assert [int(torch.fft.rfft(p).abs()[1:].argmax()) + 1 for p in profiles] == [1, 3]


@table(
    ("options", "message"),
    [
        ({"equation": "heat"}, "no equation has this name"),
        ({"parameters": {"viscosity": 1.0}}, "burgers has convection, diffusivity"),
        ({"parameters": {"diffusivity": -0.01}}, "diffusivity of -0.01: it is finite, and"),
        ({"parameters": {"diffusivity": float("nan")}}, "diffusivity of nan"),
        ({"n_frames": 1}, "n_frames: 1"),
        ({"conditions": ["viscosity"]}, "this equation has dt, convection, diffusivity"),
        ({"strides": ()}, "numbers of frames, 1 or more"),
        ({"history": 3, "strides": (2,)}, "at least 7"),
    ],
)
def test_refuses_trajectory_options_that_do_not_fit(options, message):
    with pytest.raises(RecipeError, match=message):
        Trajectories(**SMALL | options)


def test_raises_an_error_if_no_trajectory_is_finite():
    with pytest.raises(RecipeError, match="finite trajectories"):
        Trajectories(equation="fisher_kpp", interval=200.0, **SMALL).trajectories("train")


def test_histories_and_strides_come_with_their_conditions():
    options: dict[str, Any] = {**SMALL, "n_frames": 6, "equation": "burgers", "interval": 1.0}
    names = ["dt", "diffusivity"]
    data = Trajectories(history=2, strides=(1, 2), conditions=names, batch_size=100, **options)
    runs = data.trajectories("val")
    (batch,) = data.val_dataloader()
    pairs = [(s, a, k) for k in (1, 2) for s in range(2) for a in range(6 - 2 * k)]
    assert len(batch["state"]) == len(pairs)
    for i, (sample, start, stride) in enumerate(pairs):
        given = runs[sample, [start, start + stride]].flatten(0, 1)
        assert torch.equal(batch["state"][i], given)
        assert torch.equal(batch["next"][i], runs[sample, start + 2 * stride])
        assert batch["conditions"][i, 0].item() == pytest.approx(0.02 * stride)
    drawn = batch["conditions"][:, 1].unique()
    assert len(drawn) == 2
    assert ((drawn > 5e-3) & (drawn < 2e-2)).all()


def test_a_parameter_that_is_given_is_also_a_condition():
    data = Trajectories(parameters={"diffusivity": 0.01}, conditions=["diffusivity"], **SMALL)
    batch = next(iter(data.val_dataloader()))
    assert batch["conditions"].flatten().tolist() == pytest.approx([0.01] * 4)


ONLINE: dict[str, Any] = {"n_points": 16, "crop": 16, "capacity": 4, "n_batches": 3, "n_val": 3}


def test_the_stream_continues_in_the_next_epoch():
    data = OnlineFields(batch_size=2, **ONLINE)
    loader = data.train_dataloader()
    epochs = [torch.cat([batch["state"] for batch in loader]) for _ in range(2)]
    whole = OnlineFields(batch_size=12, **ONLINE | {"n_batches": 1})
    (batch,) = whole.train_dataloader()
    assert torch.equal(torch.cat(epochs), batch["state"])


def test_a_checkpoint_of_the_stream_continues_it():
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
def test_refuses_online_options_that_do_not_fit(options, message):
    with pytest.raises(RecipeError, match=message):
        OnlineFields(**options)
