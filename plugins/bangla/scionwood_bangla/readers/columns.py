"""Find the columns of the prompt, the answer, the topic and the level by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from scionwood import ReadError, RecipeError
from scionwood_bangla.text.normalise import normalise

_NAMES = {
    "prompt": "prompt question instruction query input user request প্রম্পট প্রশ্ন নির্দেশ নির্দেশনা ইনপুট "
    "অনুরোধ",
    "completion": "completion response answer output reply target assistant উত্তর জবাব আউটপুট সাড়া "
    "প্রতিক্রিয়া",
    "topic": "topic title theme category subject টপিক বিষয় শিরোনাম বিভাগ শ্রেণি প্রসঙ্গ",
    "register": "register level honorific formality স্তর সম্বোধন",
    "system": "system সিস্টেম",
}
REQUIRED = ("prompt", "completion")


def find_columns(
    names: Sequence[str], given: Mapping[str, str] | None, where: str
) -> dict[str, str]:
    """Return the column of each part of an example.

    A column is recognised by its name in English or Bangla. A whole name takes precedence over a
    word in a name, such as `Prompt (Bangla)`.

    Args:
        names: the names of all columns.
        given: columns by part, which take precedence over recognised columns.
        where: the file, for errors.

    Returns:
        The column by part: `prompt` and `completion`, and `topic`, `register` and `system` if they
        exist.

    Raises:
        RecipeError: a part or a column in `given` does not exist.
        ReadError: no column, or more than one column, could be the prompt or the answer.
    """
    chosen = _given(names, given or {}, where)
    for part, words in _NAMES.items():
        if part in chosen:
            continue
        free = [name for name in names if name not in chosen.values()]
        matches = _matching(free, normalise(words).split())
        if len(matches) == 1:
            chosen[part] = matches[0]
        elif part in REQUIRED:
            listed = ", ".join(matches or names)
            rule = f"{listed} could all be" if matches else f"none of {listed} is"
            remedy = f"Name it: data.columns: {{{part}: COLUMN}}"
            raise ReadError(where, f"{rule} the column of the {part}", remedy)
    return chosen


def _given(names: Sequence[str], given: Mapping[str, str], where: str) -> dict[str, str]:
    for part, name in given.items():
        if part not in _NAMES:
            rule = "an example has no such part"
            raise RecipeError(f"columns: {part!r}", rule, f"Use any of {', '.join(_NAMES)}")
        if name not in names:
            rule = f"{where} has no such column"
            raise RecipeError(f"columns: {part}: {name!r}", rule, f"It has: {', '.join(names)}")
    return dict(given)


def _matching(names: Sequence[str], words: Sequence[str]) -> list[str]:
    plain = {name: normalise(name).strip().lower() for name in names}
    for word in words:
        if exact := [name for name in names if plain[name] == word]:
            return exact
    parts = {name: set(re.split(r"[^\w\u0980-\u09ff]+|_", plain[name])) for name in names}
    return [name for name in names if parts[name] & set(words)]
