"""Split a text into words and punctuation, each with its speaker, in linear time."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal, cast

from bangla_checker.lexicon import Reading, pronoun_of, readings
from bangla_checker.text.normalise import BENGALI, normalise

Kind = Literal["word", "end", "comma", "colon", "quote", "dash", "line"]

_TOKEN = re.compile(
    rf"(?P<word>[{BENGALI}\u200c\u200d]+(?:-[{BENGALI}\u200c\u200d]+)*|[^\W\d_]+)"
    r"|(?P<end>[।॥?!…]+|\.(?=\s|$))|(?P<comma>[,;،])|(?P<colon>:)"
    rf"|(?P<quote>\"|(?<![\w{BENGALI}])'|'(?![\w{BENGALI}]))"
    r"|(?P<dash>\s[-–—]\s|[–—])|(?P<line>\n)"
)
_VISARGA = "\u0983"
_NAME = rf"[{BENGALI}A-Za-z]+\.?(?:[ \t]+[{BENGALI}A-Za-z]+\.?){{0,3}}?"
_HEAD = r"^[ \t>*_#]*(?:[0-9০-৯]{1,3}[.)।:][ \t]*)?[*_]*"
_LABEL = re.compile(
    rf"{_HEAD}({_NAME})[ \t]*(?:\([^()\n]{{1,40}}\)[ \t]*)?[*_]*"
    rf"(?::(?!\d)|{_VISARGA}(?=\s)|[-=]>|→)"
    rf"|{_HEAD}[\[<(]({_NAME})[\]>)](?=[ \t]*\S)"
    rf"|{_HEAD}([ক-হA-Za-z])\)(?=[ \t]*\S)",
    re.MULTILINE,
)
_INLINE = re.compile(rf"(?:^|[।?!])[*_ \t]*({_NAME})[ \t]*:(?=\s)", re.MULTILINE)
_DASHED = re.compile(
    rf"{_HEAD}({_NAME})(?:[ \t]+[-–—]+[ \t]+|[ \t]*[–—]+[ \t]*)(?=\S)", re.MULTILINE
)
_ALONE = re.compile(rf"{_HEAD}({_NAME})[*_]*[ \t]*$", re.MULTILINE)
_BELOW = re.compile(r"[*_ \t]*\n[ \t\n]*(\S.*)")
_TURN = re.compile(r"^[ \t]*[-–—_]+[ \t]*(\S)", re.MULTILINE)
_HEADINGS = frozenset(
    normalise(
        "বরাবর তারিখ বিষয় প্রাপক প্রেরক মাধ্যম সংযুক্তি স্থান ঠিকানা নাম শ্রেণি রোল নম্বর সূত্র"
    ).split()  # a list would take ten lines
)
_REPORTERS = ("se", "tini", "ami")
_SAYING = ("বলা", "জানানো", "জিজ্ঞেস", "জিজ্ঞাসা", "প্রশ্ন")


@dataclass(frozen=True)
class Token:
    """A word or a punctuation mark.

    Attributes:
        text: the token as in the normalised text.
        start: the index of its first character.
        kind: the kind of token.
        voice: the speaker: 0 for the writer, a name for a speaker of a dialogue, and another number
            for a quotation or a line of dialogue.
        frame: the voice whose sentence ends with this mark too, if it reports the speech before the
            mark without quotation marks.
    """

    text: str
    start: int
    kind: Kind
    voice: int | str = 0
    frame: int | str | None = None

    @property
    def end(self) -> int:
        """The index after the last character."""
        return self.start + len(self.text)


def tokenise(text: str) -> list[Token]:
    """Return the words and punctuation marks of a text in order, each with its voice."""
    labels = _speakers(text)
    ends = {at + len(name) for at, name in labels.items()}
    turns = {match.start(1) for match in _TURN.finditer(text)}
    voices = _Voices()
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind = cast("Kind", match.lastgroup)
        if match.start() in turns:
            voices.turn()
        if match.start() in labels:
            voices.speaker = labels[match.start()]
        word = match[0]
        colon = kind == "word" and word.endswith(_VISARGA) and _stands_for_colon(match, ends)
        word = word.removesuffix(_VISARGA) if colon else word
        frame = voices.frame(kind)
        tokens.append(Token(word, match.start(), kind, voices.step(kind, word, tokens), frame))
        if colon:
            voice = voices.step("colon", _VISARGA, tokens)
            tokens.append(Token(_VISARGA, match.end() - 1, "colon", voice))
    return tokens


def sentences(tokens: list[Token]) -> list[list[Token]]:
    """Group tokens by sentence. A quotation is separate from the sentence that contains it."""
    open_ones: dict[int | str, list[Token]] = {}
    groups: list[list[Token]] = []
    for token in tokens:
        if token.kind == "quote":
            continue
        current = open_ones.get(token.voice)
        if current is None:
            current = open_ones[token.voice] = []
            groups.append(current)
        current.append(token)
        if token.kind in ("end", "line"):
            del open_ones[token.voice]
            if token.frame is not None:
                open_ones.pop(token.frame, None)
    return [group for group in groups if any(token.kind == "word" for token in group)]


def _speakers(text: str) -> dict[int, str]:
    # Lines "Name: ..." of two or more speakers make a dialogue. Headings of a letter do not. Labels
    # within a line do if one of the names comes back. Lines "Name - ..." do if most lines are so,
    # since prose has dashes too. So do lines with nothing but a name, as in a play, if one of the
    # names comes back.
    labels = _names(_LABEL, text)
    if len(set(labels.values())) > 1:
        return labels
    inline = {at: n for at, n in _names(_INLINE, text).items() if not _has_verb_or_pronoun(n)}
    if len(set(inline.values())) > 1 and max(Counter(inline.values()).values()) > 1:
        return inline
    dashed = _names(_DASHED, text)
    lines = sum(bool(line.strip()) for line in text.split("\n"))
    if len(set(dashed.values())) > 1 and 2 * len(dashed) > lines:
        return dashed
    alone = {at: name for at, name in _names(_ALONE, text).items() if _speaks_next(text, at, name)}
    names = Counter(alone.values())
    several = len(names) > 1 and max(names.values()) > 1
    return alone if several and 3 * len(alone) > lines else {}


def _speaks_next(text: str, at: int, name: str) -> bool:
    below = _BELOW.match(text, at + len(name))
    if below is None or _has_verb_or_pronoun(name):
        return False
    return not _ALONE.match(below[1])


def _has_verb_or_pronoun(name: str) -> bool:
    return any(pronoun_of(word) or readings(word) for word in name.split())


def _names(label: re.Pattern[str], text: str) -> dict[int, str]:
    names = {}
    for match in label.finditer(text):
        group = match.lastindex or 1
        if match[group].split()[0] not in _HEADINGS:
            names[match.start(group)] = match[group].rstrip(_VISARGA)
    return names


def _stands_for_colon(match: re.Match[str], ends: set[int]) -> bool:
    # "He said: ..." and "Rahim: ..." are often written with a visarga in place of the colon.
    word = match[0].removesuffix(_VISARGA)
    return match.end() - 1 in ends or any(reading.subject for reading in readings(word))


class _Voices:
    """The current voice, which quotation marks and reported speech change."""

    def __init__(self) -> None:
        self.speaker: int | str = 0
        self._quotes = 0
        self._open = self._reported = False

    def turn(self) -> None:
        """Start a line with a dash, the turn of a speaker who is not named."""
        self._open = self._reported = True
        self._quotes += 1

    def frame(self, kind: str) -> int | str | None:
        """Return the voice whose sentence an end mark closes besides that of reported speech."""
        ends = kind in ("end", "line") and self._reported and not self._open
        return self.speaker if ends else None

    def step(self, kind: Kind, text: str, before: list[Token]) -> int | str:
        if kind == "quote":
            self._open = not self._open
            self._reported = False
            self._quotes += self._open
            return self.speaker
        if kind == "line":
            self._open = False  # an unpaired quotation mark ends with its paragraph
        if kind == "comma" or kind == "colon":
            return self._after_pause(text, before)
        voice = self._quotes if self._open or self._reported else self.speaker
        if kind in ("end", "line"):
            self._reported = False
        return voice

    def _after_pause(self, mark: str, before: list[Token]) -> int | str:
        if self._open or self._reported:
            return self._quotes
        if before and _says(before, told=mark in ":;"):
            self._reported = True
            self._quotes += 1
        return self.speaker


def _says(before: list[Token], *, told: bool) -> bool:
    # Before a comma, "say" in the second person is often a call for attention. Before a colon or
    # a semicolon it tells somebody what to say.
    word = before[-1]
    if word.kind != "word":
        return False
    finite = [r for r in readings(word.text) if r.subject]
    follows_say = len(before) > 1 and before[-2].text in _SAYING
    if told:
        return any(r.verb in _SAYING or follows_say for r in finite)
    return any(r.subject in _REPORTERS and (_speaks(r) or follows_say) for r in finite)


def _speaks(reading: Reading) -> bool:
    return reading.verb in _SAYING and reading.tense not in ("imperative", "future")
