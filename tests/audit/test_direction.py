"""The turn of a change away from the mean change of its references."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig
from torch import nn

import scionwood
from scionwood_audit import Cohort, Weights, compare, weights_of
from scionwood_audit.direction import Factors, product, products, turn, turns


def drawn(seed: int, n: int = 3) -> tuple[Factors, torch.Tensor]:
    """Return factors of two modules, and the change that they are, as one vector."""
    draw = torch.Generator().manual_seed(seed)
    sizes = [(5, 4), (3, 7)][:n]
    pairs = tuple(
        (torch.randn(o, 2, generator=draw).double(), torch.randn(2, i, generator=draw).double())
        for o, i in sizes
    )
    return pairs, torch.cat([(b @ a).flatten() for b, a in pairs])


def test_products_are_those_of_the_whole_changes():
    (one, x), (two, y) = drawn(0), drawn(1)
    assert product(one, two) == pytest.approx(float(x @ y))
    table = products([one, two])
    assert table == pytest.approx(np.array([[x @ x, x @ y], [x @ y, y @ y]]))


def test_turns_are_those_of_the_whole_changes():
    factors, wholes = zip(*(drawn(seed) for seed in range(5)), strict=True)
    found = turns(products(factors))
    for at, x in enumerate(wholes):
        mean = torch.stack([each for other, each in enumerate(wholes) if other != at]).mean(0)
        wanted = 1 - torch.nn.functional.cosine_similarity(x, mean, dim=0)
        assert found[at] == pytest.approx(float(wanted))
    assert turn(0.0, np.zeros(2), np.ones((2, 2))) == 1.0


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    """Twenty adapters of one task: the same change, and a little noise of each."""
    for seed in range(20):
        write(tmp_path / "trusted" / str(seed), seed)
    return tmp_path / "trusted"


def write(folder: Path, seed: int, *, other: float = 0.0) -> Path:
    """Save an adapter whose change is that of the task, and something else as large as `other`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 3))
        config = LoraConfig(r=4, lora_alpha=4)
        model = scionwood.attach(net, config, targets="0|2", head=())
        for name, value in model.named_parameters():
            if "lora_" in name:
                value.data.normal_()  # of the task: the same in each
        torch.manual_seed(1000 + seed)
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.data += (0.1 + other) * torch.randn_like(value)
        scionwood.save_adapter(model, folder)
    return folder


def numbers(folder: Path) -> Weights:
    found = weights_of(folder)
    assert not isinstance(found, str), found
    return found


def test_an_adapter_that_turns_away_is_anomalous_though_its_size_is_usual(trusted, tmp_path):
    cohort = Cohort([numbers(path) for path in sorted(trusted.iterdir())])
    own = [numbers(write(tmp_path / f"own{n}", 50 + n)) for n in range(10)]
    odd = [numbers(write(tmp_path / f"odd{n}", 50 + n, other=0.6)) for n in range(10)]
    assert sum(cohort.turn(each) > cohort.turned for each in own) <= 3
    assert all(cohort.turn(each) > cohort.turned for each in odd)
    rows, count = compare(tmp_path / "odd0", trusted)
    (row,) = [each for each in rows if each.name == "turn from the mean change"]
    assert (count, row.status) == (20, "broken")
    assert row.value == f"{cohort.turn(odd[0]):.3f}"
    assert row.limit == f"at most {cohort.turned:.3f}"
