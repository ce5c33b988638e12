"""Texts in Latin letters, their codes, and their tokens for the decoder of Whisper."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from scionwood import RecipeError, WeightsError
from scionwood_audio.model.weights import load_tokenizer

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
    """Return the codes of texts in Latin letters, (text, letter) int64, padded with 0."""
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


ENGLISH = 50_257
"""Where a text begins for an English Whisper; one of many languages begins at 50,258."""


def token_rows(texts: Sequence[str], weights: str, *, end: bool = False) -> tuple[Tensor, Tensor]:
    """Return the tokens of texts in Latin letters, and which of them are scored.

    A text begins with a space and a capital, as sentences that Whisper was trained on do. Random
    weights have one token for each letter, since they need no tokenizer.

    Args:
        texts: as `latin` returns them.
        weights: as for `load_whisper`.
        end: whether the end of a text is scored too.

    Returns:
        (text, token) int64: the beginning, the text, and its end, repeated as padding; and
        (text, token - 1) bool, from the second token on.
    """
    prefix, last = ([1], 2) if weights == "random" else _specials(weights)
    parts = [_tokens(text, weights) for text in texts]
    longest = max(map(len, parts))
    rows = [[*prefix, *part, *[last] * (longest - len(part) + 1)] for part in parts]
    steps = torch.arange(len(rows[0]) - 1) - (len(prefix) - 1)
    lengths = torch.tensor([len(part) + end for part in parts])
    return torch.tensor(rows), (steps >= 0) & (steps < lengths[:, None])


@cache
def _tokens(text: str, weights: str) -> tuple[int, ...]:
    if weights == "random":
        return tuple(LETTERS.index(letter) + 3 for letter in text)
    encoding = _tokenizer(weights).encode(f" {text.capitalize()}", add_special_tokens=False)
    return tuple(encoding.ids)


_tokenizer = cache(load_tokenizer)


@cache
def _specials(weights: str) -> tuple[list[int], int]:
    names = ("<|startoftranscript|>", "<|notimestamps|>", "<|endoftext|>")
    numbers = [_tokenizer(weights).token_to_id(name) for name in names]
    if None in numbers or numbers[0] != ENGLISH:
        rule = "its tokenizer is not that of an English Whisper"
        raise WeightsError(weights, rule, "Use weights such as whisper-tiny.en, or `package`")
    return numbers[:2], numbers[2]
