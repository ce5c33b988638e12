"""A page is one file: it loads nothing, runs nothing, and shows any text as text."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from case_table import table

import scionwood
from scionwood.files.pages import (
    POLICY,
    Figure,
    Number,
    Numbers,
    Page,
    Section,
    Table,
    render,
)

PNG = b"\x89PNG pixels"
VOID = {"meta", "img", "source", "wbr"}


class Checked(HTMLParser):
    """Collects tags and text, and checks that every tag is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


FULL = Page(
    "Denoising",
    [
        "A paragraph.\nA second line.",
        {"SNR": "in dB"},
        Section("Numbers", [Table(("method", "SNR"), [("LoRA", "9.1")], "A note.", "A title")]),
        Section("Outer", [Section("Inner", [Figure("A caption", PNG)])]),
    ],
    warning="Two traces are missing.",
    notes=["How to read it."],
    facts={"torch": "2.9"},
)


def test_everything_appears_in_order():
    text = Checked(render(FULL)).text
    parts = "Denoising|Two traces|A paragraph|in dB|Numbers|A title|LoRA|9.1|A note|Outer|Inner"
    parts += "|A caption|How to read it|2.9|Written 20"
    places = [text.index(part) for part in parts.split("|")]
    assert places == sorted(places)
    headings = [tag for tag, _ in Checked(render(FULL)).tags if re.fullmatch(r"h\d", tag)]
    assert headings == ["h1", "h2", "h2", "h3"]


def test_the_page_needs_no_other_file_and_forbids_scripts():
    page = Checked(render(FULL))
    policies = [tag.get("content") for tag in page.of("meta") if tag.get("http-equiv")]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    (image,) = page.of("img")
    assert image["src"] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert image["alt"] == "A caption"
    assert page.of("script") == page.of("link") == []
    assert not re.search(r"https?:|@import", render(FULL))


@table(
    "part",
    [
        "<script>alert(1)</script>",
        {"<script>": "<b>"},
        Table(("<script>",), [('"><script>',)], "<script>", "<script>"),
        Figure('"><script>', PNG, alternative='"><script>'),
        Figure('"><script>', b"<svg/>", dark=PNG, lead=True),
        Numbers([Number("<script>", "<script>", "<script>")]),
        Section("<script>", ["<script>"]),
    ],
)
def test_any_text_is_escaped(part):
    page = render(Page("<script>", [part], "<script>", ["<script>"], {"<script>": "<script>"}))
    assert Checked(page).of("script") == []


def test_hidden_characters_are_shown_and_joiners_of_bangla_are_kept():
    page = render(Page("a\udcff\x1b\u202eb", ["ক\u09cd\u200dষ"]))
    assert r"a\udcff\x1b\u202eb" in page
    assert "ক\u09cd\u200dষ" in page
    page.encode("utf-8")


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises((IndexError, ValueError)):
        render(Page("t", [Table(("a", "b"), [("1",)])]))


def test_a_page_states_its_language_and_the_type_of_each_image():
    page = Checked(render(Page("t", [Figure("a", PNG), Figure("b", b" <svg/>")], language="bn")))
    assert page.of("html") == [{"lang": "bn"}]
    kinds = [(image["src"] or "").partition(";")[0] for image in page.of("img")]
    assert kinds == ["data:image/png", "data:image/svg+xml"]


def test_a_figure_for_a_dark_screen_is_chosen_by_the_browser():
    page = Checked(render(Page("t", [Figure("a", PNG, dark=PNG, lead=True)])))
    (source,) = page.of("source")
    assert source["media"] == "(prefers-color-scheme:dark)"
    assert source["srcset"] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert page.of("figure") == [{"class": "lead"}]
    assert page.of("picture") == [{}]


def test_numbers_show_label_value_and_note_and_may_break_at_a_slash():
    numbers = Numbers([Number("mean SNR", "14.1 dB", "100 gathers"), Number("base", "a/b_c")])
    html = render(Page("t", [numbers]))
    text = Checked(html).text
    places = [text.index(part) for part in ("mean SNR", "14.1 dB", "100 gathers", "base")]
    assert places == sorted(places)
    assert "a/<wbr>b_<wbr>c" in html


def test_the_policy_comes_before_all_that_it_governs():
    tags = Checked(render(Page("a", [Figure("b", PNG)]))).tags
    first = next(index for index, (_, names) in enumerate(tags) if "http-equiv" in names)
    assert tags[first][1] == {"http-equiv": "Content-Security-Policy", "content": POLICY}
    assert [tag for tag, _ in tags[:first]] == ["html", "head", "meta"]
    assert "default-src 'none'" in POLICY
    assert "script-src" not in POLICY


def test_every_page_of_the_core_and_the_plugins_is_rendered_here():
    """A module that writes a page of its own would leave out the policy."""
    root = Path(scionwood.__file__).parents[2]
    files = [*root.glob("core/**/*.py"), *root.glob("plugins/*/scionwood_*/**/*.py")]
    assert len(files) > 400
    own = [path for path in files if re.search("<(html|!doctype)", path.read_text("utf-8"), re.I)]
    assert own == [root / "core" / "scionwood" / "files" / "pages" / "__init__.py"]
