"""The same class in other words: how much an answer hangs on the wording of its prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

TEMPLATE = "a photo of a"


def _typo(name: str) -> str:
    """Two letters of every word of four or more change places."""
    words = [w[:1] + w[2] + w[1] + w[3:] if len(w) > 3 else w for w in name.split()]
    return " ".join(words)


def _short(name: str) -> str:
    """The first three letters of every word."""
    return " ".join(word[:3] for word in name.split())


WORDINGS: Mapping[str, Callable[[str], str]] = {
    "template": lambda name: f"{TEMPLATE} {name}",
    "swap": lambda name: f"{' '.join(reversed(name.split()))}, {TEMPLATE}",
    "typo": lambda name: f"{TEMPLATE} {_typo(name)}",
    "case": lambda name: f"{TEMPLATE} {name}".upper(),
    "abbreviation": lambda name: f"{TEMPLATE} {_short(name)}",
    "synonym": lambda name: f"a picture showing {name}",
    "empty": lambda name: name,
}
"""By family: the prompt of a class; the first one is what methods train with."""


def worded(family: str, classes: Sequence[str], synonyms: Mapping[str, str] | None) -> list[str]:
    """The prompts of classes in a family of wordings.

    Args:
        family: of `WORDINGS`.
        classes: names.
        synonyms: other names of classes, for the family `synonym`.
    """
    named = [(synonyms or {}).get(name, name) if family == "synonym" else name for name in classes]
    return [WORDINGS[family](name) for name in named]
