"""The page for a browser, opened from the disk, gives the answers of Python."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from browsing import opened_tab, until

from bangla_checker import TextError, normalise
from bangla_checker.page.__main__ import build
from bangla_checker.page.answer import answer
from scionwood_bangla.data.conversations import shipped

SENTENCES, CHUNK = 10_000, 500


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


@pytest.mark.slow
@pytest.mark.timeout(1200)  # Python in a browser takes minutes for 10,000 sentences
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm fetches Pyodide")
def test_the_page_gives_the_answers_of_python_without_a_network(tmp_path):
    page = build(tmp_path / "page.html")
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
        tab.show(Path(page), 900, 900, "light")
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
