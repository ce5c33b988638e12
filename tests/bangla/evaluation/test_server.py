"""The local page: over HTTP, and in a real browser."""

import json
import threading
from http.client import HTTPConnection

import pytest
from browsing import opened_tab, until
from case_table import table

from scionwood import RecipeError
from scionwood_bangla.evaluation.server import LARGEST, page_server
from scionwood_bangla.text.normalise import normalise

TEXT = "আপনি কেমন আছ?"


@pytest.fixture(scope="module")
def port():
    with page_server(0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def ask(port, method="GET", path="/", body=None, **headers):
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply, content


def check(port, record, **headers):
    body = json.dumps(record) if isinstance(record, dict) else record
    return ask(port, "POST", "/check", body, **{"Content-Type": "application/json", **headers})


@table("path", ["/", "/page.js", "/page.css", "/font.css"])
def test_the_page_loads_nothing_from_elsewhere(port, path):
    reply, content = ask(port, path=path)
    assert reply.status == 200
    assert b"http:" not in content
    assert b"https:" not in content
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


def test_a_text_is_checked_and_rewritten(port):
    reply, content = check(port, {"text": TEXT, "register": "apni"})
    record = json.loads(content)
    assert reply.status == 200
    assert [fault["word"] for fault in record["faults"]] == ["আছ"]
    assert record["fixed"] == normalise("আপনি কেমন আছেন?")
    assert record["level"] == "apni"


@table(
    ("body", "status", "says"),
    [
        ({"text": "Hello world"}, 422, "Latin"),
        ({"text": TEXT, "register": "royal"}, 422, "royal"),
        ({"register": "apni"}, 422, "no text"),
        ({"text": 5}, 422, "no text"),
        ("{", 400, "not JSON"),
        ("[" * 100_000, 400, "not JSON"),
        ("x" * (LARGEST + 1), 413, "bytes"),
    ],
    ids=["english", "level", "missing", "number", "broken", "deep", "large"],
)
def test_other_requests_are_refused_with_a_reason(port, body, status, says):
    reply, content = check(port, body)
    assert reply.status == status
    assert says in json.loads(content)["error"]


@table(
    "headers",
    [{"Host": "example.org:80"}, {"Origin": "http://example.org"}, {"Origin": "null"}],
    ids=["host", "origin", "null"],
)
def test_pages_from_elsewhere_cannot_use_the_server(port, headers):
    assert check(port, {"text": TEXT}, **headers)[0].status == 403


def test_other_paths_and_forms_are_not_found(port):
    assert ask(port, path="/../server.py")[0].status == 404
    assert ask(port, "POST", "/check", "text=a")[0].status == 404


def test_a_port_in_use_is_refused(port):
    with pytest.raises(RecipeError, match="another"):
        page_server(port)
    with pytest.raises(RecipeError):
        page_server(70_000)


@pytest.fixture(scope="module")
def tab():
    with opened_tab() as tab:
        yield tab


@pytest.fixture(params=["light", "dark"])
def page(tab, port, request):
    """The page in a window of a phone."""
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": False}
    tab.ask("Emulation.setDeviceMetricsOverride", **size)
    scheme = [{"name": "prefers-color-scheme", "value": request.param}]
    tab.ask("Emulation.setEmulatedMedia", features=scheme)
    tab.problems.clear()
    tab.ask("Page.navigate", url=f"http://127.0.0.1:{port}/")
    until(tab, "document.readyState === 'complete' && !!document.querySelector('#form')")
    return tab


def fill(tab, text, register="apni"):
    tab.value(f"document.querySelector('#text').value = {json.dumps(text)}")
    tab.value(f"document.querySelector('#register').value = '{register}'")
    tab.value("document.querySelector('#summary').textContent = ''")
    tab.value("document.querySelector('#form button').click()")
    until(tab, "document.querySelector('#summary').textContent !== ''")


def test_the_page_marks_a_fault_and_offers_the_text_at_one_level(page):
    fill(page, f"😀 {TEXT}")  # a character of two UTF-16 units before the fault
    assert page.value("document.querySelector('#summary').textContent") == "1 fault"
    assert page.value("document.querySelector('mark').firstChild.textContent") == "আছ"
    assert normalise("আছেন") in page.value("document.querySelector('#faults').textContent")
    assert page.value("document.scrollingElement.scrollWidth - innerWidth") <= 0
    page.value("document.querySelector('#summary').textContent = ''")
    page.value("document.querySelector('#use').click()")
    until(page, "document.querySelector('#summary').textContent === '0 faults'")
    assert page.value("document.querySelector('#text').value") == normalise("😀 আপনি কেমন আছেন?")
    assert page.problems == []


def test_a_text_with_markup_stays_text_and_an_error_is_shown(page):
    fill(page, "<img src=x onerror=alert(1)> আপনি কেমন আছ বলুন তো আমাকে এখন আবার একবার?")
    assert page.value("document.querySelectorAll('#marked img').length") == 0
    assert page.value("document.querySelector('#marked').textContent").startswith("<img")
    fill(page, "Hello")
    assert "Latin" in page.value("document.querySelector('#summary').textContent")
    assert page.value("document.querySelectorAll('mark').length") == 0
