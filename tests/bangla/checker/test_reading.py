"""Errors name what a text is instead of Bangla."""

import pytest
from case_table import table

from bangla_checker import (
    TextError,
    is_bijoy,
    mixed_words,
    normalise,
    read_text,
    require_bangla,
)
from bangla_checker.text.reading import script_shares

BANGLA = "আপনি কেমন আছেন? আমি ভালো আছি।"
# "I go to school. How are you? He and I do that." as Bijoy's keyboard writes it
BIJOY = "Avwg ¯‹z‡j hvB| Avcwb †Kgb Av‡Qb? Avwg Ges †m GKwU KvR K‡i|"


@table(
    ("text", "reason"),
    [
        ("", "no text"),
        (" \n\t", "no text"),
        (BANGLA.encode().decode("latin-1"), "mojibake"),
        (BANGLA.encode().decode("cp1252", "replace"), "mojibake"),
        (BIJOY, "Bijoy"),
        ("This is a letter in English about values and views.", "most are Latin"),
        ("आप कैसे हैं? मैं ठीक हूँ।", "most are Devanagari"),
        ("كيف حالك؟", "most are Arabic"),
        ("12345", "no letters"),
        ("মই ভাল আছো, তুমি কেনে আছা ৰাম", "Assamese"),
    ],
)
def test_names_what_a_text_is_instead_of_bangla(text, reason):
    with pytest.raises(TextError, match=reason):
        require_bangla(text, "letter.txt")


def test_english_is_not_taken_for_bijoy():
    assert not is_bijoy("We view every wave with vivid interest; I vow to survive.")
    assert is_bijoy(BIJOY)


@table(
    ("raw", "reason"),
    [(BANGLA.encode("utf-16"), "UTF-16"), (b"\xe0\xa6", "byte 0 is not UTF-8"), (b"", "no text")],
)
def test_refuses_a_file_in_another_encoding(tmp_path, raw, reason):
    path = tmp_path / "letter.txt"
    path.write_bytes(raw)
    with pytest.raises(TextError, match=reason) as caught:
        read_text(path)
    assert str(path) in str(caught.value)


def test_names_a_missing_file_and_ignores_a_byte_order_mark(tmp_path):
    path = tmp_path / "letter.txt"
    with pytest.raises(TextError, match=r"letter\.txt"):
        read_text(path)
    path.write_bytes(b"\xef\xbb\xbf" + BANGLA.encode())
    assert read_text(path) == normalise(BANGLA)


def test_counts_scripts_and_lists_mixed_words():
    assert require_bangla(BANGLA + " OK", "x")
    assert 0 < script_shares(BANGLA + " OK")["LATIN"] < 0.2
    assert mixed_words("আমi কেমন ok") == ["আমi"]
