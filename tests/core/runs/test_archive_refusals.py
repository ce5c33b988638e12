"""What an archive behind an address may hold, and where its address may lead."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from http.client import HTTPMessage
from pathlib import Path
from urllib.request import Request

import pytest

import scionwood
from scionwood.errors import ReadError, ScionwoodError, TrainingError
from scionwood.runs import web

from .conftest import refused


def zipped(hub, change) -> str:
    """Serve the toy archive after a change, and return its reference with the right digest."""
    source = zipfile.ZipFile(io.BytesIO(hub.files["toy.zip"]))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        change(target)
    hub.files["toy.zip"] = content.getvalue()
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    return f"{hub.url}/files/toy.zip#sha256={digest}"


def test_an_archive_is_pulled_by_its_digest(archive, toy_run, hub, monkeypatch):
    folder = scionwood.find_run(reference := archive())
    assert scionwood.authoring.weights_digest(folder) == scionwood.authoring.weights_digest(toy_run)
    assert scionwood.find_run(Path(reference)) == folder  # as a command line reads it
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.files.clear()
    assert scionwood.pull(reference) == folder


def test_a_mirror_has_an_archive_by_its_name(archive, hub, monkeypatch):
    digest = archive().partition("#")[2]
    monkeypatch.setenv("SCIONWOOD_MIRROR", f"{hub.url}/files/")
    folder = scionwood.pull(f"https://elsewhere.invalid/some/toy.zip#{digest}")
    assert (folder / "recipe.yaml").is_file()
    monkeypatch.setenv("SCIONWOOD_MIRROR", "http://mirror.invalid")
    with pytest.raises(TrainingError, match="only https is encrypted"):
        scionwood.pull(f"https://elsewhere.invalid/b.zip#sha256={'0' * 64}")


def test_an_archive_that_does_not_arrive_whole_is_refused(archive, hub, monkeypatch):
    refused(f"{hub.url}/files/a.zip#sha256={'0' * 64}", ReadError, "the server answers 404")
    reference = archive()
    with monkeypatch.context() as patch:
        patch.setattr(web, "LARGEST", 1000)
        refused(reference, ReadError, "it has more than 1,000 bytes")
    hub.cut.add("toy.zip")
    refused(reference, ReadError, r"only [\d,]+ of [\d,]+ bytes arrived")
    hub.cut.clear()
    hub.files["toy.zip"] += b"\0"
    refused(reference, ReadError, "its SHA-256 is")


def test_a_redirection_stays_encrypted(hub):
    hub.redirects["/files/a.zip"] = "http://elsewhere.invalid/a.zip"
    reference = f"{hub.url}/files/a.zip#sha256={'0' * 64}"
    refused(reference, TrainingError, "http://elsewhere.invalid/a.zip: only https")
    request, plain = Request("https://host.invalid/a.zip"), "http://127.0.0.1/a.zip"
    with pytest.raises(ReadError, match=r"redirects to http://127\.0\.0\.1/a\.zip"):
        web._Redirects().redirect_request(request, io.BytesIO(), 302, "", HTTPMessage(), plain)


def link(target: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("figures/link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    target.writestr(info, "/etc/passwd")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda z: z.writestr("run.py", "1/0"), "entry 'run.py' is not a file of a run"),
        (lambda z: z.writestr("checkpoints/last.ckpt", ""), "entry 'checkpoints/last.ckpt'"),
        (lambda z: z.writestr("../recipe.yaml", ""), "leaves the folder"),
        (lambda z: z.writestr("/recipe.yaml", ""), "leaves the folder"),
        (link, "'figures/link.png' is a link"),
        (lambda z: z.writestr("figures/a.png", b"x" * ((16 << 20) + 1)), "16,777,217 bytes"),
    ],
    ids=["py", "ckpt", "dots", "absolute", "link", "large"],
)
def test_an_archive_of_a_stranger_holds_plain_files_of_a_run(archive, hub, change, match):
    archive()
    refused(zipped(hub, change), ScionwoodError, match)
