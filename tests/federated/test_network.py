"""A federation over a network, without the network: messages, rounds, and what engines get."""

import json
import tomllib

import pytest
import torch
from case_table import table

import scionwood
from scionwood import AdapterFileError
from scionwood.cli import main
from scionwood_federated import FederationError, Plan, begin_round, simulate
from scionwood_federated.engines.flower_export import export_flower, plan_of
from scionwood_federated.engines.messages import packed, unpacked
from scionwood_federated.engines.plan import NetPlan
from scionwood_federated.engines.rounds import SILENT, Rounds, outcome
from scionwood_federated.engines.site import answer, write_home
from scionwood_federated.simulation.run import CONSTANT
from scionwood_federated.update.folder import read_start

from .conftest import NAMES


@pytest.mark.slow
def test_rounds_by_messages_equal_the_simulation(tmp_path):
    listed = tmp_path / "sites.csv"
    listed.write_text("site,data.seed\na,1\nb,2\n")
    plan = Plan(rounds=2, steps=1)
    simulate("seismic/denoise", tmp_path / "sim", plan, sites=str(listed), smoke=True,
             compare=["federated"])  # fmt: skip
    recipe = scionwood.override(scionwood.resolve("seismic/denoise", smoke=True), CONSTANT)
    begin_round(recipe, tmp_path / "start")
    for number, site in enumerate("ab"):
        changes = [f"data.seed={number + 1}"]
        write_home(tmp_path / f"{site}.json", site, tmp_path / "start" / "recipe.yaml", changes)
    net = NetPlan(sites=("a", "b"), rounds=2, steps=1)
    rounds = Rounds(net, tmp_path / "start", tmp_path / "out")
    while not rounds.over:
        files = rounds.message()
        sent = {s: answer(files, net.order(rounds.number, s), tmp_path / f"{s}.json") for s in "ab"}
        assert rounds.close(sent) == {"a": "used", "b": "used"}
    rounds.finish()
    assert outcome(tmp_path / "out") == {"error": "", "last": "round2"}
    got, want = read_start(tmp_path / "out" / "round2"), read_start(tmp_path / "sim" / "global")
    for part in ("adapter", "head"):
        for name, value in getattr(want, part).items():
            torch.testing.assert_close(getattr(got, part)[name], value, rtol=0, atol=1e-6)


def test_a_round_closes_with_the_sites_that_answered_well_and_names_the_others(round_one, tmp_path):
    plan = NetPlan(sites=(*NAMES, "east", "far", "lost"), rounds=1)
    rounds = Rounds(plan, round_one / "start", tmp_path / "out")
    good = {name: packed(round_one / name) for name in NAMES}
    damaged = {**good["north"], "head.safetensors": b"x"}
    said = rounds.close({**good, "east": damaged, "far": good["south"]})
    assert [said[name] for name in NAMES] == ["used"] * 3
    assert "head.safetensors" in said["east"]
    assert "it comes from 'south'" in said["far"]
    assert said["lost"] == SILENT
    assert rounds.over
    kept = json.loads((tmp_path / "out" / "rounds.json").read_text())
    assert kept["rounds"][0]["sites"]["lost"] == SILENT
    assert (tmp_path / "out" / "round1" / "recipe.yaml").is_file()


def test_a_round_with_too_few_sites_does_not_close(round_one, tmp_path):
    rounds = Rounds(NetPlan(sites=NAMES), round_one / "start", tmp_path / "out")
    with pytest.raises(FederationError, match=r"1 sites are left.*south: broken disk"):
        rounds.close({"north": packed(round_one / "north"), "south": "broken disk"})
    assert not (tmp_path / "out" / "round1").exists()


def test_a_message_holds_known_names_only(round_one, tmp_path):
    files = packed(round_one / "start")
    assert "recipe.yaml" not in files
    with pytest.raises(AdapterFileError, match=r"\.\./evil"):
        unpacked({**files, "../evil": b"x"}, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_site_refuses_a_start_that_is_not_its_own(round_one, tmp_path):
    recipe = round_one / "start" / "recipe.yaml"
    write_home(tmp_path / "home.json", "north", recipe, ["data.seed=1"])
    files, plan = packed(round_one / "start"), NetPlan(sites=NAMES, steps=1)
    with pytest.raises(FederationError, match="it starts round 1, and round 2 was asked for"):
        answer(files, plan.order(2, "north"), tmp_path / "home.json")
    record = json.loads(files["federation.json"])
    other = {**files, "federation.json": json.dumps({**record, "recipe": "0" * 64}).encode()}
    with pytest.raises(FederationError, match="its recipe is another than expected"):
        answer(other, plan.order(1, "north"), tmp_path / "home.json")


def test_a_flower_app_holds_the_plan_and_two_lines_of_code(round_one, tmp_path):
    plan = NetPlan(sites=NAMES, rounds=3, rule="frozen_a", most_samples=100, timeout=60.0)
    export_flower(round_one / "start", tmp_path / "app", plan)
    assert plan_of(tmp_path / "app") == plan
    project = tomllib.loads((tmp_path / "app" / "pyproject.toml").read_text())["tool"]["flwr"][
        "app"
    ]
    for part, name in project["components"].items():
        module, variable = name.split(":")
        source = (tmp_path / "app" / f"{module.replace('.', '/')}.py").read_text()
        assert f"{variable} = {part.removesuffix('app')}_app()" in source
    assert read_start(tmp_path / "app" / "start").about.round == 0


@table(
    ("change", "words"),
    [
        ({"rule": "mean"}, "no rule has this name"),
        ({"rounds": 0}, "at least 1"),
        ({"least": 4}, "fewer than the 4"),
        ({"sites": ("a", "A", "b")}, "no two are alike"),
        ({"sites": ("a", "../b")}, "plain words"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(change, words):
    with pytest.raises(FederationError, match=words):
        NetPlan(**{"sites": NAMES, **change})


@table("rule", ["exact", "median", "frozen_a"])
def test_secure_sums_are_refused(round_one, tmp_path, rule, capsys):
    words = ["export", "flower", str(round_one / "start"), str(tmp_path / "app")]
    words += ["--sites", "[north, south]", "--rule", rule, "--secure"]
    assert main(["federated", *words]) == 2
    error = capsys.readouterr().err
    assert ("looks at them" in error) == (rule != "frozen_a")
    assert ("for its old API alone" in error) == (rule == "frozen_a")
    assert not (tmp_path / "app").exists()
