"""A federation by files: real runs, real folders, and what is refused before a tensor is summed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from case_table import table
from safetensors.torch import load_file, save_file

import scionwood
from scionwood import AdapterFileError, OutputExistsError, adapters
from scionwood_federated import (
    FederationError,
    pool,
    rank_sites,
    read_update,
    train_site,
    write_update,
)
from scionwood_federated.rules.low_rank import dense, pairs
from scionwood_federated.update.folder import read_start, update_of

from .conftest import NAMES


@pytest.fixture
def sent(round_one: Path, tmp_path: Path) -> Path:
    """Return a copy of the round, which a test may damage."""
    return copied(round_one, tmp_path)


def copied(round_one: Path, folder: Path) -> Path:
    for name in (*NAMES, "start"):
        shutil.copytree(round_one / name, folder / name)
    return folder


def test_an_update_holds_no_path_and_no_data(round_one):
    names = {
        p.relative_to(round_one / "north").as_posix() for p in (round_one / "north").rglob("*")
    }
    assert names == {
        "adapter",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "adapter/scionwood.json",
        "head.safetensors",
        "site.json",
    }
    record = json.loads((round_one / "north" / "site.json").read_text())
    assert (record["samples"], record["steps"], record["round"]) == (8, 2, 1)
    assert "seed" in record["own"]
    assert "source" not in record
    assert str(round_one) not in (round_one / "north" / "site.json").read_text()


def test_the_pool_is_a_run_and_the_start_of_the_next_round(round_one, tmp_path):
    report = pool([round_one / name for name in NAMES], tmp_path / "g", start=round_one / "start")
    assert report.sites == dict.fromkeys(NAMES, 8)
    task = scionwood.load_run(tmp_path / "g")
    assert not any(p.requires_grad for p in task.parameters())
    updates = [read_update(round_one / name) for name in NAMES]
    mean = {name: sum(dense(pairs(u)[name]) for u in updates) / 3 for name in pairs(updates[0])}
    got = {name: dense(pair) for name, pair in pairs(read_start(tmp_path / "g")).items()}
    lost = sum(float((got[k] - mean[k]).square().sum()) for k in mean)
    total = sum(float(mean[k].square().sum()) for k in mean)
    assert lost / total < report.lost * 2 + 1e-9
    assert read_start(tmp_path / "g").about.round == 1


def test_held_factors_do_not_move_and_pool_exactly(round_one, held_a, tmp_path):
    start, update = round_one / "start", update_of(held_a, site="a")
    for name, value in update.adapter.items():
        assert torch.equal(value, read_start(start).adapter[name]) == ("lora_A" in name)
    write_update(update, tmp_path / "a")
    write_update(update_of(held_a, site="b"), tmp_path / "b")
    report = pool([tmp_path / "a", tmp_path / "b"], tmp_path / "g", rule="frozen_a", start=start)
    assert report.lost == 0.0
    with pytest.raises(FederationError, match=r"A of .*north and a"):
        pool([round_one / "north", tmp_path / "a"], tmp_path / "h", rule="frozen_a", start=start)


Damage = Callable[[Path], object]
Tensors = dict[str, torch.Tensor]


def _record(key: str, value: object) -> Damage:
    def change(folder: Path) -> None:
        path = folder / "site.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

    return change


def _restate(folder: Path, tensors: Tensors) -> None:
    """State the hash of other tensors, as a site would that means harm."""
    record = folder / "adapter" / "scionwood.json"
    adapters.state_hash(record, "adapter", adapters.tensors_hash(tensors))


def _tensors(change: Callable[[Tensors], object]) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "adapter" / "adapter_model.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)
        _restate(folder, tensors)

    return damage


def _config(**changes: object) -> Damage:
    def change(folder: Path) -> None:
        path = folder / "adapter" / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def _fill(value: float) -> Damage:
    return _tensors(lambda tensors: next(iter(tensors.values())).view(-1)[:1].fill_(value))


def _add(tensors: Tensors) -> None:
    tensors["base_model.model.h.weight"] = torch.ones(2)


def _truncate(folder: Path) -> None:
    path = folder / "adapter" / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


REFUSED: dict[str, tuple[Damage, str]] = {
    "another base": (_record("base", "0" * 64), "another base"),
    "another recipe": (_record("recipe", "0" * 64), "its recipe is not that of site north"),
    "other targets": (_config(target_modules=["qkv"]), "its adapter has target_modules=['qkv']"),
    "a rank that its tensors do not have": (_config(r=2), "its config states the rank 2"),
    "another rank pattern": (_config(rank_pattern={".*qkv": 3}), "its config states the rank 3"),
    "another kind of the method": (_config(use_rslora=True), "its adapter has use_rslora=True"),
    "other preprocessing": (_record("preprocessing", "0" * 64), "its preprocessing is not"),
    "another round": (_record("round", 7), "its round number is not that"),
    "another start": (_record("start", "0" * 64), "its start is not that"),
    "one site twice": (_record("site", " North "), "two updates come from it"),
    "a name of control characters": (_record("site", "a\x1b[2J"), "site.json: site, samples"),
    "no samples": (_record("samples", 0), "no samples"),
    "absurd samples": (_record("samples", 10**9), "claims 1000000000 samples"),
    "not a number": (_fill(float("nan")), "not finite"),
    "1e30": (_fill(1e30), "beyond 1e"),
    "an extra tensor": (_tensors(_add), "its adapter has 'base_model.model.h.weight'"),
    "a missing tensor": (_tensors(Tensors.popitem), "its adapter lacks"),
    "an extra file": (lambda folder: (folder / "notes.pkl").write_bytes(b"x"), "notes.pkl"),
    "a truncated file": (_truncate, "bytes of data"),
    "no record": (lambda folder: (folder / "site.json").unlink(), "site.json"),
}


@table("fault", REFUSED)
def test_an_update_with_a_fault_is_refused_by_name_and_nothing_is_written(
    round_one, tmp_path, fault
):
    damage, words = REFUSED[fault]
    sent = copied(round_one, tmp_path)
    damage(sent / "south")
    with pytest.raises((FederationError, AdapterFileError), match=r"south|North") as error:
        pool([sent / name for name in NAMES], sent / "out")
    assert words in str(error.value)
    assert not (sent / "out").exists()


def test_another_rank_is_pooled_by_exact_and_refused_by_rules_of_factors(sent):
    update = sent / "south" / "adapter"
    config = json.loads((update / "adapter_config.json").read_text())
    (update / "adapter_config.json").write_text(json.dumps({**config, "r": 8, "lora_alpha": 16}))
    half = {
        k: (v[:8] if "lora_A" in k else v[:, :8]).contiguous()
        for k, v in load_file(update / "adapter_model.safetensors").items()
    }
    save_file(half, update / "adapter_model.safetensors")
    _restate(sent / "south", half)
    with pytest.raises(FederationError, match="site south: its adapter has lora_alpha=16"):
        pool([sent / name for name in NAMES], sent / "out", rule="frozen_a")
    assert pool([sent / name for name in NAMES], sent / "out").sites["south"] == 8


def test_a_method_without_a_meaningful_mean_is_refused(sent):
    for name in NAMES:
        path = sent / name / "adapter" / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "use_dora": True}))
    with pytest.raises(FederationError, match="LORA with use_dora: averages of its parameters"):
        pool([sent / name for name in NAMES], sent / "out")


def test_the_start_of_another_round_is_refused(sent):
    pool([sent / name for name in NAMES], sent / "next", start=sent / "start")
    with pytest.raises(FederationError, match="its round is 1, and this start is that of round 2"):
        pool([sent / name for name in NAMES], sent / "out", start=sent / "next")


def test_nothing_is_replaced(sent):
    (sent / "out").mkdir()
    with pytest.raises(OutputExistsError):
        pool([sent / name for name in NAMES], sent / "out")


def test_a_flipped_copied_module_is_ranked_first(round_one):
    start, update = read_start(round_one / "start"), read_update(round_one / "north")
    name, step = "base_model.model.norm.weight", torch.randn(64)
    start = replace(start, adapter={**start.adapter, name: torch.ones(64)})
    moved = [
        replace(update, adapter={**update.adapter, name: 1 + sign * step},
                about=replace(update.about, site=site))
        for site, sign in (("a", 1), ("b", 1), ("c", 1), ("bad", -1))
    ]  # fmt: skip
    scores = rank_sites(moved, start)
    assert (scores[0].site, scores[0].apart) == ("bad", True)
    assert not any(site.apart for site in scores[1:])


@pytest.mark.usefixtures("_undrawn")
def test_a_personal_head_stays_at_its_site(round_one, tmp_path):
    for site in ("north", "south"):
        update = update_of(round_one / "runs" / site, site=site, personal=True)
        write_update(update, tmp_path / site)
        assert not (tmp_path / site / "head.safetensors").exists()
    pool([tmp_path / "north", tmp_path / "south"], tmp_path / "g", start=round_one / "start")
    assert not (tmp_path / "g" / "head.safetensors").exists()
    run = train_site(round_one / "start" / "recipe.yaml", tmp_path / "g", tmp_path / "second",
                     head_of=round_one / "runs" / "north")  # fmt: skip
    assert (run / "head.safetensors").exists()
    assert update_of(run, site="north", personal=True).about.round == 2
