"""Differential privacy by Opacus: gradients are clipped, noise is added, and the budget is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from case_table import table
from plain_figures import undrawn

import scionwood
from scionwood_federated import (
    FederationError,
    read_update,
    train_site,
    update_of,
    write_update,
)
from scionwood_federated.privacy.differential import (
    DeltaWarning,
    PoissonBatches,
    Privacy,
    PrivateTraining,
)
from scionwood_federated.update.training import privacy_of

pytest.importorskip("opacus")


class Watch(L.Callback):
    """Compare what the optimiser got with the clipped gradients of the samples."""

    def __init__(self, private: PrivateTraining, clip: float) -> None:
        self.private, self.clip = private, clip
        self.clipped, self.spread = 0, []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        """Keep how many samples were clipped, and the spread of the rest in units of the noise."""
        used = [p for p in pl_module.parameters() if p.requires_grad]
        each = torch.cat([p.grad_sample.flatten(1) for p in used], 1)
        got = (
            torch.cat([p.grad.flatten() for p in used]) * trainer.optimizers[0].expected_batch_size
        )
        factors = (self.clip / each.norm(dim=1)).clamp(max=1.0)
        self.clipped += int((factors < 1).sum())
        rest = got - (factors[:, None] * each).sum(0)
        self.spread.append(float(rest.std()) / (self.private.noise * self.clip))


@pytest.fixture(scope="module")
def private(round_one: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that trained with a budget, from the start of a round."""
    out = tmp_path_factory.mktemp("private") / "run"
    start = round_one / "start"
    with undrawn():
        return train_site(start / "recipe.yaml", start, out, privacy=Privacy(epsilon=6.0, clip=0.5))


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.filterwarnings("ignore:grad and param do not obey")
@pytest.mark.filterwarnings("ignore::scionwood.authoring.InexactResumeWarning")
def test_gradients_of_samples_are_clipped_and_noise_is_added(tmp_path):
    recipe = scionwood.resolve("seismic/denoise", ["data.batch_size=4"], smoke=True)
    training = PrivateTraining(Privacy(epsilon=8.0, clip=1e-3))
    watch = Watch(training, 1e-3)
    scionwood.fit(recipe, run_dir=tmp_path / "run", callbacks=[training, watch])
    assert watch.clipped > 0
    assert all(abs(value - 1) < 0.05 for value in watch.spread)


@pytest.mark.slow
def test_the_noise_is_that_of_the_steps_which_are_taken(round_one, tmp_path):
    start, limit = round_one / "start", ("trainer.max_steps=3", "trainer.max_epochs=null")
    run = train_site(start / "recipe.yaml", start, tmp_path / "r", privacy=Privacy(epsilon=6.0),
                     overrides=limit)  # fmt: skip
    told = json.loads((run / "federation.json").read_text())["privacy"]
    assert sum(steps for *_, steps in told["history"]) == 3
    assert 5.9 < told["epsilon"] <= 6.0


@pytest.mark.slow
def test_the_budget_is_that_of_opacus_and_travels_with_the_update(private, tmp_path):
    from opacus.accountants import PRVAccountant

    write_update(update_of(private, site="north"), tmp_path / "u")
    told = json.loads((tmp_path / "u" / "site.json").read_text())["privacy"]
    accountant = PRVAccountant()
    for noise, rate, steps in told["history"]:
        for _ in range(steps):
            accountant.step(noise_multiplier=noise, sample_rate=rate)
    assert told["epsilon"] == pytest.approx(accountant.get_epsilon(told["delta"]), abs=1e-9)
    assert 0 < told["epsilon"] <= 6.0
    assert told["delta"] == 1e-5
    assert read_update(tmp_path / "u").about.extra["privacy"]["clip"] == 0.5


def test_prv_needs_less_noise_than_renyi_and_its_cost_is_told(capsys):
    from opacus.accountants import RDPAccountant

    training = PrivateTraining(Privacy(delta=0.05))
    training.noise, training._size, training.batches = 1.0, 4, PoissonBatches(24, 4)
    renyi = RDPAccountant()
    training.accountant.history = renyi.history = [(1.0, 4 / 24, 100)]
    assert training.record()["epsilon"] < renyi.get_epsilon(0.05)
    with pytest.warns(DeltaWarning, match="not below 1 / 24"):
        training._say(torch.nn.Linear(100, 16, bias=False), 100)
    assert "1,600 values is 10 times as long" in capsys.readouterr().err


def test_budgets_of_rounds_add_up(private):
    first = json.loads((private / "federation.json").read_text())["privacy"]
    again = PrivateTraining(privacy_of("epsilon=6,clip=0.5", private))
    assert again.record()["epsilon"] == pytest.approx(first["epsilon"])
    noise, rate, steps = first["history"][0]
    for _ in range(int(steps)):
        again.accountant.step(noise_multiplier=noise, sample_rate=rate)
    assert again.record()["epsilon"] > first["epsilon"]


def test_a_draw_of_no_sample_counts_as_a_step_without_a_gradient():
    batches = PoissonBatches(10_000, 1)
    batches.rate = 1e-9
    assert len(batches) == 10**9
    assert next(iter(batches)) == [0]
    assert batches.drawn.popleft() == 0


@table("text", ["epsilon=0", "delta=2", "epsilon=x", "before=3", "nonsense"])
def test_a_budget_that_is_none_is_refused(text):
    with pytest.raises(FederationError, match="epsilon="):
        privacy_of(text)


def test_a_stream_and_accumulated_batches_are_refused(round_one, tmp_path):
    start = round_one / "start"
    with pytest.raises(FederationError, match="no accumulated batches"):
        train_site(start / "recipe.yaml", start, tmp_path / "r", privacy=Privacy(),
                   overrides=("trainer.accumulate_grad_batches=2",))  # fmt: skip
