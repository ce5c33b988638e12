"""The page at `/` in a real browser: a file in, before and after, a file out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import opened_tab, until
from serve_client import TOKEN, Server

import scionwood

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def tab() -> Iterator[Any]:
    with opened_tab() as tab:
        yield tab


def choose(tab: Any, server: Server, adapter: str, service: str, file: Path) -> None:
    """Open the page, give the token, choose an adapter, a service and a file, and send."""
    tab.ask("Page.navigate", url=f"http://127.0.0.1:{server.port}/")
    until(tab, "document.readyState === 'complete' && !!document.getElementById('told')")
    until(tab, "document.getElementById('told').textContent.includes('Authorization')")
    tab.value(
        f"(() => {{ const box = document.getElementById('token'); box.value = '{TOKEN}';"
        " box.dispatchEvent(new Event('change')); })()"
    )
    until(tab, "document.getElementById('adapter').options.length > 0")
    tab.value(
        f"(() => {{ const box = document.getElementById('adapter'); box.value = '{adapter}';"
        " box.dispatchEvent(new Event('change'));"
        f" document.getElementById('service').value = '/v1/{service}'; }})()"
    )
    root = tab.ask("DOM.getDocument")["root"]["nodeId"]
    node = tab.ask("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
    tab.ask("DOM.setFileInputFiles", files=[str(file)], nodeId=node)
    tab.value("document.getElementById('send').click()")


@pytest.mark.parametrize("field", ["seismic", "biomed", "bangla"])
def test_a_file_is_shown_before_and_after(field, tab, server, line, tmp_path):
    scionwood.load("readers", "biomed/nifti").write_sample(tmp_path / "v.nii.gz")
    (tmp_path / "letter.txt").write_text("স্যার, তুমি কবে আসবে?", "utf-8")
    cases = {
        "seismic": ("clean", "seismic/denoise", line),
        "biomed": ("few", "biomed/classify", tmp_path / "v.nii.gz"),
        "bangla": ("register_tiny", "bangla/check", tmp_path / "letter.txt"),
    }
    tab.problems.clear()
    choose(tab, server, *cases[field])
    until(tab, "document.getElementById('told').textContent.startsWith('Answer of ')")
    until(tab, "!document.getElementById('shown').hidden")
    assert tab.value("document.getElementById('shown').src").startswith("http://127.0.0.1")
    name = tab.value("document.getElementById('download').download")
    assert name == ("line_clean.sgy" if field == "seismic" else "answer.json")
    assert tab.value("document.getElementById('download').href").startswith("blob:")
    assert tab.value("document.scrollingElement.scrollWidth - innerWidth") <= 0
    # The first question without a token is refused, and nothing else fails.
    assert [text for text in tab.problems if "401" not in text] == []


def test_a_refusal_is_shown_in_words(tab, server, tmp_path):
    (tmp_path / "broken.sgy").write_bytes(b"x" * 100)
    choose(tab, server, "clean", "seismic/denoise", tmp_path / "broken.sgy")
    until(tab, "document.getElementById('told').textContent.includes('3600 bytes of headers')")
    assert tab.value("document.getElementById('told').className") == "refused"
    assert tab.value("document.getElementById('shown').hidden")
