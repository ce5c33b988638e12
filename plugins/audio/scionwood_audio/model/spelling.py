"""Texts in Latin letters, for a tokenizer and a head that know English ones alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import torch
from torch import Tensor

from scionwood import RecipeError

LETTERS = " abcdefghijklmnopqrstuvwxyz"
"""What a text is made of. The code of a letter is its place from 1; 0 is blank and padding."""

_LETTERS = "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґў"
_SOUNDS = "a b v g d e yo zh z i y k l m n o p r s t u f kh ts ch sh shch - y - e yu ya i yi ye g u"
CYRILLIC = dict(zip(_LETTERS, _SOUNDS.split(), strict=True))
"""Cyrillic letters by sound, as an English reader says them; the signs ъ and ь are left out."""

OTHERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
"""Latin letters that do not decompose into a letter and an accent."""


def latin(text: str) -> str:
    """Return a text in lower-case Latin letters and single spaces.

    Accents are stripped, so that words that differ in accents alone become equal. Cyrillic letters
    are written by sound. Punctuation is left out, and a hyphen is a space.

    Args:
        text: a text in Latin or Cyrillic letters.

    Raises:
        RecipeError: a letter is of another script, a number is not written as a word, or no letter
            is left.

    Example:
        >>> from scionwood_audio.model.spelling import latin
        >>> latin("¡Un ñandú!"), latin("Жёлтый лист")
        ('un nandu', 'zhyoltyy list')
    """
    sounds = (_sound(letter) for letter in unicodedata.normalize("NFC", text.lower()))
    words = "".join(sounds).split()
    written = unicodedata.normalize("NFD", " ".join(words))
    plain = "".join(c for c in written if unicodedata.category(c) != "Mn").strip()
    for letter in plain:
        if letter not in LETTERS:
            rule = f"{letter!r} is no Latin or Cyrillic letter"
            remedy = "Write numbers as words, and other scripts in Latin letters by their sound"
            raise RecipeError(f"text {text!r}", rule, remedy)
    if not plain:
        raise RecipeError(f"text {text!r}", "it has no letter", "Write the words that are said")
    return plain


def codes(texts: Sequence[str], length: int = 0) -> Tensor:
    """Return the codes of texts in Latin letters, (text, letter) int64, padded with 0.

    Args:
        texts: as `latin` returns them.
        length: the least letters of a row.
    """
    rows = torch.zeros(len(texts), max([length, *map(len, texts)]), dtype=torch.int64)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = torch.tensor([LETTERS.index(letter) + 1 for letter in text])
    return rows


def texts_of(rows: Tensor) -> list[str]:
    """Return the texts of rows of codes, (text, letter)."""
    return ["".join(LETTERS[code - 1] for code in row if code) for row in rows.tolist()]


def _sound(letter: str) -> str:
    if (sound := CYRILLIC.get(letter, OTHERS.get(letter))) is not None:
        return sound.replace("-", "")
    if letter in "-\u2010\u2013":
        return " "
    return letter if letter.isalnum() or letter.isspace() or unicodedata.combining(letter) else ""
