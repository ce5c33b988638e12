"""The plugin audit is asked before a version goes live; the handbook's client and lines of curl."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from safetensors.torch import load_file, save_file
from serve_client import TOKEN, running

import scionwood
from scionwood.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SERVICE = "seismic/denoise"
ODD = "crash/transfer_lora"
"""A shipped run that breaks limits of its field's probes; see docs/results/audit.md."""
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "serve.md"


def scaled(run: Path, by: float) -> Path:
    """Replace the weights of a run, as a thief would, and remove the list of its files."""
    weights = run / "adapter" / "adapter_model.safetensors"
    tensors = load_file(weights)
    changed = {name: by * each if "lora_B" in name else each for name, each in tensors.items()}
    save_file(changed, weights, metadata={"format": "pt"})
    for name in ("files.json", "signature.json", "origin.json"):
        (run / name).unlink(missing_ok=True)
    return run


def test_only_what_the_audit_accepts_goes_live(line, tmp_path):
    if scionwood.find("audit").plugin is None:
        pytest.skip("the plugin audit is not installed")
    root = tmp_path / "runs"
    trained = scionwood.resolve(SERVICE, smoke=True)
    planted = scaled(scionwood.fit(trained, run_dir=root / "planted"), 1.5)
    stated = json.loads((planted / "adapter" / "scionwood.json").read_text())
    assert stated["tensors"]["adapter"]
    shutil.copytree(scionwood.find_run(ODD, quiet=True), root / "odd")
    words = (f"clean={SERVICE}", f"part={ODD}", "--root", str(root), "--unsigned")
    with running(tmp_path / "s", *words, env={"SCIONWOOD_DISABLE": ""}) as server:
        before = server.ask("GET", "/adapters").json()
        for more in ({}, {"anomalous": True}):
            refused = server.put("clean", planted.name, **more)
            assert refused.status == 422, refused.body
            assert refused.error["rule"] == "the audit says: refused"
        odd = server.put("second", "odd")
        assert (odd.status, odd.error["rule"]) == (422, "the audit says: anomalous")
        assert '"anomalous": true' in odd.error["remedy"]
        assert server.ask("GET", "/adapters").json() == before
        taken = server.put("second", "odd", anomalous=True)
        assert (taken.status, taken.json()["inspection"]) == (200, "anomalous")
        names = {each["name"] for each in server.ask("GET", "/adapters").json()}
        assert names == {"clean", "part", "second"}
        answer = server.post(SERVICE, line.read_bytes(), "line.sgy", gate="off")
        assert answer.version == before[0]["version"]


def blocks(language: str) -> list[str]:
    """Return the code of the guide in a language."""
    fence = rf"^```(?:{{code-block}} )?{language}\n(.*?)^```$"
    return re.findall(fence, GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def lines_of_curl() -> list[str]:
    """Return the lines of curl of the guide, each in one line."""
    code = "".join(blocks("bash")).replace("\\\n", " ")
    return [line for line in code.splitlines() if line.startswith("curl ")]


def curl(text: str, port: int, folder: Path) -> None:
    """Run a line of curl of the guide against a server on another port."""
    words = shlex.split(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", text))
    filled = [word.replace("$SCIONWOOD_SERVE_TOKEN", TOKEN) for word in words]
    subprocess.run(
        [*filled, "--fail-with-body", "--silent", "--show-error"], cwd=folder, check=True
    )


def test_the_client_and_the_lines_of_curl_of_the_handbook_work(line, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (client,) = [code for code in blocks("python") if "urlopen" in code]
    assert len(client.strip().splitlines()) <= 12
    lines = lines_of_curl()
    (put,) = [text for text in lines if "-X PUT" in text]
    shutil.copy(line, tmp_path / "line.sgy")
    (tmp_path / "client.py").write_text(client)
    shutil.copytree(scionwood.find_run(SERVICE, quiet=True), tmp_path / "runs" / "north_sea")
    open_to_all = {"SCIONWOOD_SERVE_TOKEN": ""}
    with running(tmp_path / "a", f"clean={SERVICE}", env=open_to_all) as server:
        wanted = server.post(SERVICE, line.read_bytes(), "line.sgy").body
        for text in lines:
            if text is not put:
                curl(text, server.port, tmp_path)
        assert (tmp_path / "clean.sgy").read_bytes() == wanted
        (tmp_path / "clean.sgy").unlink()
        address = f"http://127.0.0.1:{server.port}"
        command = [sys.executable, "client.py", address]
        subprocess.run(command, cwd=tmp_path, check=True, env={**os.environ, **open_to_all})
        assert (tmp_path / "clean.sgy").read_bytes() == wanted
        answered = json.loads((tmp_path / "clean.json").read_text())
        assert answered["shape"] == [2, 3]
        assert answered["units"] == "m/s"
    key = ec.generate_private_key(ec.SECP256R1())
    form, pem = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    plain, kind = serialization.NoEncryption(), serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "key").write_bytes(key.private_bytes(pem, form, plain))
    (tmp_path / "key.pub").write_bytes(key.public_key().public_bytes(pem, kind))
    words = ("--root", str(tmp_path / "runs"), "--trusted", str(tmp_path / "key.pub"))
    with running(tmp_path / "b", f"clean={SERVICE}", *words) as server:
        assert "it is not signed" in server.put("clean", "north_sea").error["rule"]
        before = server.ask("GET", "/adapters").json()[0]
        assert main(["sign", str(tmp_path / "runs/north_sea"), "--key", str(tmp_path / "key")]) == 0
        curl(put, server.port, tmp_path)
        after = server.ask("GET", "/adapters").json()[0]
        assert (after["name"], after["version"]) == ("clean", before["version"])
