"""What the checker finds: faults with a rule and a suggestion, and what it left undecided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Rule = Literal[
    "agreement",
    "chandrabindu",
    "mixing",
    "addressee",
    "vocative",
    "register",
    "over_formal",
    "structure",
]

RULES: dict[str, str] = {
    "agreement": "a verb agrees with its subject in person and level",
    "chandrabindu": "an honoured third person is written with a chandrabindu",
    "mixing": "one person is addressed by pronouns of one level",
    "addressee": "a verb without a subject keeps the level of the person addressed",
    "vocative": "a respectful call demands the polite level",
    "register": "the level is one of those asked for",
    "over_formal": "the level is not above those asked for",
    "structure": "a letter has its parts, in their order",
}


@dataclass(frozen=True)
class Fault:
    """A place that breaks a rule.

    Attributes:
        rule: a key of `RULES`.
        start: first character in the normalised text.
        end: the one behind the last.
        word: what stands there.
        reason: what is wrong, in a sentence.
        suggestions: what could stand there instead, the usual form first.
    """

    rule: Rule
    start: int
    end: int
    word: str
    reason: str
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Undecided:
    """A verb that was not judged, and why."""

    start: int
    end: int
    word: str
    reason: str


@dataclass(frozen=True)
class Evidence:
    """A word that shows at which level somebody is addressed.

    Attributes:
        start: first character in the normalised text.
        word: what stands there.
        levels: the levels that it can have, of `LEVELS`.
        addressee: who is addressed: the voice, and the name by which it calls.
        suggestions: by level, what would stand there at that level.
        pronoun: whether it is a pronoun, and not a verb.
    """

    start: int
    word: str
    levels: frozenset[str]
    addressee: tuple[int | str, str]
    suggestions: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    pronoun: bool = True


@dataclass
class Findings:
    """All that was found in one text.

    Attributes:
        text: normalised; every position counts in it.
        faults: in the order of the text.
        undecided: verbs on which the checker abstains.
        evidence: of the levels of address.
        judged: finite verbs that were compared with a subject that is written.
        agreeing: how many of those agree with it.
        verbs: finite verbs, and words that may be one, judged or not.
        literary: verb forms and pronouns of the written style alone.
        colloquial: finite verb forms of the spoken style alone.
    """

    text: str
    faults: list[Fault] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    judged: int = 0
    agreeing: int = 0
    verbs: int = 0
    literary: int = 0
    colloquial: int = 0

    @property
    def levels(self) -> frozenset[str]:
        """Every level at which somebody is certainly addressed."""
        found = (item.levels for item in self.evidence if len(item.levels) == 1)
        return frozenset(level for group in found for level in group)
