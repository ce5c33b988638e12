"""Normalise the spelling of Bangla text. Data, lexicon and evaluation all use this function."""

from __future__ import annotations

import re
import unicodedata

NUKTA, VIRAMA, ZWNJ, ZWJ = "\u09bc", "\u09cd", "\u200c", "\u200d"

BENGALI = "\u0980-\u09ff"
"""The Unicode block, for character classes. The danda is outside it, in the block of Devanagari."""

_SIGNS = "\u09be-\u09c4\u09c7\u09c8\u09cb\u09cc\u09d7\u09e2\u09e3"
_FINALS = "\u0981-\u0983"
_MARKS = re.compile(f"[{NUKTA}{_SIGNS}{_FINALS}]{{2,}}")
_JOINED = re.compile(f"[{ZWNJ}{ZWJ}]+")
_DANDA = re.compile(rf"(?<=[{BENGALI}])([ \t]?)[|\u09f7](?=\s|$)")
_QUOTES = str.maketrans(
    "“”„‟«»‘’‚‛`´\u00a0\u202f", "\"\"\"\"\"\"''''''  ", "\u200b\u2060\ufeff\u00ad"
)
_PAIRS = (
    ("\u09be\u09c7", "\u09cb"),  # the two halves of the sign o, typed in the wrong order
    ("\u09d7\u09c7", "\u09cc"),  # the two halves of the sign au, typed in the wrong order
    ("\u0985\u09be", "\u0986"),  # the letter aa, typed as the letter a and a sign
)


def normalise(text: str) -> str:
    """Return the normal spelling of a text. The function is idempotent.

    NFC decomposes the letters rra, rha and yya (they are composition exclusions) and composes the
    signs o and au. The function then repairs signs in the wrong order, khanda ta written with a
    joiner, joiners without effect, `|` in place of the danda, and quotation marks. A ZWJ stays
    if it makes ya-phala after ra, a ZWNJ stays inside a word, and both stay between characters of
    other scripts. Line ends become newlines.

    Args:
        text: the text. Characters of other scripts get their NFC form.

    Source: The Unicode Standard, chapter 12.2 (Bengali) and annex 15 (composition exclusions).

    Examples:
        >>> from bangla_checker import normalise
        >>> normalise("আ\u09aa\u09a8ি") == normalise("আপনি")
        True
    """
    text, before = _once(text.replace("\r\n", "\n").replace("\r", "\n")), ""
    while text != before:  # in noise, one repair may allow another
        text, before = _once(text), text
    return text


def _once(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    text = text.translate(_QUOTES).replace("\u09ac" + NUKTA, "\u09b0")  # ba and a dot: ra
    if ZWJ in text or ZWNJ in text:
        text = _JOINED.sub(_joiner, text.replace("\u09a4" + VIRAMA + ZWJ, "\u09ce"))
    text = unicodedata.normalize("NFC", _MARKS.sub(_order, text))
    for wrong, right in _PAIRS:
        text = text.replace(wrong, right)
    return _DANDA.sub(r"\1।", text)


def _order(match: re.Match[str]) -> str:
    # The dot comes directly after its letter, then vowel signs, then nasalisation and visarga.
    marks = match[0]
    dot = NUKTA if NUKTA in marks else ""
    finals = [mark for mark in marks if "\u0981" <= mark <= "\u0983"]
    signs = [mark for mark in marks if mark != NUKTA and mark not in finals]
    return dot + "".join(signs + finals)


def _joiner(match: re.Match[str]) -> str:
    text, start, end = match.string, match.start(), match.end()
    before, after = text[start - 2 : start] if start > 1 else text[:start], text[end : end + 2]
    inside = bool(before) and _is_bengali(before[-1])
    if before.endswith("র") and after == VIRAMA + "য":
        return ZWJ
    if not inside and not _is_bengali(after[:1]):
        return match[0]
    return ZWNJ if ZWNJ in match[0] and inside and _is_bengali(after[:1]) else ""


def _is_bengali(character: str) -> bool:
    return "\u0980" <= character <= "\u09ff"
