"""The same class in other words: how much an answer hangs on the wording of its prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from scionwood_biomed.tasks.anchors import PLAIN

TEMPLATE = "a photo of a"

SEEN = (f"{TEMPLATE} {{}}", *PLAIN)
"""The sentences that a method may see in training; the first one is every method's."""

Others = Mapping[str, Mapping[str, str]]
"""By family, `synonym` or `abbreviation`: other names of classes."""


def _typo(name: str) -> str:
    """Two letters of every word of four or more change places."""
    words = [w[:1] + w[2] + w[1] + w[3:] if len(w) > 3 else w for w in name.split()]
    return " ".join(words)


def _short(name: str) -> str:
    """The first three letters of every word."""
    return " ".join(word[:3] for word in name.split())


UNSEEN: Mapping[str, Callable[[str], str]] = {
    "swap": lambda name: f"{' '.join(reversed(name.split()))}, {TEMPLATE}",
    "typo": lambda name: f"{TEMPLATE} {_typo(name)}",
    "case": lambda name: f"{TEMPLATE} {name}".upper(),
    "abbreviation": lambda name: f"{TEMPLATE} {_short(name)}",
    "synonym": lambda name: f"a picture showing {name}",
    "empty": lambda name: name,
}
"""By family: the prompt of a class, as no method was trained with it."""

WORDINGS: Mapping[str, Callable[[str], str]] = {
    "template": SEEN[0].format,
    **{f"sentence_{at}": sentence.format for at, sentence in enumerate(SEEN[1:], start=1)},
    **UNSEEN,
}
"""By family: the prompt of a class, those of training first."""


def worded(family: str, classes: Sequence[str], others: Others | None = None) -> list[str]:
    """The prompts of classes in a family of wordings.

    Args:
        family: of `WORDINGS`.
        classes: names.
        others: other names of classes, which stand in `synonym` for the name, and in
            `abbreviation` for its first letters.
    """
    given = (others or {}).get(family, {})
    if family == "abbreviation":
        return [
            f"{TEMPLATE} {given[name]}" if name in given else WORDINGS[family](name)
            for name in classes
        ]
    return [WORDINGS[family](given.get(name, name)) for name in classes]
