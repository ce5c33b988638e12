"""The loop and its cache: seeded streams, bounded reuse, rejected simulations, exact resume."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import islice

import pytest
import torch
from case_table import table
from torch import Tensor

from scionwood import TrainingError
from scionwood_pde.online import (
    Cropper,
    Frames,
    InProcessSource,
    OnlineLoop,
    ReuseCache,
    Schedule,
    Simulator,
)

SCHEDULE = Schedule(capacity=6, reuse=2, max_uses=3)


def loop_of(
    *equations: str, seed: int = 0, schedule: Schedule = SCHEDULE, interval: float = 1.0
) -> OnlineLoop:
    simulator = Simulator(equations or ("burgers",), 16, 2, interval, seed=seed)
    return OnlineLoop(InProcessSource(simulator), Cropper(12), schedule)


def stream(loop: OnlineLoop, n: int) -> Tensor:
    return torch.stack(list(islice(loop, n)))


def test_a_seed_determines_the_stream():
    first, again, other = (stream(loop_of(seed=seed), 20) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_samples_have_zero_mean_and_unit_variance():
    samples = stream(loop_of("burgers", "gray_scott"), 20)
    assert samples.shape == (20, 1, 12, 12, 12)
    assert samples.mean((1, 2, 3, 4)).abs().max() < 1e-5
    assert (samples.std((1, 2, 3, 4)) - 1).abs().max() < 1e-5


def test_no_sample_is_used_more_often_than_the_bound():
    loop = loop_of()
    uses = Counter(loop.draw().key for _ in range(120))
    assert max(uses.values()) == SCHEDULE.max_uses
    assert len(uses) <= loop.samples


def test_the_schedule_sets_how_often_a_sample_is_used():
    loop = loop_of(schedule=Schedule(capacity=6, reuse=4, max_uses=1000))
    stream(loop, 200)
    statistics = loop.statistics()
    assert statistics["samples"] == 6 + 199 // 4
    assert statistics["samples_per_simulated"] == 200 / statistics["samples"]
    assert 0 <= statistics["waiting_share"] <= 1


def test_simulations_that_blow_up_are_counted_and_never_drawn():
    # Advection is exact over any interval; Fisher-KPP is not stable over this one.
    loop = loop_of("advection", "fisher_kpp", interval=200.0)
    drawn = [loop.draw() for _ in range(60)]
    assert all(entry.sample.isfinite().all() for entry in drawn)
    assert {entry.key[0] % 2 for entry in drawn} == {0}
    assert loop.rejected == loop.simulated // 2 > 0


def test_raises_an_error_for_equations_that_always_blow_up():
    with pytest.raises(TrainingError, match="in a row gave no sample"):
        next(loop_of("fisher_kpp", interval=200.0))


@table("after", [0, 1, 17])
def test_a_resumed_stream_equals_an_uninterrupted_one(after):
    whole, cut = loop_of("burgers", "wave"), loop_of("burgers", "wave")
    for loop in (whole, cut):
        assert len(list(islice(loop, after))) == after
    state = pickle.loads(pickle.dumps(cut.state_dict()))
    resumed = loop_of("burgers", "wave")
    resumed.load_state_dict(state)
    assert torch.equal(stream(whole, 40), stream(resumed, 40))
    assert whole.state_dict()["counts"] == resumed.state_dict()["counts"]


def test_cubes_are_cut_from_their_frames():
    fields = torch.randn(1, 2, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    cubes = Cropper(8, per_frame=3)(Frames(0, fields, torch.tensor(True)), torch.Generator())
    standard = (fields[0] - fields[0].mean((1, 2, 3), keepdim=True)) / fields[0].std(
        (1, 2, 3), keepdim=True
    )
    assert len(cubes) == 6
    for field in standard:
        assert sum(torch.allclose(cube[0], field, atol=1e-5) for cube in cubes) == 3
    fields[:, 1] = 3.0
    flat = Cropper(8, per_frame=3)(Frames(0, fields, torch.tensor(True)), torch.Generator())
    assert len(flat) == 3, "flat cubes are dropped"


@table(
    ("options", "message"),
    [
        ({"equations": ()}, "nothing to simulate"),
        ({"equations": ("heat",)}, "no equation has this name"),
        ({"equations": ("kuramoto_sivashinsky_conservative",)}, "in 3D"),
        ({"branch": "holdout"}, "choose one of"),
    ],
)
def test_a_simulator_refuses_invalid_options(options, message):
    with pytest.raises(ValueError, match=message):
        Simulator(**{"equations": ("burgers",), "n_points": 16, **options})


def test_refuses_cubes_larger_than_the_grid_and_reuse_above_its_bound():
    frames = Frames(0, torch.zeros(1, 1, 8, 8, 8), torch.tensor(True))
    with pytest.raises(ValueError, match="Raise n_points or lower the side"):
        Cropper(16)(frames, torch.Generator())
    with pytest.raises(ValueError, match="Lower reuse or raise max_uses"):
        Schedule(reuse=8, max_uses=4)


def test_branches_and_ranks_have_different_simulations():
    frames = [
        Simulator(("burgers",), 16, 1, branch=branch, rank=rank)(0).fields
        for branch, rank in (("train", 0), ("val", 0), ("train", 1))
    ]
    assert not any(torch.equal(frames[i], frames[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def filled(capacity: int, max_uses: int, seed: int = 0) -> ReuseCache:
    cache = ReuseCache(capacity, max_uses, torch.Generator().manual_seed(seed))
    for number in range(capacity):
        cache.put((0, number), torch.full((1,), float(number)))
    return cache


def test_a_new_sample_replaces_the_oldest_of_the_most_used():
    cache = filled(4, 100)
    for entry, uses in zip(cache.entries, (1, 3, 3, 2), strict=True):
        entry.uses = uses
    assert cache.put((1, 0), torch.zeros(1)) == (0, 1)
    assert cache.put((1, 1), torch.zeros(1)) == (0, 2)
    assert [entry.key for entry in cache.entries] == [(0, 0), (0, 3), (1, 0), (1, 1)]


def test_a_new_sample_replaces_none_while_there_is_room():
    cache = ReuseCache(2, 1, torch.Generator())
    assert cache.put((0, 0), torch.zeros(1)) is None
    assert not cache.full


def test_a_sample_is_removed_after_its_last_use():
    cache = filled(3, 2)
    uses = Counter(cache.draw().key for _ in range(6))
    assert uses == {(0, 0): 2, (0, 1): 2, (0, 2): 2}
    with pytest.raises(IndexError, match="empty cache"):
        cache.draw()


def test_a_seed_determines_the_order():
    first, again, other = (
        [cache.draw().key for _ in range(50)]
        for cache in (filled(8, 99, 1), filled(8, 99, 1), filled(8, 99, 2))
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(("capacity", "max_uses"), [(0, 1), (1, 0)])
def test_refuses_bounds_below_one(capacity, max_uses):
    with pytest.raises(ValueError, match="at least 1"):
        ReuseCache(capacity, max_uses, torch.Generator())
