"""A federation in one process: real trainers on the recipe of a field, stopped and resumed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import lightning as L
import pytest
import torch
from case_table import table

import scionwood
from scionwood import OutputExistsError, TrainingError
from scionwood_federated import FederationError, Plan, exact, simulate
from scionwood_federated.rules.pooled import Pooled
from scionwood_federated.simulation.comparison import Comparison
from scionwood_federated.simulation.costs import Costs
from scionwood_federated.simulation.engine import Outcome, Progress, Simulation
from scionwood_federated.simulation.model import SharedModel
from scionwood_federated.simulation.run import CONSTANT
from scionwood_federated.simulation.sites import SiteData, sites_of
from scionwood_federated.simulation.store import keep_round, kept_outcome, kept_round
from scionwood_federated.update.folder import read_start

SITES = "site,data.seed\na,1\nb,2\nc,3\n"


@pytest.fixture
def listed(tmp_path: Path) -> str:
    """Return the path of a list of three sites."""
    path = tmp_path / "sites.csv"
    path.write_text(SITES)
    return str(path)


@pytest.mark.usefixtures("_undrawn")
def test_a_simulation_of_one_regime_leaves_its_costs_and_a_run(tmp_path):
    path, out = tmp_path / "sites.csv", tmp_path / "sim"
    path.write_text("site,data.seed\na,1\nb,2\n")
    plan = Plan(rounds=1, steps=1)
    options = {"sites": str(path), "smoke": True, "compare": ["federated"]}
    done = simulate("seismic/denoise", out, plan, **options)
    update = read_start(out / "global")
    values = (*update.adapter.values(), *update.head.values())
    sent = done.outcomes["federated"].costs
    assert sent.up == sent.down == 2 * sum(v.numel() * v.element_size() for v in values)
    assert len((out / "rounds.csv").read_text().splitlines()) == 1 + 2
    with pytest.raises(OutputExistsError):
        simulate("seismic/denoise", out, plan, **options)


def test_one_round_equals_the_rule_applied_to_the_updates(listed):
    recipe = scionwood.override(scionwood.resolve("seismic/denoise", smoke=True), CONSTANT)
    sent = []

    def keep(update, start, round_):
        sent.append(update)
        return update

    plan = Plan(rounds=1, steps=1)
    simulation = Simulation(SharedModel(recipe), sites_of(recipe, listed), plan, change=keep)
    outcome = simulation.federated()
    want = exact(sent, [1 / 3] * 3, simulation.start)
    assert outcome.final.adapter.keys() == want.adapter.keys()
    for name, value in outcome.final.adapter.items():
        assert torch.equal(value, want.adapter[name])


@pytest.mark.slow
def test_a_killed_simulation_goes_on_to_the_same_weights(listed, tmp_path):
    command = [sys.executable, "-m", "scionwood.cli", "federated", "simulate", "seismic/denoise"]
    options = ["--sites", listed, "--rounds", "4", "--steps", "1", "--smoke"]
    options += ["--compare", "[federated]"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run([*command, str(whole), *options], check=True, capture_output=True)
    child = subprocess.Popen([*command, str(cut), *options], stderr=subprocess.DEVNULL)
    while not (cut / "round" / "round.json").exists():
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert json.loads((cut / "round" / "round.json").read_text())["round"] < 4
    subprocess.run([*command, str(cut), *options, "--resume"], check=True, capture_output=True)
    one, other = read_start(whole / "global"), read_start(cut / "global")
    for name, value in one.adapter.items():
        assert torch.equal(value, other.adapter[name])
    sizes = [kept_outcome(folder, "federated").costs.up for folder in (whole, cut)]
    assert sizes[0] == sizes[1] > 0


class Silent(SiteData):
    """A site of gathers without signal, whose loss divides by nothing."""

    def batches(self, skip: int = 0) -> Iterator[dict[str, torch.Tensor]]:
        for batch in super().batches(skip):
            yield {**batch, "clean": torch.zeros_like(batch["clean"])}


@table(("regime", "name"), [("pooled", "pooled"), ("federated", "a")])
def test_a_site_whose_weights_are_not_finite_is_named(listed, regime, name):
    recipe = scionwood.override(scionwood.resolve("seismic/denoise", smoke=True), CONSTANT)
    sites = [Silent(site.name, site.recipe) for site in sites_of(recipe, listed)]
    simulation = Simulation(SharedModel(recipe), sites, Plan(rounds=1, steps=1))
    with pytest.raises(TrainingError, match=f"site {name}: its weights are not finite"):
        getattr(simulation, regime)()


@table(("higher", "pooled", "share"), [(False, 0.5, 0.5), (False, 2.0, None), (True, 2.0, -0.25)])
def test_the_share_of_the_gap_needs_a_gap(tmp_path, higher, pooled, share):
    means = {"alone": 1.0, "federated": 0.75, "pooled": pooled}
    outcomes = {k: Outcome(k, {"a": v}, {"a": v}, Costs()) for k, v in means.items()}
    assert Comparison("loss", higher, outcomes, tmp_path).gap_closed == share


def test_the_costs_of_the_rounds_before_an_interruption_are_kept(make, tmp_path):
    sent = make(1)
    pooled = Pooled(sent.adapter, sent.head, 0.0, ("a", "b"))
    keep_round(tmp_path, Progress(2, pooled, costs=Costs(cpu=3.5, up=10, down=20, peak=7.0)))
    assert kept_round(tmp_path).costs == Costs(cpu=3.5, up=10, down=20, peak=7.0)


@table(
    ("way", "words"),
    [
        ("nonsense", "it is no way to make sites"),
        ("by:data.nope", "seismic/synthetic has no such option, nor a table"),
        ("by:data.seed", "is no list and no folder of folders"),
    ],
)
def test_sites_that_cannot_be_made_are_refused(way, words):
    recipe = scionwood.resolve("seismic/denoise", smoke=True)
    with pytest.raises(FederationError, match=words):
        sites_of(recipe, way)


@table(
    ("text", "words"),
    [
        ("site,data.seed\na,1\nA ,2\n", "site 'a': .* no two sites have one name"),
        ("site,data.seed\n,1\nb,2\n", "site '': a name has 1 to 200"),
        ("site,data.noises\na,[white, band]\nb,[white]\n", "site a has more values"),
    ],
)
def test_a_list_of_sites_with_a_fault_is_refused(tmp_path, text, words):
    (tmp_path / "sites.csv").write_text(text)
    with pytest.raises(FederationError, match=words):
        sites_of(scionwood.resolve("seismic/denoise", smoke=True), str(tmp_path / "sites.csv"))


def test_values_of_an_option_make_sites():
    recipe = scionwood.resolve("seismic/denoise", smoke=True)
    sites = sites_of(recipe, "by:data.noises")
    assert [site.name for site in sites] == list(recipe.data.options["noises"])
    assert sites[1].recipe.data.options["noises"] == [sites[1].name]


class Draws(torch.utils.data.Dataset):
    """Labelled samples with a random draw in each, as augmentation makes one."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.rand(()), index


class Augmented(L.LightningDataModule):
    """Data whose samples differ from epoch to epoch."""

    def train_dataloader(self) -> scionwood.authoring.DataLoader:
        return scionwood.authoring.DataLoader(Draws(), 4, True, seed=3, drop_last=True)


def test_data_are_augmented_anew_in_each_epoch():
    recipe = scionwood.resolve("biomed/few_shot_lora", smoke=True)
    site = SiteData("a", recipe, Augmented())
    batches = list(islice(site.batches(), 4))  # two make an epoch
    halves = (
        torch.cat(part, 1).T.tolist()
        for part in ([torch.stack((r.float(), d)) for d, r in batches[n : n + 2]] for n in (0, 2))
    )
    first, second = (dict(half) for half in halves)
    assert first.keys() == second.keys() == set(range(8))
    assert all(first[row] != second[row] for row in first)
    for one, other in zip(next(site.batches(skip=2)), batches[2], strict=True):
        assert torch.equal(one, other)


def test_a_column_of_a_table_makes_a_site_of_each_value(tmp_path):
    from PIL import Image

    (tmp_path / "images").mkdir()
    rows = []
    for number in range(12):
        name = f"images/{number}.png"
        Image.new("L", (32, 32), 20 * number).save(tmp_path / name)
        rows.append([name, "ab"[number % 2], f"s{number}", ("east", "west", "west")[number % 3]])
    with (tmp_path / "items.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "subject", "hospital"], *rows])
    source = tmp_path / "items.csv"
    changes = [f"data={{name: biomed/images, source: {source}, root: {tmp_path}, size: 32}}"]
    recipe = scionwood.resolve("biomed/few_shot_lora", changes, smoke=True)
    sites = sites_of(recipe, "by:hospital")
    assert [site.name for site in sites] == ["east", "west"]
    assert [len(list(site.recipe.data.build().items())) for site in sites] == [4, 8]
    source.write_text(source.read_text().replace(",east", ","))
    with pytest.raises(FederationError, match="line 2 has no hospital"):
        sites_of(recipe, "by:hospital")
