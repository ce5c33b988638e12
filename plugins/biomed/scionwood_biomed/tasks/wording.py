"""Other wordings of the same class, to measure how much an answer depends on its prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from scionwood_biomed.tasks.anchors import PLAIN

TEMPLATE = "a photo of a"

TRAINING_WORDINGS = (f"{TEMPLATE} {{}}", *PLAIN)
"""The sentences that a method may see in training. Every method sees the first one."""

OtherNames = Mapping[str, Mapping[str, str]]
"""Other names of classes by family (`synonym` or `abbreviation`) and by class name."""


def _typo(name: str) -> str:
    """Swap the second and third letter of every word of four letters or more."""
    words = [w[:1] + w[2] + w[1] + w[3:] if len(w) > 3 else w for w in name.split()]
    return " ".join(words)


def _short(name: str) -> str:
    """Keep the first three letters of every word."""
    return " ".join(word[:3] for word in name.split())


UNSEEN: Mapping[str, Callable[[str], str]] = {
    "swap": lambda name: f"{' '.join(reversed(name.split()))}, {TEMPLATE}",
    "typo": lambda name: f"{TEMPLATE} {_typo(name)}",
    "case": lambda name: f"{TEMPLATE} {name}".upper(),
    "abbreviation": lambda name: f"{TEMPLATE} {_short(name)}",
    "synonym": lambda name: f"a picture showing {name}",
    "empty": lambda name: name,
}
"""By family: how a class name becomes a prompt that no method was trained with."""

WORDINGS: Mapping[str, Callable[[str], str]] = {
    "template": TRAINING_WORDINGS[0].format,
    **{
        f"sentence_{at}": sentence.format
        for at, sentence in enumerate(TRAINING_WORDINGS[1:], start=1)
    },
    **UNSEEN,
}
"""By family: how a class name becomes a prompt. The wordings of training come first."""


def with_wording(
    family: str, classes: Sequence[str], others: OtherNames | None = None
) -> list[str]:
    """Return one prompt per class in a family of wordings.

    Args:
        family: a key of `WORDINGS`.
        classes: class names.
        others: other names of classes. In the family `synonym` they replace the class name, in
            `abbreviation` they replace its first letters.
    """
    other_names = (others or {}).get(family, {})
    if family == "abbreviation":
        return [
            f"{TEMPLATE} {other_names[name]}" if name in other_names else WORDINGS[family](name)
            for name in classes
        ]
    return [WORDINGS[family](other_names.get(name, name)) for name in classes]
