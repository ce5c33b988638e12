"""The page and the extensions carry the checker, and give its answers where writers write."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browsing import opened_tab, until
from chromium import started

from bangla_checker import TextError, normalise
from bangla_checker.extensions.__main__ import build as build_all
from bangla_checker.extensions.archives import source
from bangla_checker.page.__main__ import build
from bangla_checker.page.answer import answer
from scionwood_bangla.data.conversations import shipped

SENTENCES, CHUNK = 10_000, 500
HERE = Path(__file__).parent
SWITCH = "--disable-features=DisableLoadExtensionCommandLineSwitch"
BADGE = "document.querySelector('bangla-checker')?.shadowRoot"


def sentences() -> list[str]:
    """The first different sentences of the shipped conversations."""
    found: dict[str, None] = {}
    for example in shipped("train"):
        for message in example.messages:
            found |= dict.fromkeys(re.findall(r"[^।?!\n]+[।?!]", message.content))
    return list(found)[:SENTENCES]


def test_an_answer_has_faults_a_summary_and_the_text_at_one_level():
    found = json.loads(answer("আপনি কেমন আছ?", "", "bn"))
    assert normalise(found["fixed"]) == normalise("আপনি কেমন আছেন?")
    assert found["faults"][0]["suggestions"] == [normalise("আছেন")]
    assert "most are Latin" in json.loads(answer("Only English", "", "en"))["error"]


def test_an_archive_of_another_release_is_refused(tmp_path):
    (tmp_path / "a.tgz").write_bytes(b"another release")
    with pytest.raises(TextError, match="SHA-256"):
        build(tmp_path / "page.html", tmp_path / "a.tgz")
    assert not (tmp_path / "page.html").exists()


def test_the_archive_of_the_package_runs_alone(tmp_path):
    (tmp_path / "checker.pyz").write_bytes(source())
    (tmp_path / "a.txt").write_text("আপনি কেমন আছ?", "utf-8")
    command = [sys.executable, "-I", "checker.pyz", "a.txt", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["faults"][0]["suggestions"] == [normalise("আছেন")]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    if shutil.which("npm") is None:
        pytest.skip("npm fetches Pyodide and the client of VS Code")
    return build_all(tmp_path_factory.mktemp("built"))


@pytest.mark.slow
def test_vs_code_shows_faults_of_bangla_alone(built, tmp_path):
    zipfile.ZipFile(built / "bangla-checker.vsix").extractall(tmp_path)
    command = ["node", HERE / "vscode_client.cjs", tmp_path, sys.executable]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert (told["bangla"], told["english"]) == (["agreement"], [])
    assert normalise(told["actions"][0]) == normalise("লিখুন: আছেন")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_marks_a_word_behind_an_emoji(built, tmp_path):
    place = Path("/tmp") / f"office-{os.getpid()}"  # another user cannot read the folder of a test
    place.mkdir(mode=0o777)
    try:
        shutil.copy(built / "bangla-checker.oxt", place)
        place.chmod(0o777)
        user = (
            ["setpriv", *["--reuid=65534", "--regid=65534", "--clear-groups"]]
            if os.geteuid() == 0
            else []
        )
        shutil.copy(HERE / "office_client.py", place)
        client = [place / name for name in ("office_client.py", "", "bangla-checker.oxt")]
        command = [*user, "/usr/bin/python3", *client]
        env = {"HOME": str(place), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        done = subprocess.run(command, cwd=place, env=env, stdout=subprocess.PIPE, check=True)
    finally:
        shutil.rmtree(place)
    told = json.loads(done.stdout)
    assert told["configured"] == ["org.scionwood.BanglaProofreader"]
    assert told["marks"] == [[13, 2, "agreement", [normalise("আছেন")]]]
    assert told["spelling"] in ([], [True, False])  # hunspell-bn is apart, where it is installed


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="a headless shell has no extensions")
def test_chromium_marks_a_text_field(built, tmp_path):
    zipfile.ZipFile(built / "bangla-checker-chromium.zip").extractall(tmp_path / "x")
    (tmp_path / "a.html").write_text("<meta charset=utf-8><textarea id=field></textarea>", "utf-8")
    browser = tmp_path / "browser.sh"
    browser.write_text(f'#!/bin/sh\nexec chromium {SWITCH} --load-extension={tmp_path}/x "$@"\n')
    browser.chmod(0o755)
    answers = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), answers) as server, started(str(browser)) as tab:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tab.ask("Page.navigate", url=f"http://127.0.0.1:{server.server_port}/a.html")
        until(tab, "document.readyState === 'complete' && Boolean(window.field)")
        tab.value(
            "field.value = 'আপনি কেমন আছ?'; field.dispatchEvent(new Event('input', {bubbles: 1}))"
        )
        until(tab, f"{BADGE}?.querySelector('#list button') != null")
        tab.value(f"{BADGE}.querySelector('#list button').click()")
        assert normalise(tab.value("field.value")) == normalise("আপনি কেমন আছেন?")
        server.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(1200)  # Python in a browser takes minutes for 10,000 sentences
def test_the_page_gives_the_answers_of_python_without_a_network(built):
    page = built / "bangla.html"
    texts = sentences()
    assert len(texts) == SENTENCES
    with opened_tab() as tab:
        tab.ask(
            "Network.emulateNetworkConditions",
            offline=True,
            latency=0,
            downloadThroughput=0,
            uploadThroughput=0,
        )
        tab.show(page, 900, 900, "light")
        until(tab, "!document.getElementById('check').disabled")
        for at in range(0, SENTENCES, CHUNK):
            chunk = texts[at : at + CHUNK]
            told = json.dumps(chunk)
            given = tab.value(f"{told}.map(text => answer(text, 'apni', 'bn'))")
            assert given == [answer(text, "apni", "bn") for text in chunk]
        tab.value("by('text').value = 'আপনি কেমন আছ?'; by('form').requestSubmit()")
        until(tab, "by('fixed').textContent.length > 0")
        assert normalise(tab.value("by('fixed').textContent")) == normalise("আপনি কেমন আছেন?")
        assert tab.problems == []
