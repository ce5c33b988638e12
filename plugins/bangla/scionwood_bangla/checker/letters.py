"""The parts of a letter: which are there, on which line, and in which order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from scionwood_bangla.checker.findings import Fault
from scionwood_bangla.text.normalise import normalise

FIELDS = ("recipient", "date", "subject", "salutation", "body", "closing")
"""The parts in their order; a date may also stand first, and a private letter needs no recipient
and no subject."""

_NAMES = {
    "recipient": "বরাবর",
    "date": "তারিখ:",
    "subject": "বিষয়:",
    "salutation": "জনাব,",
    "body": "",
    "closing": "বিনীত নিবেদক,",
}
_MONTHS = (
    "জানুয়ারি|ফেব্রুয়ারি|মার্চ|এপ্রিল|মে|জুন|জুলাই|আগস্ট|সেপ্টেম্বর|অক্টোবর|নভেম্বর|ডিসেম্বর|"
    "বৈশাখ|জ্যৈষ্ঠ|আষাঢ়|শ্রাবণ|ভাদ্র|আশ্বিন|কার্তিক|অগ্রহায়ণ|পৌষ|মাঘ|ফাল্গুন|চৈত্র"
)
_DIGIT = "[0-9০-৯]"
_PATTERNS = {
    "recipient": r"(?:বরাবর|প্রাপক|প্রতি)\s*[,:।]?\s*(?:\S.*)?$",
    "date": r"(?:তারিখ\s*[:ঃ-]?.*"
    rf"|{_DIGIT}{{1,4}}\s*[-/.]\s*{_DIGIT}{{1,2}}\s*[-/.]\s*{_DIGIT}{{1,4}}.*"
    rf"|(?:\S+,\s*)?{_DIGIT}{{1,2}}(?:ই|শে|লা|রা|ঠা)?\s+(?:{_MONTHS})(?=[\s,।]|$).*)$",
    "subject": r"বিষয়\s*[:ঃ-].*$",
    "salutation": r"(?:(?:জনাব|জনাবা|মহোদয়|মহোদয়া|মহাশয়|মহাশয়া|মান্যবর|মাননীয় মহোদয়|স্যার|ম্যাডাম)"
    r"(?:\s*/\s*\S+)?(?:\s+\S+)?\s*[,;।!]?|(?:প্রিয়|শ্রদ্ধেয়|শ্রদ্ধেয়া|স্নেহের|প্রিয়তম|প্রিয়তমা|কল্যাণীয়|কল্যাণীয়া"
    r"|পূজনীয়|পূজনীয়া|আদরের|শ্রীচরণেষু)(?:\s+[^\s।]+){0,3}\s*[,;!]?)$",
    "closing": r"(?:বিনীত|নিবেদক|নিবেদিকা|ইতি|ধন্যবাদান্তে|শুভেচ্ছান্তে|আপনার একান্ত|আপনার বিশ্বস্ত|একান্ত বাধ্যগত"
    r"|তোমার স্নেহের|তোমার বন্ধু|তোর বন্ধু|ভালোবাসান্তে|শ্রদ্ধান্তে)(?!\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+).*$",
}
_COMPILED = {name: re.compile(normalise(pattern)) for name, pattern in _PATTERNS.items()}


@dataclass(frozen=True)
class Part:
    """A part of a letter.

    Attributes:
        name: of `FIELDS`.
        line: its first line, from 0.
        start: its first character.
        text: that line.
    """

    name: str
    line: int
    start: int
    text: str


def parts(text: str) -> dict[str, Part]:
    """The parts that are there, by name, each where it first stands.

    The body is what follows the heads and stands before the closing: its first line that is no
    other part and is a sentence.

    Args:
        text: normalised.
    """
    found: dict[str, Part] = {}
    start = 0
    for number, line in enumerate(text.split("\n")):
        name = _part_of(line.strip(), found)
        if name and name not in found:
            found[name] = Part(name, number, start, line)
        start += len(line) + 1
    return found


def is_private(found: dict[str, Part]) -> bool:
    """Whether the parts are those of a letter to a friend or relative."""
    return "recipient" not in found and "subject" not in found


def looks_like_letter(found: dict[str, Part]) -> bool:
    """Whether a text has so many parts of a letter that it must be one."""
    return len(found.keys() - {"body"}) >= 2


def structure_faults(text: str, *, certain: bool) -> list[Fault]:
    """Parts that a letter lacks, or that stand where they do not belong.

    Args:
        text: normalised.
        certain: it is a letter, whatever it looks like.
    """
    found = parts(text)
    if not certain and not looks_like_letter(found):
        return []
    needed = [f for f in FIELDS if not (is_private(found) and f in ("recipient", "subject"))]
    faults = []
    for name in needed:
        if name not in found:
            reason = f"the letter has no {name}"
            hint = (normalise(_NAMES[name]),) if _NAMES[name] else ()
            faults.append(Fault("structure", 0, 0, "", reason, hint))
    return faults + [
        Fault("structure", part.start, part.start + len(part.text), part.text, reason)
        for part, reason in _misplaced(found)
    ]


def structure_score(text: str) -> float:
    """The share of the parts due that are there and in their place.

    Args:
        text: normalised.
    """
    found = parts(text)
    due = [f for f in FIELDS if not (is_private(found) and f in ("recipient", "subject"))]
    wrong = {part.name for part, _ in _misplaced(found)}
    return sum(name in found and name not in wrong for name in due) / len(due)


def _part_of(line: str, found: dict[str, Part]) -> str:
    if not line:
        return ""
    for name, pattern in _COMPILED.items():
        if pattern.match(line):
            return name
    if "salutation" in found:
        return "body" if len(line) > 30 else ""
    least = 30 if "subject" in found else 60  # an address is shorter
    return "body" if found and len(line) > least and line.endswith(("।", "?", "!")) else ""


def _misplaced(found: dict[str, Part]) -> list[tuple[Part, str]]:
    # A part is misplaced where it stands behind one that it should stand before; the date may
    # stand first, or last in a formal letter (beside the signature).
    order = [name for name in FIELDS if name in found and name != "date"]
    wrong = []
    for before, after in pairwise(order):
        if found[before].line > found[after].line:
            wrong.append((found[before], f"the {before} stands before the {after}"))
    date = found.get("date")
    if date is not None and not _date_fits(date, found):
        wrong.append((date, "the date stands at the head of the letter, or beside its signature"))
    return wrong


def _date_fits(date: Part, found: dict[str, Part]) -> bool:
    heads = [found[name].line for name in ("subject", "salutation", "body") if name in found]
    closing = found.get("closing")
    signed = closing is not None and date.line > closing.line
    return signed or not heads or date.line < min(heads)
