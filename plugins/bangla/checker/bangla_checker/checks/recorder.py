"""Record what the words of a sentence show: faults, evidence of a level, style, abstentions."""

from __future__ import annotations

from typing import final

from bangla_checker.checks.clauses import Word
from bangla_checker.checks.findings import Evidence, Fault, Findings, Rule, Undecided
from bangla_checker.checks.replacement import (
    Replacement,
    pronoun_instead,
    verb_instead,
)
from bangla_checker.lexicon import LEVELS, Reading


@final
class Recorder:
    """Adds to the findings what one sentence shows.

    Args:
        findings: the findings of the text.
        addressee: the voice of the sentence, and the vocative that it used last.
    """

    def __init__(self, findings: Findings, addressee: tuple[int | str, str]) -> None:
        self._findings = findings
        self._addressee = addressee

    def fault(
        self,
        rule: Rule,
        word: Word,
        reason: str,
        instead: Replacement,
    ) -> None:
        """Add a fault."""
        place = (word.token.start, word.token.end, word.text)
        details = (instead.proposed, instead.doubt)
        self._findings.faults.append(Fault(rule, *place, reason, *details))

    def pronoun(self, word: Word) -> None:
        """Record the level of a pronoun of the second person, and the style of any pronoun."""
        pronoun = word.pronoun
        assert pronoun is not None
        self._findings.literary += pronoun.literary
        if pronoun.subject not in LEVELS:
            return
        sure = {level: pronoun_instead(word.text, pronoun, level) for level in LEVELS}
        level = frozenset({pronoun.subject})
        place = (word.token.start, word.text)
        self._findings.evidence.append(
            Evidence(*place, level, self._addressee, sure, plural=is_plural(word))
        )

    def evidence(self, word: Word, readings: tuple[Reading, ...], doubt: str = "") -> Evidence:
        """Return a verb as evidence for the level of the addressee.

        Args:
            word: the verb.
            readings: its readings in the sentence.
            doubt: why it may belong to somebody else, so that nothing takes its place.
        """
        sure = {level: verb_instead(word.text, readings, level) for level in LEVELS}
        if doubt:
            sure = dict.fromkeys(LEVELS, Replacement(doubt=doubt))
        levels = {r.subject for r in readings if r.subject} & set(LEVELS)
        place = (word.token.start, word.text)
        return Evidence(*place, frozenset(levels), self._addressee, sure, pronoun=False)

    def style(self, word: Word) -> None:
        """Count a verb that is only literary or only colloquial."""
        styles = {reading.literary for reading in word.readings}
        self._findings.literary += styles == {True}
        self._findings.colloquial += styles == {False} and _has_literary_peer(word)

    def withdraw(self, verb: Word) -> None:
        """Remove the record of a verb without a subject, because its subject follows it."""
        undecided, evidence = self._findings.undecided, self._findings.evidence
        start = verb.token.start
        undecided[-1:] = [item for item in undecided[-1:] if item.start != start]
        evidence[-2:] = [item for item in evidence[-2:] if item.start != start]

    def abstain(self, word: Word, reason: str) -> None:
        """Add a verb that is not judged."""
        place = (word.token.start, word.token.end, word.text)
        self._findings.undecided.append(Undecided(*place, reason))


def is_plural(word: Word) -> bool:
    """Return whether a word is a plural pronoun."""
    return word.pronoun is not None and word.pronoun.case.startswith("plural")


def _has_literary_peer(word: Word) -> bool:
    return any(r.tense in ("continuous", "perfect", "past_perfect") for r in word.readings)
