"""Bangla is drawn with its letters joined, in figures and on pages."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from case_table import table
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont, features

from scionwood.authoring import Page, render
from scionwood_bangla.evaluation import fonts
from scionwood_bangla.evaluation.figures import register_match
from scionwood_bangla.lexicon import LEVELS

CONJUNCTS = {"ক্ষ": "ক্ ষ", "ন্ত্র": "ন্ ত্ র", "জ্ঞ": "জ্ ঞ", "ম্প": "ম্ প"}


def rows(suite="handwritten"):
    """Return register match of two methods at three levels."""
    return [
        {
            "suite": suite,
            "method": method,
            "decoding": "greedy",
            "group": level,
            "measure": "register_match",
            "value": value,
            "low": value - 0.1,
            "high": value + 0.05,
        }
        for method, value in (("zero_shot", 0.2), ("adapter", 0.9))
        for level in LEVELS
    ]


def test_the_font_of_the_package_has_every_bangla_letter_of_the_labels():
    path = fonts.font_path()
    assert path is not None
    letters = FT2Font(path).get_charmap()
    assert {ord(letter) for letter in "তুই তুমি আপনি ক্ষ র‍্য।০১২৩৪৫৬৭৮৯"} <= {*letters, 0x200D}


@table("conjunct", CONJUNCTS)
def test_matplotlib_joins_a_conjunct_into_one_glyph(conjunct):
    assert fonts.can_draw()
    font = FT2Font(fonts.font_path())
    font.set_size(48, 72)
    font.set_text(conjunct)
    assert font.get_num_glyphs() == 1
    whole = font.get_width_height()[0]
    font.set_text(CONJUNCTS[conjunct])
    assert whole < 0.8 * font.get_width_height()[0]


@pytest.mark.skipif(not features.check("raqm"), reason="this Pillow was built without raqm")
def test_a_conjunct_is_shaped_as_harfbuzz_shapes_it():
    shaped = ImageFont.truetype(str(fonts.font_path()), 48, layout_engine=ImageFont.Layout.RAQM)
    plain = ImageFont.truetype(str(fonts.font_path()), 48, layout_engine=ImageFont.Layout.BASIC)
    assert shaped.getlength("ক্ষ") < 0.9 * plain.getlength("ক্ষ")
    font = FT2Font(fonts.font_path())
    font.set_size(48, 72)
    font.set_text("ক্ষ")
    assert font.get_width_height()[0] / 64 == pytest.approx(shaped.getlength("ক্ষ"), rel=0.1)


def test_a_vowel_sign_is_drawn_before_its_letter():
    # The sign of ki is drawn on the left of ka, although its code point follows that of ka.
    font = ImageFont.truetype(str(fonts.font_path()), 60, layout_engine=ImageFont.Layout.RAQM)
    pictures = []
    for text in ("কি", "ক"):
        image = Image.new("L", (120, 100))
        ImageDraw.Draw(image).text((10, 10), text, fill=255, font=font)
        pictures.append(np.asarray(image).sum(0) > 0)
    sign = int(pictures[0].nonzero()[0][-1] - pictures[1].nonzero()[0][-1])
    assert sign > 5  # ka has moved to the right


def test_a_figure_draws_bangla_without_a_missing_glyph(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_match([*rows(), *rows("unseen")]).savefig(tmp_path / "match.png", dpi=60)
    assert (tmp_path / "match.png").stat().st_size > 5000
    assert fonts.family() in font_manager.fontManager.get_font_names()


def test_without_a_font_labels_are_latin_and_a_note_explains_it(monkeypatch, tmp_path):
    monkeypatch.setattr(fonts, "font_path", lambda: None)
    assert fonts.family() is None
    figure = register_match(rows())
    figure.savefig(tmp_path / "match.png", dpi=60)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == list(LEVELS)
    assert "install a font" in figure.get_supxlabel()


def test_a_page_embeds_its_font():
    page = render(Page("ক", ["খ"], fonts=fonts.FAMILIES, font=fonts.page_font()))
    assert "@font-face" in page
    assert "Noto Sans Bengali" in page
    assert "http" not in page.replace("http-equiv", "")
