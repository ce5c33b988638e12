"""Track the subject through a sentence, and compare each finite verb with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from scionwood_bangla.checker.clauses import Word, is_order, role
from scionwood_bangla.checker.findings import Evidence, Fault, Findings, Rule, Undecided
from scionwood_bangla.lexicon import LEVELS, Reading, inflect, pronoun_for
from scionwood_bangla.lexicon.words import joining, others, pointed_at, postpositions


@dataclass
class _State:
    subject: Word | None = None  # a pronoun that still needs its verb
    joined: bool = False  # the subject is coordinated, "you and ...", and its level is unknown
    loose: Word | None = None  # a verb without a subject before it


@final
class SubjectTracker:
    """Checks the sentences of one text, one after the other.

    Args:
        findings: receives the faults, the evidence and the undecided verbs.
    """

    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def read(self, words: list[Word], addressee: tuple[int | str, str]) -> None:
        """Judge the verbs of a sentence, and record how it addresses its addressee.

        Args:
            words: the words of the sentence, with their readings.
            addressee: the voice, and the vocative that it used last.
        """
        state = _State()
        for i, word in enumerate(words):
            if word.pronoun is not None:
                self._pronoun(words, i, state, addressee)
            elif word.text in joining():
                self._conjunction(words, i, state)
            elif _is_other_subject(words, i):
                state.subject = None
            else:
                self._verb(words, i, state, addressee)

    def _pronoun(
        self, words: list[Word], i: int, state: _State, addressee: tuple[int | str, str]
    ) -> None:
        word = words[i]
        assert word.pronoun is not None
        after = words[i + 1].text if i + 1 < len(words) else ""
        if after in postpositions() and word.pronoun.nominative:
            return
        self._note_pronoun(word, addressee)
        if not word.pronoun.nominative:
            if word.pause == "comma":
                state.subject = None  # "you are my teacher, your ...": a new subject follows
            return
        if word.text == "সে" and after in pointed_at():
            return
        if state.loose is not None and word.final and not state.joined:
            self._withdraw(state.loose)
            self._judge(state.loose, word)
            state.loose = None
            return
        if state.joined or (state.subject is words[i - 1] and i > 0):
            state.subject, state.joined = None, True
            return
        state.subject, state.loose = word, None

    def _conjunction(self, words: list[Word], i: int, state: _State) -> None:
        # `ar` also means "any more". It joins two subjects only before another pronoun.
        if state.subject is None or state.subject is not words[i - 1] or i + 1 == len(words):
            return
        if words[i].text != "আর" or words[i + 1].pronoun is not None:
            state.subject, state.joined = None, True

    def _verb(
        self, words: list[Word], i: int, state: _State, addressee: tuple[int | str, str]
    ) -> None:
        word = words[i]
        kind = role(words, i, led=state.subject is not None)
        if kind == "not_finite" and _changes_subject(word):
            state.subject = None
        if kind == "unclear":
            self.findings.verbs += 1
            self._abstain(word, "it may not be a verb")
        if kind != "finite":
            return
        self.findings.verbs += 1
        self._note_style(word)
        if state.subject is not None and not _elliptic(word, state):
            self._judge(word, state.subject)
        elif word.ambiguous:
            self._abstain(word, "it may not be a finite verb")
        elif not word.subjects & set(LEVELS):
            pass  # first and third persons have no level of address
        elif word.subjects <= set(LEVELS) or is_order(word, words):
            self._note_verb(word, addressee)
        else:
            self._abstain(word, _why(word))
        state.loose = None if state.subject is not None else word
        state.subject, state.joined = None, False

    def _judge(self, verb: Word, subject: Word) -> None:
        assert subject.pronoun is not None
        wanted = subject.pronoun.subject
        self.findings.judged += 1
        if wanted in verb.subjects:
            self.findings.agreeing += 1
            return
        rule: Rule = "agreement"
        suggestions = forms_for(verb.readings, wanted)
        if wanted == "se" and "tini" in verb.subjects and subject.pronoun.case == "plural":
            rule = "chandrabindu"
            suggestions += (pronoun_for("tini", subject.pronoun.case),)
        reason = f"{verb.text} does not agree with {subject.text}"
        place = (verb.token.start, verb.token.end, verb.text)
        self.findings.faults.append(Fault(rule, *place, reason, suggestions))

    def _note_pronoun(self, word: Word, addressee: tuple[int | str, str]) -> None:
        assert word.pronoun is not None
        pronoun = word.pronoun
        self.findings.literary += pronoun.literary
        if pronoun.subject not in LEVELS:
            return
        instead: dict[str, tuple[str, ...]] = {
            level: (pronoun_for(level, pronoun.case),) for level in LEVELS
        }
        level = frozenset({pronoun.subject})
        self.findings.evidence.append(
            Evidence(word.token.start, word.text, level, addressee, instead)
        )

    def _note_verb(self, word: Word, addressee: tuple[int | str, str]) -> None:
        instead = {level: forms_for(word.readings, level) for level in LEVELS}
        levels = word.subjects & set(LEVELS)
        self.findings.evidence.append(
            Evidence(word.token.start, word.text, levels, addressee, instead, pronoun=False)
        )

    def _note_style(self, word: Word) -> None:
        styles = {reading.literary for reading in word.readings}
        self.findings.literary += styles == {True}
        self.findings.colloquial += styles == {False} and _has_literary_peer(word)

    def _withdraw(self, verb: Word) -> None:
        # Its subject follows it, so the record of a verb without a subject is removed.
        undecided, evidence = self.findings.undecided, self.findings.evidence
        start = verb.token.start
        undecided[-1:] = [item for item in undecided[-1:] if item.start != start]
        evidence[-2:] = [item for item in evidence[-2:] if item.start != start]

    def _abstain(self, word: Word, reason: str) -> None:
        place = (word.token.start, word.token.end, word.text)
        self.findings.undecided.append(Undecided(*place, reason))


def forms_for(readings: tuple[Reading, ...], subject: str) -> tuple[str, ...]:
    """Return the forms of the same verb and tense for another subject.

    Args:
        readings: the readings of the form. Each of its tenses gives a form.
        subject: one of `SUBJECTS`.
    """
    cells = dict.fromkeys((r.verb, r.tense) for r in readings if r.subject is not None)
    forms = (inflect(verb, tense, subject)[:1] for verb, tense in cells)
    return tuple(dict.fromkeys(form for group in forms for form in group))


def _changes_subject(word: Word) -> bool:
    # "If you say so, he comes": a conditional or an oblique verbal noun ends its clause.
    tenses = {reading.tense for reading in word.readings if reading.subject is None}
    return bool(tenses & {"conditional", "verbal_noun"}) and not word.text.endswith("া")


def _elliptic(word: Word, state: _State) -> bool:
    return word.ambiguous and state.loose is not None


def _is_other_subject(words: list[Word], i: int) -> bool:
    follows = i > 0 and words[i - 1].pronoun is not None
    return words[i].text in others() and not follows and words[i].pause == "comma"


def _has_literary_peer(word: Word) -> bool:
    return any(r.tense in ("continuous", "perfect", "past_perfect") for r in word.readings)


def _why(word: Word) -> str:
    return f"it has no explicit subject and agrees with {', '.join(sorted(word.subjects))}"
