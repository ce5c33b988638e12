"""What stays at a site: mixes, a local adapter, and the pull of FedProx."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from plain_figures import undrawn

import scionwood
from scionwood_federated import FederationError, Plan, Update, exact, simulate, update_of
from scionwood_federated.rules.low_rank import dense, pairs
from scionwood_federated.simulation.model import Proximal, SharedModel
from scionwood_federated.simulation.personal import Choice, _sum, candidates, pick
from scionwood_federated.simulation.sites import SiteData
from scionwood_federated.verbs.personal import personal


def test_a_global_and_a_local_adapter_are_one_that_adds_them_up(make):
    everyone, local = make(0, r=8), make(1, r=8)
    both = _sum(everyone, local)
    found = pairs(Update(local.about, local.config, both.adapter, both.head))
    for name, pair in found.items():
        whole = dense(pairs(everyone)[name]) + dense(pairs(local)[name])
        gap = (dense(pair) - whole).square().sum() / whole.square().sum()
        assert float(gap) <= both.lost * 2 + 1e-9
    assert both.head is local.head
    wide = make(2, r=30)
    zero = {k: torch.zeros_like(v) if "lora_B" in k else v for k, v in wide.adapter.items()}
    assert _sum(wide, Update(wide.about, wide.config, zero, wide.head)).lost < 1e-9


def test_fedprox_adds_the_way_from_the_start_to_the_gradient():
    net, pull = torch.nn.Linear(2, 1, bias=False), Proximal(0.5)
    pull.on_train_start(None, net)
    start = net.weight.detach().clone()
    net.weight.data += 2.0
    net(torch.ones(1, 2)).sum().backward()
    pull.on_before_optimizer_step(None, net, None)
    torch.testing.assert_close(net.weight.grad, torch.ones(1, 2) + 0.5 * (net.weight - start))


def test_a_negative_pull_is_refused(tmp_path):
    with pytest.raises(FederationError, match="proximal -1"):
        simulate("seismic/denoise", tmp_path / "s", Plan(proximal=-1.0), sites="x.csv", smoke=True)


def test_the_most_shared_model_is_taken_that_is_as_good_as_the_own_one():
    losses = {"global": 0.9, "mix": 0.5, "local": 0.3, "alone": 0.5}
    scored = [Choice(name, loss, None) for name, loss in losses.items()]
    assert pick(scored, "shared", higher=False).name == "mix"
    assert pick(scored, "chosen", higher=False).name == "local"
    assert pick(scored, "shared", higher=True).name == "global"


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
def test_a_site_chooses_by_its_validation_data_and_the_base_stays():
    recipe = scionwood.resolve("seismic/denoise", smoke=True)
    model, site = SharedModel(recipe), SiteData("a", recipe)
    start = model.state("global", 0, 0, 0)
    base = {k: v.clone() for k, v in model.backbone.state_dict().items() if "base_layer" in k}
    model.train(site.batches(), 3, 0, site.home())
    alone = model.state("a", 1, 3, 1)
    found = candidates(model, site, start, alone, start, "chosen", 4, 0)
    choice = pick(found, "chosen", higher=False)
    scores = {}
    for name, weights in {"global": start, "alone": alone}.items():
        model.put(weights.adapter, weights.head)
        scores[name] = model.score(site.data.val_dataloader())
    assert choice.validation <= min(scores.values())
    model.put(choice.weights.adapter, choice.weights.head)
    assert model.score(site.data.val_dataloader()) == pytest.approx(choice.validation)
    after = model.backbone.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in base.items())


@pytest.mark.slow
def test_the_command_writes_a_run_of_the_site(round_one: Path, tmp_path, capsys):
    own = round_one / "runs" / "north"
    personal(round_one / "start", own, tmp_path / "mine", kind="interpolate")
    assert "on the validation data of this site" in capsys.readouterr().out
    mixed = update_of(tmp_path / "mine", samples=1)
    assert mixed.adapter.keys() == exact([mixed], [1.0], mixed).adapter.keys()
    with undrawn():
        scionwood.load_run(tmp_path / "mine")
