from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest
from case_table import table

from scionwood_seismic.evaluation.gather_qc import Row
from scionwood_seismic.evaluation.qc_page import Picture, QcPage, number, plain, render_qc

PNG = b"\x89PNG\r\n\x1a\nnot really"


def row(index: int, leak: float, *, dead: int = 0, broken: int = 0) -> Row:
    values = {"local similarity": leak, "energy removed": 0.5, "correlation": 0.9}
    unprocessed = {"local similarity": 0.0, "energy removed": 0.0, "correlation": 1.0}
    return Row(index, f"fldr {100 + index}", 24, dead, broken, values, unprocessed)


def page(*rows: Row, gathers: int | None = None, title: str = "clean.sgy") -> QcPage:
    pictures = [Picture("worst", PNG), Picture("best", PNG)]
    return QcPage(title, rows, gathers or len(rows), pictures, {"adapter": "runs/a"})


class Tags(HTMLParser):
    """Tags with their attributes, and the text of all table cells, row by row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_the_page_is_self_contained():
    text = render_qc(page(row(0, 0.1)))
    parsed = Tags(text)
    images = [attributes["src"] or "" for tag, attributes in parsed.tags if tag == "img"]
    assert [base64.b64decode(src.partition(",")[2]) for src in images] == [PNG, PNG]
    assert not {"script", "link", "iframe", "a"} & {tag for tag, _ in parsed.tags}
    assert not re.search(r"https?:|url\(|@import", text)
    policy = next(a["content"] for _, a in parsed.tags if "http-equiv" in a)
    assert "default-src 'none'" in policy


def test_text_from_files_is_escaped():
    hostile = '<script>alert("1")</script>&amp;\n\udcff'
    made = QcPage(hostile, [row(0, 0.1)], 1, [Picture(hostile, PNG)], {hostile: hostile})
    text = render_qc(made)
    assert "<script" not in text
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;\\n\\udcff" in text
    assert text.encode("utf-8")
    assert Tags(text).open == []
    assert plain("a\nb\x1b\udcffc é") == "a\\nb\\x1b\\udcffc é"


def test_the_worst_gather_is_the_first_row():
    dead = Row(3, "fldr 103", 24, 24, 0, {}, {})
    parsed = Tags(render_qc(page(row(0, 0.1), row(1, 0.3, dead=2), row(2, 0.2), dead)))
    at = next(i for i, cells in enumerate(parsed.rows) if cells[0] == "gather")
    assert [cells[:5] for cells in parsed.rows[at + 1 :]] == [
        ["2", "fldr 101", "24", "2", "0.3"],
        ["3", "fldr 102", "24", "0", "0.2"],
        ["1", "fldr 100", "24", "0", "0.1"],
        ["4", "fldr 103", "24", "24", "-"],
    ]


def test_the_summary_compares_with_the_unprocessed_input():
    parsed = Tags(render_qc(page(row(0, 0.1), row(1, 0.3), row(2, 0.2))))
    summary = next(cells for cells in parsed.rows if cells[0] == "local similarity")
    assert summary[1:5] == ["0", "0.2", "0.1", "0.3"]
    assert "unprocessed" in parsed.rows[0]


@pytest.mark.parametrize(("gathers", "said"), [(2, "2 of 2 gathers."), (900, "evenly spaced")])
def test_states_how_many_gathers_are_measured(gathers, said):
    assert said in render_qc(page(row(0, 0.1), row(1, 0.2), gathers=gathers))


def test_warns_of_traces_that_are_not_finite_in_the_output():
    broken = render_qc(page(row(0, 0.1), row(1, 0.2, broken=3)))
    assert 'class="warning"' in broken
    assert Tags(broken).open == [], "every tag is closed"
    whole = render_qc(page(row(0, 0.1)))
    assert 'class="warning"' not in whole
    assert "<dt>adapter</dt><dd>runs/a</dd>" in whole.partition("<footer>")[2]


@table(
    ("value", "text"), [(-1e-9, "0"), (float("nan"), "-"), (1234.5, "1.23e+03"), (0.12345, "0.123")]
)
def test_numbers_are_short(value, text):
    assert number(value) == text
