"""Signed runs: with keys required, nothing that another one signed or changed is loaded."""

from __future__ import annotations

import base64
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import scionwood
from scionwood.adapters import load_adapter, load_head, save_adapter, save_head
from scionwood.cli import main
from scionwood.errors import AdapterFileError, TrainingError
from scionwood.recipes.recipe import resolve
from scionwood.runs.manifest import write_manifest
from scionwood_share.publish import push

pytest.importorskip("model_signing", reason="the extra `sign` is not installed")
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

TENSORS = "adapter/adapter_model.safetensors"
REQUIRED = "SCIONWOOD_REQUIRE_SIGNED"


def make_key(place: Path, name: str) -> Path:
    """Write `NAME.key`, and its public key in a folder `NAME`; return the private one."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = place / f"{name}.key"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (place / name).mkdir()
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    (place / name / "key.pem").write_bytes(key.public_key().public_bytes(pem, kind))
    return path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no socket connect."""
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it used the network"))


@pytest.fixture
def run(toy_run: Path, tmp_path: Path, offline: None) -> Path:
    """A signed copy of the toy run; `ours` has the public key, and `theirs` another one."""
    run = Path(shutil.copytree(toy_run, tmp_path / "run"))
    key = make_key(tmp_path, "ours")
    make_key(tmp_path, "theirs")
    assert main(["sign", str(run), "--key", str(key)]) == 0
    return run


def test_verify_names_the_key(run, tmp_path, capsys):
    assert main(["verify", str(run), "--key", str(tmp_path / "ours/key.pem")]) == 0
    assert "5 files are as files.json states; signed by key.pem" in capsys.readouterr().out
    assert main(["verify", str(run)]) == 0
    assert "the signature was not checked" in capsys.readouterr().out
    assert main(["verify", str(run), "--key", str(tmp_path / "theirs")]) == 2
    assert "its signature is not of one of the keys (key.pem)" in capsys.readouterr().err
    assert main(["verify", str(run), "--key", str(tmp_path / "none")]) == 2
    assert "there is no public key" in capsys.readouterr().err


def loads(run: Path) -> dict[str, Any]:
    """What loads a run, or a part of it."""
    backbone = resolve(run / "recipe.yaml").backbone.build()
    return {
        "find_run": lambda: scionwood.find_run(run),
        "load_run": lambda: scionwood.load_run(run),
        "test": lambda: scionwood.test(run),
        "load_adapter": lambda: load_adapter(backbone, run / "adapter"),
        "load_head": lambda: load_head(backbone, run / "head.safetensors"),
    }


@pytest.mark.parametrize("way", ["find_run", "load_run", "test", "load_adapter", "load_head"])
def test_with_keys_required_only_their_runs_load(way, run, tmp_path, monkeypatch):
    load = loads(run)[way]
    monkeypatch.setenv(REQUIRED, str(tmp_path / "ours"))
    load()
    load = loads(run)[way]
    monkeypatch.setattr("scionwood.adapters.untrusted.raw_tensors", None)
    monkeypatch.setattr("scionwood.adapters.content.raw_tensors", None)
    monkeypatch.setenv(REQUIRED, str(tmp_path / "theirs"))
    with pytest.raises(AdapterFileError, match="not of one of the keys"):
        load()
    (run / "signature.json").unlink()
    with pytest.raises(AdapterFileError, match="it is not signed"):
        load()
    (run / "files.json").unlink()
    with pytest.raises(AdapterFileError, match="it is not signed"):
        load()
    monkeypatch.setenv(REQUIRED, str(tmp_path / "no such keys"))
    with pytest.raises(TrainingError, match="no public key"):
        load()


def test_a_changed_file_with_a_new_manifest_is_not_signed(run, tmp_path, monkeypatch):
    monkeypatch.setenv(REQUIRED, str(tmp_path / "ours"))
    signature = (run / "signature.json").read_bytes()
    state = load_file(run / TENSORS)
    save_file({name: value + 1 for name, value in state.items()}, run / TENSORS)
    with pytest.raises(AdapterFileError, match=TENSORS):
        scionwood.load_run(run)
    write_manifest(run)
    assert not (run / "signature.json").exists()
    (run / "signature.json").write_bytes(signature)
    with pytest.raises(AdapterFileError, match="not of one of the keys"):
        scionwood.load_run(run)


Record = dict[str, Any]


def _dumped(record: Record, **envelope: Any) -> bytes:
    return json.dumps({**record, "dsseEnvelope": record["dsseEnvelope"] | envelope}).encode()


def _other(record: Record) -> str:
    payload = json.loads(base64.b64decode(record["dsseEnvelope"]["payload"]))
    return base64.b64encode(json.dumps({**payload, "predicateType": "other"}).encode()).decode()


FORGED: dict[str, Callable[[Record], bytes]] = {
    "no text": lambda record: b"",
    "no JSON": lambda record: b"\xff{",
    "another value": lambda record: b"[1]",
    "no key": lambda record: _dumped({**record, "verificationMaterial": {}}),
    "no signatures": lambda record: _dumped(record, signatures=[]),
    "another payload": lambda record: _dumped(record, payload=_other(record)),
    "deep": lambda record: b"[" * 500_000,
    "large": lambda record: b" " * (2 << 20),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_signature_is_refused(case, run, tmp_path, monkeypatch):
    path = run / "signature.json"
    path.write_bytes(FORGED[case](json.loads(path.read_text())))
    monkeypatch.setenv(REQUIRED, str(tmp_path / "ours"))
    with pytest.raises(AdapterFileError, match=r"not of one of the keys|more than 1,048,576 bytes"):
        scionwood.load_run(run)


def test_an_adapter_alone_is_signed_too(run, tmp_path, monkeypatch):
    model = scionwood.load_run(run).backbone
    save_adapter(model, tmp_path / "alone")
    save_head(model, tmp_path / "alone/head.safetensors")
    monkeypatch.setenv(REQUIRED, str(tmp_path / "ours/key.pem"))
    with pytest.raises(AdapterFileError, match="it is not signed"):
        load_adapter(resolve(run / "recipe.yaml").backbone.build(), tmp_path / "alone")
    assert main(["sign", str(tmp_path / "alone"), "--key", str(tmp_path / "ours.key")]) == 0
    tuned = load_adapter(resolve(run / "recipe.yaml").backbone.build(), tmp_path / "alone")
    load_head(tuned, tmp_path / "alone/head.safetensors")


def test_a_shared_run_keeps_its_signature(run, tmp_path, capsys):
    push(run, str(tmp_path / "run.zip"))
    shutil.unpack_archive(tmp_path / "run.zip", tmp_path / "theirs")
    for name in ("files.json", "signature.json"):
        assert (tmp_path / "theirs" / name).read_bytes() == (run / name).read_bytes()
    text = (
        (run / "recipe.yaml").read_text().replace("init_seed: 0", "init_seed: 0\n  note: /data/x")
    )
    (run / "recipe.yaml").write_text(text)
    assert main(["verify", str(run), "--write"]) == 0
    assert main(["sign", str(run), "--key", str(tmp_path / "ours.key")]) == 0
    capsys.readouterr()
    push(run, str(tmp_path / "run.zip"), force=True)
    assert "signature.json is not shared: recipe.yaml" in capsys.readouterr().err
    shutil.unpack_archive(tmp_path / "run.zip", tmp_path / "again")
    assert not (tmp_path / "again/signature.json").exists()


def test_a_key_that_cannot_be_read_is_named(run, tmp_path, capsys):
    key = tmp_path / "bad.pem"
    for content in ("", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n"):
        key.write_text(content)
        for word in ("sign", "verify"):
            assert main([word, str(run), "--key", str(key)]) == 2
            assert f"key {key}: it cannot be read" in capsys.readouterr().err
