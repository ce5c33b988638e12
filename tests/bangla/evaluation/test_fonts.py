"""Bangla is drawn with its letters joined, in figures and on pages."""

from case_table import table
from matplotlib.ft2font import FT2Font

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


def test_without_a_font_labels_are_latin_and_a_note_explains_it(monkeypatch, tmp_path):
    monkeypatch.setattr(fonts, "font_path", lambda: None)
    assert fonts.family() is None
    figure = register_match(rows())
    figure.savefig(tmp_path / "match.png", dpi=60)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == list(LEVELS)
    assert "install a font" in figure.get_supxlabel()
