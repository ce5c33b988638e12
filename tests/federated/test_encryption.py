"""Sums of encrypted updates: equal to plain ones, unreadable by the server, and their limits."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from case_table import table

from scionwood import AdapterFileError
from scionwood.cli import main
from scionwood_federated import (
    FederationError,
    Update,
    apply,
    update_of,
)
from scionwood_federated.privacy.encryption import (
    make_keys,
    prune_rate,
    pruned,
    read_key,
)
from scionwood_federated.privacy.folders import decrypt_sum, sum_encrypted, write_encrypted
from scionwood_federated.update.folder import read_start

from .conftest import NAMES

pytest.importorskip("tenseal")


@pytest.fixture(scope="module")
def encrypted(round_one: Path, held_a: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with keys, and three encrypted updates made from a run that held A."""
    folder = tmp_path_factory.mktemp("encrypted")
    make_keys(folder / "keys")
    for number, site in enumerate(NAMES):
        update = varied(held_a, number)
        write_encrypted(update, round_one / "start", folder / "keys" / "public.key", folder / site)
    return folder


def varied(run: Path, number: int) -> Update:
    """Return the update of a run, whose moving tensors are those of another site."""
    update = update_of(run, site=NAMES[number], samples=8 * (number + 1))
    adapter = {k: v * (1 + number) if "lora_B" in k else v for k, v in update.adapter.items()}
    return replace(update, adapter=adapter)


def test_the_sum_of_encrypted_updates_is_that_of_plain_ones(encrypted, round_one, held_a, tmp_path):
    keys = encrypted / "keys"
    about = sum_encrypted([encrypted / s for s in NAMES], keys / "public.key", tmp_path / "sum")
    assert about.samples == 48
    start = round_one / "start"
    decrypt_sum(tmp_path / "sum", keys / "secret.key", start, tmp_path / "next")
    got = read_start(tmp_path / "next")
    updates = [varied(held_a, number) for number in range(3)]
    want = apply("frozen_a", updates, [1 / 6, 2 / 6, 3 / 6], read_start(start))
    for part in ("adapter", "head"):
        for name, value in getattr(want, part).items():
            found = getattr(got, part)[name]
            torch.testing.assert_close(found, value, rtol=0, atol=1e-6)


def test_the_server_has_no_key_that_decrypts(encrypted, tmp_path):
    public = encrypted / "keys" / "public.key"
    sum_encrypted([encrypted / s for s in NAMES], public, tmp_path / "sum")
    code = (
        "import sys, tenseal\n"
        "content = open(sys.argv[1], 'rb').read()\n"
        "key = tenseal.context_from(content[content.index(b'\\n') + 17:])\n"
        "block = open(sys.argv[2], 'rb').read()\n"
        "size = int.from_bytes(block[:8], 'little')\n"
        "vector = tenseal.ckks_vector_from(key, block[8:8 + size])\n"
        "print('read')\n"
        "vector.decrypt()\n"
    )
    words = [sys.executable, "-c", code, str(public), str(tmp_path / "sum" / "values.ckks")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "read\n")
    assert "secret_key" in done.stderr
    assert not read_key(public).context.is_private()
    assert oct((encrypted / "keys" / "secret.key").stat().st_mode)[-3:] == "600"


def test_an_encrypted_update_holds_no_weight(encrypted):
    names = {p.name for p in (encrypted / "north").rglob("*") if p.is_file()}
    assert names == {"adapter_config.json", "scionwood.json", "site.json", "values.ckks"}


@table("rule", ["exact", "median", "trimmed"])
def test_rules_that_need_single_updates_are_refused(encrypted, tmp_path, rule, capsys):
    words = ["--rule", rule, "--key", str(encrypted / "keys" / "public.key")]
    folders = [str(encrypted / site) for site in NAMES]
    assert main(["federated", "pool", *folders, str(tmp_path / "s"), *words]) == 2
    assert "it looks at single updates, and encryption hides them" in capsys.readouterr().err


def test_what_looks_at_single_updates_is_refused(encrypted, round_one, tmp_path, capsys):
    folders = [str(encrypted / site) for site in NAMES]
    recipe = str(round_one / "start" / "recipe.yaml")
    losses = ["losses", *folders, recipe, str(tmp_path / "l.json"), "--site", "north"]
    for words in (["check", *folders], losses):
        assert main(["federated", *words]) == 2
        assert "encryption hides them" in capsys.readouterr().err


def test_a_run_that_did_not_hold_a_is_refused(encrypted, round_one, tmp_path):
    update = update_of(round_one / "runs" / "north", samples=8)
    with pytest.raises(FederationError, match="A moved"):
        write_encrypted(update, round_one / "start", encrypted / "keys" / "public.key",
                        tmp_path / "u")  # fmt: skip


def test_another_key_and_damage_are_refused(encrypted, round_one, tmp_path):
    make_keys(tmp_path / "keys")
    public, folders = encrypted / "keys" / "public.key", [encrypted / s for s in NAMES]
    with pytest.raises(FederationError, match="one public key"):
        sum_encrypted(folders, tmp_path / "keys" / "public.key", tmp_path / "s")
    sum_encrypted(folders, public, tmp_path / "s")
    start = round_one / "start"
    with pytest.raises(FederationError, match="encrypted with another key"):
        decrypt_sum(tmp_path / "s", tmp_path / "keys" / "secret.key", start, tmp_path / "n")
    with pytest.raises(FederationError, match="has no secret"):
        decrypt_sum(tmp_path / "s", public, start, tmp_path / "n")
    values = tmp_path / "s" / "values.ckks"
    values.write_bytes(values.read_bytes()[:-10])
    with pytest.raises(AdapterFileError, match="truncated"):
        decrypt_sum(tmp_path / "s", encrypted / "keys" / "secret.key", start, tmp_path / "n")


def test_pruning_begins_after_a_fifth_of_the_rounds_and_its_mask_comes_from_the_update():
    assert [prune_rate(n) for n in (1, 40, 41, 200, 300)] == [0.0, 0.0, 0.201875, 0.5, 0.5]
    change = torch.tensor([3.0, -0.1, 0.2, -5.0])
    assert pruned(change, 0.5).tolist() == [3.0, 0.0, 0.0, -5.0]
    assert torch.equal(pruned(change, 0.0), change)


def test_pruned_values_keep_the_start(encrypted, round_one, held_a, tmp_path):
    start = read_start(round_one / "start")
    update = update_of(held_a, site="north", samples=8)
    late = replace(update, about=replace(update.about, round=200))
    keys = encrypted / "keys"
    for site in ("north", "south"):
        sent = replace(late, about=replace(late.about, site=site))
        write_encrypted(sent, round_one / "start", keys / "public.key", tmp_path / site)
    sum_encrypted([tmp_path / "north", tmp_path / "south"], keys / "public.key", tmp_path / "sum")
    decrypt_sum(tmp_path / "sum", keys / "secret.key", round_one / "start", tmp_path / "next")
    after = read_start(tmp_path / "next")
    moved = {name for name in update.adapter if "lora_B" in name}
    gaps = {name: (after.adapter[name] - start.adapter[name]).abs() for name in moved}
    still = sum(int((gap < 1e-7).sum()) for gap in gaps.values())
    assert still >= 0.3 * sum(gap.numel() for gap in gaps.values())
    assert max(float(gap.max()) for gap in gaps.values()) > 1e-4
