"""Find the parts of a letter, and check that they are complete and in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from bangla_checker.checks.findings import Fault
from bangla_checker.messages import Message
from bangla_checker.text.normalise import normalise

FIELDS = ("recipient", "date", "subject", "salutation", "body", "closing")
"""The parts in the standard order. A date may also come first. A private letter needs neither a
recipient nor a subject."""

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
        name: one of `FIELDS`.
        line: the number of its first line, from 0.
        start: the index of its first character.
        text: its first line.
    """

    name: str
    line: int
    start: int
    text: str


def parts(text: str) -> dict[str, Part]:
    """Return the first occurrence of each part of a letter, by name.

    The body starts at the first line that is a sentence and not another part.
    """
    present: dict[str, Part] = {}
    start = 0
    for number, line in enumerate(text.split("\n")):
        name = _part_of(line.strip(), present)
        if name and name not in present:
            present[name] = Part(name, number, start, line)
        start += len(line) + 1
    return present


def is_private(present: dict[str, Part]) -> bool:
    """Return whether the parts are those of a letter to a friend or relative."""
    return "recipient" not in present and "subject" not in present


def looks_like_letter(present: dict[str, Part]) -> bool:
    """Return whether a text has at least two parts of a letter besides the body."""
    return len(present.keys() - {"body"}) >= 2


def structure_faults(text: str, *, certain: bool) -> list[Fault]:
    """Return a fault for each part of a letter that is missing or misplaced.

    Args:
        text: the normalised text.
        certain: `True` if the text is known to be a letter. Otherwise a text that does not look
            like a letter has no such faults.
    """
    present = parts(text)
    if not certain and not looks_like_letter(present):
        return []
    faults = []
    for name in _required(present):
        if name not in present:
            reason = Message("the letter has no {part}", part=name)
            hint = (normalise(_NAMES[name]),) if _NAMES[name] else ()
            faults.append(Fault("structure", 0, 0, "", reason, hint))
    return faults + [
        Fault("structure", part.start, part.start + len(part.text), part.text, reason)
        for part, reason in _misplaced(present)
    ]


def structure_score(text: str) -> float:
    """Return the share of the required parts that are present and in their place."""
    present = parts(text)
    required = _required(present)
    wrong = {part.name for part, _ in _misplaced(present)}
    return sum(name in present and name not in wrong for name in required) / len(required)


def _required(present: dict[str, Part]) -> list[str]:
    return [f for f in FIELDS if not (is_private(present) and f in ("recipient", "subject"))]


def _part_of(line: str, present: dict[str, Part]) -> str:
    if not line:
        return ""
    for name, pattern in _COMPILED.items():
        if pattern.match(line):
            return name
    if "salutation" in present:
        return "body" if len(line) > 30 else ""
    min_length = 30 if "subject" in present else 60  # an address is shorter
    return "body" if present and len(line) > min_length and line.endswith(("।", "?", "!")) else ""


def _misplaced(present: dict[str, Part]) -> list[tuple[Part, str]]:
    # A part is misplaced if it comes after a part that it should precede. The date may come first,
    # or last in a formal letter (beside the signature).
    order = [name for name in FIELDS if name in present and name != "date"]
    wrong: list[tuple[Part, str]] = []
    for before, after in pairwise(order):
        if present[before].line > present[after].line:
            names = {"part": before, "other": after}
            reason = Message("the {part} must come before the {other}", **names)
            wrong.append((present[before], reason))
    date = present.get("date")
    if date is not None and not _date_fits(date, present):
        wrong.append((date, "the date must be at the head of the letter or beside the signature"))
    return wrong


def _date_fits(date: Part, present: dict[str, Part]) -> bool:
    heads = [present[name].line for name in ("subject", "salutation", "body") if name in present]
    closing = present.get("closing")
    signed = closing is not None and date.line > closing.line
    return signed or not heads or date.line < min(heads)
