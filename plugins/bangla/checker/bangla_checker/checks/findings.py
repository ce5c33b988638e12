"""The results of a check: faults with rules and suggestions, and the undecided verbs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bangla_checker.checks.replacement import QUOTED, Replacement

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
    "agreement": "a verb agrees with its subject in person and honorific level",
    "chandrabindu": "an honorific third-person pronoun is written with a chandrabindu",
    "mixing": "all pronouns for one addressee have the same level",
    "addressee": "a verb without a subject has the level of the addressee",
    "vocative": "a respectful vocative requires the polite level",
    "register": "the level is one of the accepted levels",
    "over_formal": "the level is not above the accepted levels",
    "structure": "a letter has all its parts in the standard order",
}
"""The meaning of each rule."""


@dataclass(frozen=True)
class Fault:
    """A passage that breaks a rule.

    Attributes:
        rule: a key of `RULES`.
        start: the index of the first character in the normalised text.
        end: the index after the last character.
        word: the passage.
        reason: what is wrong with it.
        suggestions: a replacement that keeps the meaning for certain, or nothing.
        question: why nothing is proposed; empty where a replacement is, or where no word is wrong.

    Example:
        >>> from bangla_checker import check_text
        >>> (fault,) = check_text("স্যার, তুমি কবে আসবে?").faults
        >>> fault.rule, fault.word
        ('vocative', 'তুমি')
    """

    rule: Rule
    start: int
    end: int
    word: str
    reason: str
    suggestions: tuple[str, ...] = ()
    question: str = ""


@dataclass(frozen=True)
class Undecided:
    """A verb that the checker did not judge.

    Attributes:
        start: the index of the first character in the normalised text.
        end: the index after the last character.
        word: the verb.
        reason: why it was not judged.
    """

    start: int
    end: int
    word: str
    reason: str


@dataclass(frozen=True)
class Evidence:
    """A word that shows the level at which somebody is addressed.

    Attributes:
        start: the index of the first character in the normalised text.
        word: the word.
        levels: its possible levels, of `LEVELS`.
        addressee: the voice that speaks, and the vocative that it uses for the addressee.
        instead: the replacement by level, or why there is none.
        pronoun: `True` for a pronoun, `False` for a verb.
        plural: whether it addresses several people.
    """

    start: int
    word: str
    levels: frozenset[str]
    addressee: tuple[int | str, str]
    instead: dict[str, Replacement] = field(default_factory=dict, hash=False)
    pronoun: bool = True
    plural: bool = False

    @property
    def quoted(self) -> bool:
        """Whether another person than the writer or a named speaker says it."""
        voice = self.addressee[0]
        return isinstance(voice, int) and voice > 0

    def replacement(self, level: str) -> Replacement:
        """Return the replacement at a level; there is none in a quotation."""
        if self.quoted:
            return Replacement(doubt=QUOTED)
        return self.instead.get(level, Replacement(doubt="it has no such level"))


@dataclass
class Findings:
    """All results for one text.

    Attributes:
        text: the normalised text, to which all positions refer.
        faults: the faults, in text order.
        undecided: the verbs that the checker did not judge.
        evidence: the words that show a level of address.
        bound: the verbs that agree with a pronoun of the second person, which change with it.
        orders: forms that may be orders to the addressee; they are if nobody else is spoken of.
        loose: verbs that may have the addressee as their subject.
        unbound: the starts of pronouns of the second person whose verb was not found.
        requests: the verbs of requests without a subject. They address the reader if the text is
            a letter, and then they have a level.
        judged: the number of finite verbs that were compared with an explicit subject.
        agreeing: the number of judged verbs that agree with their subject.
        verbs: the number of finite verbs, judged or not, and of words that may be one.
        literary: the number of pronouns and verb forms that only the literary style has.
        colloquial: the number of finite verb forms that only the colloquial style has.
        regional: the regional forms, in text order. The verbs of their sentences are not judged.

    Example:
        >>> from bangla_checker import check_text
        >>> findings = check_text("আপনি কেমন আছেন?")
        >>> findings.judged, findings.agreeing, findings.faults
        (1, 1, [])
    """

    text: str
    faults: list[Fault] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    bound: list[Evidence] = field(default_factory=list)
    orders: list[Evidence] = field(default_factory=list)
    loose: list[Evidence] = field(default_factory=list)
    unbound: list[int] = field(default_factory=list)
    requests: list[Evidence] = field(default_factory=list)
    judged: int = 0
    agreeing: int = 0
    verbs: int = 0
    literary: int = 0
    colloquial: int = 0
    regional: list[str] = field(default_factory=list)

    @property
    def levels(self) -> frozenset[str]:
        """The levels at which somebody is certainly addressed."""
        certain = (item.levels for item in self.evidence if len(item.levels) == 1)
        return frozenset(level for group in certain for level in group)
