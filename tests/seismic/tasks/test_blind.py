from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from case_table import table
from safetensors.torch import load_file
from torch import Tensor, nn

from scionwood import RecipeError, TrainingError, fit, load_run
from scionwood.recipes.recipe import Recipe, resolve
from scionwood.training.run import build
from scionwood_seismic.data.survey import Survey
from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.inference.arrays import denoise_array
from scionwood_seismic.readers.create import write_segy
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.signal import draw_gather
from scionwood_seismic.tasks.blind import REACH, Blind

Batch = dict[str, Tensor]


class Spy(nn.Module):
    """A model that returns a share of its input and records the input."""

    def __init__(self, share: float = 1.0) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(share))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        return self.share * x


@pytest.fixture(scope="module")
def batch() -> Batch:
    survey = Survey(n_traces=20, n_samples=32, noise_window=0.064, batch_size=4, n_train=4)
    return next(iter(survey.train_dataloader()))


def recipe(start: Path, *options: str) -> Recipe:
    """Return the recipe with smoke settings, the method `noisier` and a starting run."""
    overrides = ["task.method=noisier", f"task.start={start}", *options]
    return resolve("seismic/adapt_to_survey", overrides, smoke=True)


def weights(run: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    adapter = load_file(run / "adapter" / "adapter_model.safetensors")
    return adapter, load_file(run / "head.safetensors")


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first.keys() | second.keys())


class TestBlindTraces:
    def test_hidden_traces_are_replaced_by_neighbours(self, batch):
        spy = Spy()
        Blind(spy, method="blind_trace", masked=0.2).losses(batch)
        changed = (spy.seen[0] != batch["noisy"]).any(-1)[:, 0]
        assert changed.sum(1).tolist() == [4, 4, 4, 4]  # of 20 traces
        for number, trace in changed.nonzero().tolist():
            given, recorded = spy.seen[0][number, 0, trace], batch["noisy"][number, 0]
            distance = (recorded == given).all(-1).nonzero().sub(trace).abs().min()
            assert 1 <= distance <= REACH

    def test_the_loss_uses_only_hidden_traces(self, batch):
        """The error of the identity equals the change by the replacement."""
        spy = Spy()
        loss = Blind(spy, method="blind_trace").losses(batch)["loss"]
        error = (spy.seen[0] - batch["noisy"]).abs()
        assert loss.item() == pytest.approx(error[error.any(-1)].mean().item(), rel=1e-5)

    def test_training_hides_new_traces_each_time_and_validation_the_same(self, batch):
        task, seen = Blind(spy := Spy(), method="blind_trace"), []
        for mode in (True, True, False, False):
            task.train(mode).losses(batch)
            seen.append(spy.seen.pop())
        assert not torch.equal(seen[0], seen[1])
        assert torch.equal(seen[2], seen[3])

    def test_refuses_shares_out_of_range_and_missing_runs_and_windows(self, batch):
        for share in (0.0, 1.0):
            with pytest.raises(RecipeError, match=r"task.masked .*between 0 and 1"):
                Blind(nn.Identity(), method="blind_trace", masked=share)
        for share in (-0.1, 1.0):
            with pytest.raises(RecipeError, match=r"task.removed_share .*from 0 to less than 1"):
                Blind(nn.Identity(), start="a run", removed_share=share)
        with pytest.raises(RecipeError, match=r"Give that run's folder as task\.start"):
            Blind(nn.Identity(), method="noisier")
        with pytest.raises(RecipeError, match=r"Set data\.noise_window"):
            Blind(nn.Identity(), start="a run").losses({"noisy": batch["noisy"]})


class TestNoisier:
    def test_adds_window_noise_and_removed_noise(self, batch):
        spy = Spy(0.75)
        loss = Blind(spy, start="a run").losses(batch)["loss"]
        target, removed = 0.75 * batch["noisy"], 0.25 * batch["noisy"]
        given = (target + batch["noise_only"]).clone()
        given[1::2] = target[1::2] + removed[0::2]
        torch.testing.assert_close(spy.seen[1], given)
        error = (0.75 * given - target).square().mean((-2, -1)) / target.var((-2, -1))
        assert loss.item() == pytest.approx(error.mean().item(), rel=1e-5)

    @table(("share", "count"), [(0.0, 0), (0.25, 1), (0.75, 3)])
    def test_uses_the_requested_share_of_removed_noise(self, batch, share, count):
        spy = Spy(0.75)
        Blind(spy, start="a run", removed_share=share).losses(batch)
        window = (spy.seen[1] - 0.75 * batch["noisy"] - batch["noise_only"]).abs().amax((1, 2, 3))
        assert (window > 1e-3).sum() == count


def test_the_snr_is_reported_if_clean_gathers_with_signal_exist(batch):
    task = Blind(Spy(0.9), method="blind_trace").eval().requires_grad_(False)
    values = task.metrics(batch)
    assert values["snr"] > values["snr_in"] - 2
    field = task.metrics({"noisy": batch["noisy"]})
    assert set(values) - set(field) == {"snr", "snr_in"}
    assert field["energy_removed"] == pytest.approx(0.01, rel=1e-3)
    silent = batch | {"clean": batch["clean"] * torch.tensor([1, 0, 0, 0])[:, None, None, None]}
    assert torch.isfinite(task.metrics(silent)["snr"])
    assert "snr" not in task.metrics(batch | {"clean": 0 * batch["clean"]})


class TestStart:
    def test_starts_with_the_output_of_the_starting_run(self, run, batch):
        task = build(recipe(run))[0].eval()
        with torch.no_grad():
            before = task(batch["noisy"])
            task.setup("fit")
            after, expected = task(batch["noisy"]), load_run(run)(batch["noisy"])
        assert not torch.equal(before, expected)
        assert torch.equal(after, expected)

    def test_trains_adapter_and_head_without_changing_the_starting_run(self, run, tmp_path, capsys):
        files = {path: path.read_bytes() for path in run.rglob("*.safetensors")}
        adapted = fit(recipe(run), run_dir=tmp_path / "adapted")
        assert "adaptation: kept; recovered amplitude" in capsys.readouterr().err
        for before, after in zip(weights(run), weights(adapted), strict=True):
            assert before.keys() == after.keys()
            assert not equal(before, after)
        assert files == {path: path.read_bytes() for path in run.rglob("*.safetensors")}
        assert {"val_snr_in", "val_snr_start", "val_snr"} <= rows(adapted)[-1].keys()

    @pytest.mark.slow
    def test_keeps_a_frozen_head_and_no_longer_needs_the_starting_run(self, run, batch, tmp_path):
        start = shutil.copytree(run, tmp_path / "start")
        adapted = fit(recipe(start, "task.train_head=false"), run_dir=tmp_path / "adapted")
        (adapter, head), (old_adapter, old_head) = weights(adapted), weights(run)
        assert equal(head, old_head)
        assert not equal(adapter, old_adapter)
        before = load_run(adapted)(batch["noisy"])
        shutil.rmtree(start)
        assert torch.equal(before, load_run(adapted)(batch["noisy"]))

    @pytest.mark.slow
    def test_a_resumed_run_uses_the_same_starting_model(self, run, tmp_path):
        options = ("task.method=blind_trace", "task.schedule=constant")
        longer = recipe(run, *options, "trainer.max_steps=4")
        whole = fit(longer, run_dir=tmp_path / "whole")
        half = fit(recipe(run, *options), run_dir=tmp_path / "half")
        fit(longer, resume=half)
        losses = [[row["train_loss"] for row in rows(each)] for each in (whole, half)]
        losses = [[loss for loss in column if loss] for column in losses]
        assert len(losses[0]) == 4
        assert losses[0] == losses[1]

    @table(
        ("option", "said"),
        [
            ("adapter.r=4", r"is \(\d+, \d+\), that of this model \(4, \d+\)"),
            ("adapter.lora_alpha=8", "its adapter has other options"),
            ("adapter.targets=mlp", "in (this model|that run) only"),
            ("backbone.weights=none", "it was trained on another base"),
        ],
    )
    def test_refuses_a_run_of_another_model_and_changes_nothing(self, run, option, said):
        task = build(recipe(run, option))[0]
        before = {name: value.clone() for name, value in task.state_dict().items()}
        with pytest.raises(TrainingError, match=said) as caught:
            task.setup("fit")
        assert str(run / "recipe.yaml") in str(caught.value)
        assert equal(before, task.state_dict())

    def test_refuses_a_run_that_is_not_there(self, run):
        with pytest.raises(TrainingError, match="nowhere"):
            build(recipe(run.with_name("nowhere")))[0].setup("fit")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "method", "gain"),
    [("fading", "noisier", 1.0), ("ringing", "noisier", 2.0), ("erratic", "blind_trace", -0.2)],
)
def test_adaptation_raises_the_snr_of_test_gathers(tmp_path, kind, method, gain):
    """A model trained on other noise adapts to a survey without clean gathers."""
    small = ["data.n_traces=64", "data.n_samples=64", "data.n_val=8"]
    known = [*small, "data.n_train=1600", "data.noises=[white,band,swell]"]
    start = fit(resolve("seismic/denoise", known), run_dir=tmp_path / "start")
    clean, noisy = np.zeros((2, 20, 96, 192), np.float32)
    for i in range(20):
        rng = generator(7, "simulate", i)
        clean[i, :, 64:] = draw_gather(rng, (96, 128))
        noisy[i] = corrupt(rng, clean[i], kind, 0.0)
    survey = tmp_path / "survey.sgy"
    write_segy(survey, noisy, dt=0.002)
    own = [*small, f"data.path={survey}", f"task.start={start}", f"task.method={method}"]
    adapted = fit(resolve("seismic/adapt_to_survey", own), run_dir=tmp_path / "adapted")
    held = Survey(path=str(survey)).splits["test"]

    def snr(run: Path) -> float:
        model = load_run(run).backbone
        error = [clean[i] - denoise_array(model, noisy[i]) for i in held]
        return float(10 * np.log10((clean[held] ** 2).sum() / np.square(error).sum()))

    assert snr(adapted) > snr(start) + gain


def test_a_training_that_takes_amplitude_from_events_is_rolled_back(
    run, tmp_path, capsys, monkeypatch
):
    amplitudes = iter([0.9] * 2 + [0.5] * 2)  # of two patches, before and after
    measured = "scionwood_seismic.dino.rollback.recovered_amplitude"
    monkeypatch.setattr(measured, lambda *given: next(amplitudes))
    adapted = fit(recipe(run), run_dir=tmp_path / "adapted")
    assert "adaptation: rolled back: strong events lost amplitude" in capsys.readouterr().err
    for own, start in zip(weights(adapted), weights(run), strict=True):
        assert all(torch.equal(own[name], value) for name, value in start.items())
