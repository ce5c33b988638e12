"""Find the lines of a text that stay as they are: headings, titles and verses."""

from __future__ import annotations

import re

from bangla_checker.checks.letters import looks_like_letter, parts

_MARK = re.compile(r"[।॥?!…,:;]\s*[\"')\]]*\s*$")
_TITLE_WORDS, _VERSE_LINES = 8, 3


def set_apart(text: str) -> list[tuple[int, int]]:
    """Return the start and the end (exclusive) of each line that stays as it is.

    In a text whose sentences end with marks, a short line without one before an empty line is a
    heading, and three such lines in a row are verses. A letter has neither.
    """
    lines = text.split("\n")
    plain = [bool(line.strip()) and not _MARK.search(line) for line in lines]
    marked = sum(bool(_MARK.search(line)) for line in lines)
    if not marked or looks_like_letter(parts(text)):
        return []
    apart, at = [], 0
    for number, line in enumerate(lines):
        if plain[number] and (_is_heading(lines, number) or _is_verse(plain, number)):
            apart.append((at, at + len(line)))
        at += len(line) + 1
    return apart


def _is_heading(lines: list[str], number: int) -> bool:
    below = lines[number + 1 : number + 2]
    alone = number == 0 or not lines[number - 1].strip()
    return alone and bool(below) and len(lines[number].split()) <= _TITLE_WORDS


def _is_verse(plain: list[bool], number: int) -> bool:
    first = number
    while first and plain[first - 1]:
        first -= 1
    run = plain[first:]
    return all(run[:_VERSE_LINES]) and len(run) >= _VERSE_LINES
