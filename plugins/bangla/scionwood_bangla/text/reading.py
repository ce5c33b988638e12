"""Read a Bangla text from a file, or say what the file holds instead."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path

from scionwood import ReadError
from scionwood_bangla.text.normalise import normalise

MOJIBAKE = re.compile("à¦|à§|Ã\u00a0Â|\ufffd{2,}")
"""What UTF-8 Bengali becomes when it is read as Latin-1 or Windows-1252, once or twice."""

# In Bijoy's fonts a Bangla text is Latin letters: v and w are the signs aa and i, and the daggers
# are the sign e. These are "I", "you", "and", "from", "do", "one", "he" in that encoding.
_BIJOY_WORDS = re.compile(
    r"(?<!\w)(?:Avwg|Avcwb|Zzwg|Avgvi|Avcbvi|Ges|K[‡†]i|[‡†]_[‡†]K|GKwU|Avgiv|Avgv[‡†]`i|Rb[¨]?|wZwb)(?!\w)"
)
_BIJOY_SIGNS = re.compile(r"[‡†©¨ªÖ¶¯][A-Za-z_`]|[A-Za-z_`][‡†©¨ª¶¯]")
_BENGALI_SHARE = 0.5


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, normalised.

    Args:
        path: of the file.

    Raises:
        ReadError: no such file, not UTF-8, empty, mojibake, Bijoy (ANSI), or another script.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        remedy = "Check the name and the permissions"
        raise ReadError(str(path), error.strerror or str(error), remedy) from error
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ReadError(str(path), "it is UTF-16", "Save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        rule = f"byte {error.start} is not UTF-8"
        remedy = "Save it as UTF-8; a file of the Bijoy keyboard needs a converter to Unicode first"
        raise ReadError(str(path), rule, remedy) from error
    return require_bangla(text, str(path))


def require_bangla(text: str, where: str) -> str:
    """The normalised text, if it is one in Bangla.

    Args:
        text: any text.
        where: what to call it in an error.

    Raises:
        ReadError: it is empty, mojibake, Bijoy (ANSI), or mostly of another script or language.
    """
    if not text.strip():
        raise ReadError(where, "there is no text", "Give a text of one word at least")
    shares = script_shares(text)
    bengali = shares.get("BENGALI", 0.0)
    if bengali < _BENGALI_SHARE and MOJIBAKE.search(text):
        rule = "it is mojibake: UTF-8 that was read as Latin-1 or Windows-1252"
        raise ReadError(where, rule, "Open the original as UTF-8, or undo with ftfy")
    if bengali < _BENGALI_SHARE and is_bijoy(text):
        rule = "it is Bijoy (ANSI) text, in which Latin letters stand for Bangla ones"
        raise ReadError(where, rule, "Convert it to Unicode first")
    if bengali < _BENGALI_SHARE:
        most = max(shares, key=lambda s: shares[s]).title() if shares else "no letters"
        rule = f"{bengali:.0%} of its letters are Bengali, most are {most}"
        raise ReadError(where, rule, "Give a text of which half at least is Bangla")
    found = normalise(text)
    if re.search("[\u09f0\u09f1]", found):
        raise ReadError(where, "it has letters of Assamese", "Give a text in Bangla")
    return found


def is_bijoy(text: str) -> bool:
    """Whether a text of Latin letters is Bangla in the encoding of Bijoy's fonts.

    Args:
        text: any text.
    """
    words = re.findall(r"\S+", text[:20_000])
    if not words or not text.strip():
        return False
    known = len(_BIJOY_WORDS.findall(text[:20_000]))
    signs = sum(bool(_BIJOY_SIGNS.search(word)) for word in words)
    letters = [c for c in text[:20_000] if c.isascii() and c.isalpha()]
    vowels = sum(c in "vw" for c in letters) / max(1, len(letters))  # 3 % of English letters
    return (known + signs) / len(words) > 0.15 or (vowels > 0.12 and known + signs > 0)


def script_shares(text: str) -> dict[str, float]:
    """The share of the letters and signs of each script, by its Unicode name, such as BENGALI.

    Args:
        text: any text; the first hundred thousand characters count.
    """
    counts: Counter[str] = Counter()
    for character, times in Counter(text[:100_000]).items():
        if unicodedata.category(character)[0] in "LM":
            counts[unicodedata.name(character, "UNKNOWN").partition(" ")[0]] += times
    total = sum(counts.values())
    return {script: times / total for script, times in counts.items()}


def mixed_words(text: str) -> list[str]:
    """Words that mix Bengali letters with those of another script, such as a Latin `o`.

    Args:
        text: normalised.
    """
    mixed = re.compile("[\u0980-\u09ff][a-zA-Z\u0900-\u0963\u0600-\u06ff]")
    return list(dict.fromkeys(word for word in text.split() if mixed.search(word)))
