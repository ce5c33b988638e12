"""Words, marks and voices of a text: who speaks each word, in time linear in its length."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from scionwood_bangla.lexicon import Reading, readings
from scionwood_bangla.text.normalise import BENGALI, normalise

Kind = Literal["word", "end", "comma", "colon", "quote", "dash", "line"]

_TOKEN = re.compile(
    rf"(?P<word>[{BENGALI}\u200c\u200d]+(?:-[{BENGALI}\u200c\u200d]+)*|[^\W\d_]+)"
    r"|(?P<end>[।॥?!…]+|\.(?=\s|$))|(?P<comma>[,;،])|(?P<colon>:)"
    rf"|(?P<quote>\"|(?<![\w{BENGALI}])'|'(?![\w{BENGALI}]))"
    r"|(?P<dash>\s[-–—]\s|[–—])|(?P<line>\n)"
)
_LABEL = re.compile(rf"^[ \t]*([{BENGALI}]+(?: [{BENGALI}]+)?)[ \t]*:(?!\d)", re.MULTILINE)
_HEADINGS = frozenset(
    normalise(
        "বরাবর তারিখ বিষয় প্রাপক প্রেরক মাধ্যম সংযুক্তি স্থান ঠিকানা নাম শ্রেণি রোল নম্বর সূত্র"
    ).split()  # a list would be ten lines of one word
)
_SAYING = ("বলা", "জানানো", "জিজ্ঞেস", "জিজ্ঞাসা", "প্রশ্ন")


@dataclass(frozen=True)
class Token:
    """A word or a mark.

    Attributes:
        text: as in the normalised text.
        start: its first character there.
        kind: what it is.
        voice: who says it: 0 the writer, a name a speaker of a dialogue, a number a quotation.
    """

    text: str
    start: int
    kind: Kind
    voice: int | str = 0

    @property
    def end(self) -> int:
        """The character behind its last one."""
        return self.start + len(self.text)


def tokenise(text: str) -> list[Token]:
    """Words and marks in order, each with its voice.

    Args:
        text: normalised.
    """
    labels = _speakers(text)
    voices = _Voices()
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind: Kind = match.lastgroup  # type: ignore[assignment]
        if match.start() in labels:
            voices.speaker = labels[match.start()]
        token = Token(match[0], match.start(), kind, voices.step(kind, match[0], tokens))
        tokens.append(token)
    return tokens


def sentences(tokens: list[Token]) -> list[list[Token]]:
    """The tokens by sentence, those of a quotation apart from the sentence around it."""
    open_ones: dict[int | str, list[Token]] = {}
    done: list[list[Token]] = []
    for token in tokens:
        if token.kind == "quote":
            continue
        current = open_ones.get(token.voice)
        if current is None:
            current = open_ones[token.voice] = []
            done.append(current)
        current.append(token)
        if token.kind in ("end", "line"):
            del open_ones[token.voice]
    return [group for group in done if any(token.kind == "word" for token in group)]


def _speakers(text: str) -> dict[int, str]:
    # Lines "Name: ..." by two speakers or more make a dialogue; headings of a letter do not.
    found = {}
    for match in _LABEL.finditer(text):
        if match[1].split()[0] not in _HEADINGS:
            found[match.start(1)] = match[1]
    return found if len(set(found.values())) > 1 else {}


class _Voices:
    """Which voice speaks, as quotation marks open and close."""

    def __init__(self) -> None:
        self.speaker: int | str = 0
        self._quotes = 0
        self._open = self._reported = False

    def step(self, kind: Kind, text: str, before: list[Token]) -> int | str:
        if kind == "quote":
            self._open = not self._open
            self._reported = False
            self._quotes += self._open
            return self.speaker
        if kind == "line":
            self._open = False  # an unpaired mark reaches no further than its paragraph
        if kind == "comma" or kind == "colon":
            return self._after_pause(before)
        voice = self._quotes if self._open or self._reported else self.speaker
        if kind in ("end", "line"):
            self._reported = False
        return voice

    def _after_pause(self, before: list[Token]) -> int | str:
        if self._open or self._reported:
            return self._quotes
        if before and _says(before):
            self._reported = True
            self._quotes += 1
        return self.speaker


def _says(before: list[Token]) -> bool:
    word = before[-1]
    if word.kind != "word":
        return False
    told = [r for r in readings(word.text) if r.subject in ("se", "tini", "ami")]
    asked = len(before) > 1 and before[-2].text in _SAYING
    return any(_speaks(r) or asked for r in told)


def _speaks(reading: Reading) -> bool:
    return reading.verb in _SAYING and reading.tense not in ("imperative", "future")
