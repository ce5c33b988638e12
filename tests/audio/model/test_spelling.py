"""Texts in Latin letters, and their codes."""

import pytest

from scionwood import RecipeError
from scionwood_audio.model.spelling import codes, latin, texts_of


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("¡Un ñandú!", "un nandu"),
        ("O bufniță", "o bufnita"),
        ("Жёлтый объезд", "zhyoltyy obezd"),
        ("Йод", "yod"),
        ("wild-boar's", "wild boars"),
    ],
)
def test_a_text_is_written_in_latin_letters(text, written):
    assert latin(text) == written
    assert texts_of(codes([written], 40)) == [written]


@pytest.mark.parametrize("text", ["猫", "7 cats", "¿!", "γάτα"])
def test_another_script_and_digits_are_refused_by_name(text):
    with pytest.raises(RecipeError, match="Write"):
        latin(text)
