"""Read a Bangla text from a file, or report what the file contains instead."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path

from bangla_checker.errors import TextError
from bangla_checker.text.normalise import normalise

MOJIBAKE = re.compile("à¦|à§|Ã\u00a0Â|\ufffd{2,}")
"""Matches UTF-8 Bengali that was decoded as Latin-1 or Windows-1252, once or twice."""

# In Bijoy's fonts a Bangla text consists of Latin letters: v and w are the signs aa and i, and the
# daggers are the sign e. These are "I", "you", "and", "from", "do", "one", "he" in that encoding.
_BIJOY_WORDS = re.compile(
    r"(?<!\w)(?:Avwg|Avcwb|Zzwg|Avgvi|Avcbvi|Ges|K[‡†]i|[‡†]_[‡†]K|GKwU|Avgiv|Avgv[‡†]`i|Rb[¨]?|wZwb)(?!\w)"
)
_BIJOY_SIGNS = re.compile(r"[‡†©¨ªÖ¶¯][A-Za-z_`]|[A-Za-z_`][‡†©¨ª¶¯]")
_BENGALI_SHARE = 0.5
_OTHER_ENCODING = "Save it as UTF-8. Convert a file of the Bijoy keyboard to Unicode first"


def read_text(path: str | Path) -> str:
    """Return the normalised text of a file.

    Args:
        path: the file, UTF-8.

    Raises:
        TextError: the file does not exist, or it is not UTF-8, empty, mojibake, Bijoy (ANSI), or
            mostly in another script.

    Example:
        >>> from pathlib import Path
        >>> from bangla_checker import read_text
        >>> size = Path("letter.txt").write_text("আপনি কেমন আছেন?", encoding="utf-8")
        >>> read_text("letter.txt")
        'আপনি কেমন আছেন?'
    """
    return require_bangla(read_utf8(path), str(path))


def read_utf8(path: str | Path) -> str:
    """Return the text of a file as it is, without a byte order mark.

    Args:
        path: the file, UTF-8.

    Raises:
        TextError: the file cannot be read, or it is not UTF-8.
    """
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise TextError(str(path), "there is no such file", "Check the path") from error
    except OSError as error:
        rule = f"it cannot be read ({error.strerror})"
        raise TextError(str(path), rule, "Name a text file") from error
    return decode_utf8(raw, str(path))


def decode_utf8(raw: bytes, where: str) -> str:
    """Return the text of bytes, without a byte order mark.

    Args:
        raw: the bytes, UTF-8.
        where: their name in an error.

    Raises:
        TextError: they are not UTF-8. The line of the first invalid byte is named.
    """
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise TextError(where, "it is UTF-16", "Save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        rule = f"byte {error.start} is not UTF-8"
        raise TextError(f"{where}, line {line}", rule, _OTHER_ENCODING) from error


def require_bangla(text: str, where: str) -> str:
    """Return the normalised text, or refuse a text that is not Bangla.

    Args:
        text: the text.
        where: the name of the text in an error.

    Raises:
        TextError: the text is empty, mojibake, Bijoy (ANSI), or mostly in another script or
            language.
    """
    if not text.strip():
        raise TextError(where, "there is no text", "Give a text of at least one word")
    shares = script_shares(text)
    bengali = shares.get("BENGALI", 0.0)
    if bengali < _BENGALI_SHARE and MOJIBAKE.search(text):
        rule = "it is mojibake: UTF-8 that was decoded as Latin-1 or Windows-1252"
        raise TextError(where, rule, "Open the original as UTF-8, or repair the text with ftfy")
    if bengali < _BENGALI_SHARE and is_bijoy(text):
        rule = "it is Bijoy (ANSI) text, in which Latin letters represent Bangla letters"
        raise TextError(where, rule, "Convert it to Unicode first")
    if bengali < _BENGALI_SHARE:
        main_script = max(shares, key=lambda s: shares[s]).title() if shares else "no letters"
        rule = f"{bengali:.0%} of its letters are Bengali, most are {main_script}"
        raise TextError(where, rule, "Give a text that is at least half Bangla")
    normal = normalise(text)
    if re.search("[\u09f0\u09f1]", normal):
        raise TextError(where, "it has letters of Assamese", "Give a text in Bangla")
    return normal


def is_bijoy(text: str) -> bool:
    """Return whether a text of Latin letters is Bangla in the encoding of Bijoy's fonts.

    Args:
        text: the text. Only the first 20,000 characters are used.
    """
    words = re.findall(r"\S+", text[:20_000])
    if not words or not text.strip():
        return False
    word_hits = len(_BIJOY_WORDS.findall(text[:20_000]))
    signs = sum(bool(_BIJOY_SIGNS.search(word)) for word in words)
    letters = [c for c in text[:20_000] if c.isascii() and c.isalpha()]
    vowels = sum(c in "vw" for c in letters) / max(1, len(letters))  # 3 % of English letters
    return (word_hits + signs) / len(words) > 0.15 or (vowels > 0.12 and word_hits + signs > 0)


def script_shares(text: str) -> dict[str, float]:
    """Return the share of letters and signs by script. The keys are Unicode names, such as BENGALI.

    Args:
        text: the text. Only the first 100,000 characters are used.
    """
    counts: Counter[str] = Counter()
    for character, times in Counter(text[:100_000]).items():
        if unicodedata.category(character)[0] in "LM":
            counts[unicodedata.name(character, "UNKNOWN").partition(" ")[0]] += times
    total = sum(counts.values())
    return {script: times / total for script, times in counts.items()}


def mixed_words(text: str) -> list[str]:
    """Return the words that mix Bengali letters with other letters, such as a Latin `o`."""
    mixed = re.compile("[\u0980-\u09ff][a-zA-Z\u0900-\u0963\u0600-\u06ff]")
    return list(dict.fromkeys(word for word in text.split() if mixed.search(word)))
