"""Track the subject through a sentence, and compare each finite verb with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from bangla_checker.checks.abstention import SECOND, Pair, Subject, same_person, why_not_judged
from bangla_checker.checks.carry import (
    THEN,
    changes_subject,
    has_other_subject,
    is_transparent,
    may_change_subject,
)
from bangla_checker.checks.clauses import Word, is_order, role
from bangla_checker.checks.findings import Findings, Rule
from bangla_checker.checks.kinds import is_genitive, may_be_subject
from bangla_checker.checks.mood import is_order_form, settled
from bangla_checker.checks.recorder import Recorder, is_plural
from bangla_checker.checks.replacement import (
    Replacement,
    pronoun_instead,
    verb_instead,
)
from bangla_checker.checks.structure import (
    clause_before,
    is_determiner,
    is_listed,
    is_other_subject,
    is_stars,
    is_title,
    may_be_third_person,
    starts_clause,
)
from bangla_checker.lexicon import SUBJECTS, Reading
from bangla_checker.lexicon import function_words as fw
from bangla_checker.lexicon.morphology import analyse
from bangla_checker.lexicon.words import is_homograph
from bangla_checker.messages import Message
from bangla_checker.text.normalise import normalise

_CARRIED, _MIXED, _STALE = 9, 8, 8
_AND, _OR_MORE, _YOURSELF = normalise("এবং"), normalise("আর"), normalise("আপনা")
_BE = normalise("হওয়া")


@dataclass
class _State:
    subject: Subject | None = None  # a subject that still needs its verb
    commas: int = 0  # behind the subject
    joined: bool = False  # the subject is coordinated, "you and ...", and its level is unknown
    loose: Word | None = None  # a verb without a subject before it
    carried: Subject | None = (
        None  # the subject of the previous verb, which may be that of the next
    )
    carried_to: int = -1
    stale: Subject | None = None  # a second person whose clause a conditional has ended
    second: Subject | None = None  # the last pronoun of the second person in this clause


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
        reader = _Reader(self.findings, words, addressee)
        for i in range(len(words)):
            reader.step(i)
        reader.end()


@final
class _Reader:
    """Reads one sentence."""

    def __init__(
        self, findings: Findings, words: list[Word], addressee: tuple[int | str, str]
    ) -> None:
        self.findings = findings
        self.words = words
        self._record = Recorder(findings, addressee)
        self._unbound: list[Subject] = []
        self._before = len(findings.evidence)
        self.state = _State()

    def step(self, i: int) -> None:
        word, state = self.words[i], self.state
        self._pause(i)
        if word.pronoun is not None:
            self._pronoun(i)
        elif state.subject is not None and starts_clause(self.words, i, state.subject.at):
            state.subject = None
        elif word.text in fw.JOINING:
            self._conjunction(i)
        elif is_other_subject(self.words, i):
            state.subject = None
        elif is_title(self.words, i):
            state.subject, state.commas = Subject(word, i, "tini", titled=True), 0
        else:
            self._verb(i)

    def end(self) -> None:
        """Record the pronouns whose verbs were not found, and a noun that is the only verb."""
        self._order_at_end()
        verbs = [item for item in self.findings.evidence[self._before :] if not item.pronoun]
        for subject in self._unbound:
            if any(subject.person in verb.levels for verb in verbs):
                continue  # "you and she came": the verb is one of the second person only
            words = (w for at, w in enumerate(self.words) if at != subject.at and not w.pronoun)
            subjects = {a.reading.subject for word in words for a in analyse(word.text)}
            if subject.person in subjects:
                self.findings.unbound.append(subject.word.token.start)

    def _order_at_end(self) -> None:
        # "Send the letter": a form that is a noun elsewhere, where a sentence without a verb ends.
        i = max((k for k, word in enumerate(self.words) if word.text in fw.ORDER_STEMS), default=0)
        word, clause = self.words[i], clause_before(self.words, i)
        verbs = any(other.subjects and not other.ambiguous for other in self.words)
        if (
            not i
            or verbs
            or word.pause
            or clause[-1].text in fw.NO_OBJECT
            or is_genitive(clause[-1])
        ):
            return
        group = tuple(a.reading for a in analyse(word.text) if not a.ending)
        if is_order_form(self.words, i, clause, group):
            self._order(word, group)

    def _order(self, word: Word, readings: tuple[Reading, ...]) -> None:
        for level in {reading.subject for reading in readings} & SECOND:
            chosen = (r for r in readings if r.subject == level and "imperative" in r.tense)
            matching = tuple(chosen) or tuple(r for r in readings if r.subject == level)
            self.findings.orders.append(self._record.evidence(word, matching))

    def _pause(self, i: int) -> None:
        word, state = self.words[i], self.state
        if word.pause in ("comma", "dash", "colon") and state.subject is not None:
            state.commas += not (word.pause == "comma" and is_listed(self.words, i))
            if state.commas > 1 or word.pause != "comma":
                state.subject = None
        if word.pause:
            state.stale = None
            state.loose = state.loose if word.pause == "comma" else None
        if word.pause or word.text in fw.CLAUSE_STARTS:
            state.second = None

    def _pronoun(self, i: int) -> None:
        word, state = self.words[i], self.state
        assert word.pronoun is not None
        before = self.words[i - 1] if i else None
        after = self.words[i + 1].text if i + 1 < len(self.words) else ""
        if before is not None and before.text == _YOURSELF:
            return  # "by itself"
        if after in fw.POSTPOSITIONS and word.pronoun.nominative:
            return
        self._record.pronoun(word)
        subject = Subject(word, i, word.pronoun.subject)
        self._compare_in_clause(subject)
        if not word.pronoun.nominative:
            if word.pause == "comma":
                state.subject = None  # "you are my teacher, your ...": a new subject follows
            return
        current = state.subject.word if state.subject is not None else None
        determines = word.text == "সে" and is_determiner(self.words, i, current)
        if determines or is_stars(self.words, i):
            return
        if subject.person in SECOND:
            self._unbound.append(subject)
        self._judge_before(subject)
        if state.joined or (before is not None and current is before):
            state.subject, state.joined = None, True
            return
        state.subject, state.commas, state.loose = subject, 0, None

    def _compare_in_clause(self, subject: Subject) -> None:
        # "Your book ... you" at two levels within one clause. Two subjects are two people.
        pronoun = subject.word.pronoun
        if subject.person not in SECOND or pronoun is None:
            return
        other, self.state.second = self.state.second, subject
        if other is None or other.word.pronoun is None or other.person == subject.person:
            return
        distance = subject.at - other.at
        if distance > _MIXED or is_plural(other.word) != is_plural(subject.word):
            return
        cases = other.word.pronoun.nominative, pronoun.nominative
        if all(cases) or (cases[0] == cases[1] and distance == 1):
            return
        between = self.words[other.at : subject.at]
        if any(word.text in fw.JOINING for word in between):
            return
        names = {"word": subject.word.text, "other": other.word.text}
        reason = Message("{word} stands beside {other}", **names)
        instead = pronoun_instead(subject.word.text, pronoun, other.person)
        self._record.fault("mixing", subject.word, reason, instead)

    def _judge_before(self, subject: Subject) -> None:
        # "How are you?" with the pronoun behind the verb.
        i, verb = subject.at, self.state.loose
        ends = i + 1 == len(self.words) or bool(self.words[i + 1].pause)
        if verb is None or not ends or self.state.joined or self.words[i - 1] is not verb:
            return
        self.state.loose = None
        if not same_person(subject.person, verb):
            return
        self._record.withdraw(verb)
        self._judge(i - 1, subject, inverted=True)

    def _conjunction(self, i: int) -> None:
        # `ar` also means "any more". It joins two subjects only before another pronoun.
        word, subject = self.words[i], self.state.subject
        if subject is None or i + 1 == len(self.words):
            return
        if subject.at == i - 1:
            if word.text != _OR_MORE or self.words[i + 1].pronoun is not None:
                self.state.subject, self.state.joined = None, True
            return
        new_clause = bool(word.pause) or bool(self.words[i - 1].subjects)
        joins = word.text == _AND or (word.text == _OR_MORE and subject.person not in SECOND)
        if new_clause and joins:
            self.state.subject = None

    def _verb(self, i: int) -> None:
        word, state = self.words[i], self.state
        kind = role(self.words, i, led=state.subject is not None)
        if kind == "not_finite" and changes_subject(word) and state.subject is not None:
            state.stale = state.subject if state.subject.person in SECOND else state.stale
            if not any(other.text in fw.WHEN for other in self.words):
                self._bound_to(state.subject)  # "if you go": a form without a level
            state.subject = None
        if kind == "unclear":
            self.findings.verbs += 1
            self._record.abstain(word, "it may not be a verb")
            self._may_address(i)
        if kind != "finite":
            return
        self.findings.verbs += 1
        self._record.style(word)
        subject = state.subject or self._implied_subject(i)
        if subject is not None:
            self._judge(i, subject)
        else:
            self._without_subject(i)
        state.loose = None if state.subject is not None else word
        if state.subject is not None:
            agrees = state.subject.person in word.subjects
            state.carried, state.carried_to = (state.subject if agrees else None), i
        state.subject, state.joined, state.stale, state.second = None, False, None, None

    def _implied_subject(self, i: int) -> Subject | None:
        word, stale = self.words[i], self.state.stale
        certain = not word.ambiguous and not is_homograph(word.text)
        if not certain:
            return None
        near = stale is not None and not word.pause and i - stale.at < _STALE
        if near and word.subjects <= SECOND:
            return stale
        return self.state.carried if self._carries(i) else None

    def _carries(self, i: int) -> bool:
        # "You came and sat": whether the subject of the previous verb is surely that of this one.
        word, subject = self.words[i], self.state.carried
        if subject is None or subject.person in word.subjects or not word.final:
            return False
        if not same_person(subject.person, word) or self.state.joined:
            return False
        if not word.subjects <= SECOND and has_other_subject(self.words, subject.at):
            return False
        start = self.state.carried_to
        between = self.words[start + 1 : i]
        if i - start > _CARRIED or any(may_change_subject(other) for other in between):
            return False
        if not all(is_transparent(other) for other in between[:-1]):
            return False
        links = fw.JOINING | THEN
        return bool(word.pause) or any(w.text in links or bool(w.pause) for w in between)

    def _without_subject(self, i: int) -> None:
        word = self.words[i]
        if word.ambiguous:
            self._record.abstain(word, "it may not be a finite verb")
            self._may_address(i)
        elif not word.subjects & SECOND:
            pass  # first and third persons have no level of address
        elif word.subjects <= SECOND or is_order(word, self.words):
            readings = settled(self.words, i, led=False)
            self.findings.evidence.append(self._record.evidence(word, readings))
        else:
            self._record.abstain(word, _why(word))
            self._may_address(i)
            if self._is_request(i):
                self.findings.requests.append(self._record.evidence(word, word.readings))

    def _is_request(self, i: int) -> bool:
        # "Please grant my leave": a plain future without a subject, in words of a request.
        word = self.words[i]
        clause = clause_before(self.words, i)
        if not word.final or word.subjects != {"tumi", "se"}:
            return False
        if any(reading.verb == _BE for reading in word.readings):
            return False
        if any(may_be_third_person(other) for other in clause):
            return False
        return any(other.text in fw.REQUESTS for other in clause)

    def _judge(self, i: int, subject: Subject, *, inverted: bool = False) -> None:
        verb = self.words[i]
        if subject.person not in verb.subjects:
            pair = Pair(self.words, i, subject, self.state.commas, inverted)
            if reason := why_not_judged(pair):
                self._record.abstain(verb, reason)
                return
        if len(verb.subjects) < len(SUBJECTS):  # "is not" has one form for all
            self._bound_to(subject)
        self.findings.judged += 1
        if subject.person in verb.subjects:
            self.findings.agreeing += 1
            if subject.person in SECOND:
                self._bind(i, subject)
            return
        rule: Rule = "agreement"
        readings = settled(self.words, i, led=subject.person in SECOND)
        instead = verb_instead(verb.text, readings, subject.person)
        pronoun = subject.word.pronoun
        if subject.plural and pronoun and subject.person == "se" and "tini" in verb.subjects:
            rule = "chandrabindu"
            honoured = pronoun_instead(subject.word.text, pronoun, "tini").form
            instead = Replacement(doubt=Message("the pronoun may be {word}", word=honoured))
        names = {"verb": verb.text, "subject": subject.word.text}
        reason = Message("{verb} does not agree with {subject}", **names)
        self._record.fault(rule, verb, reason, instead)

    def _bind(self, i: int, subject: Subject) -> None:
        # The verb changes together with its pronoun, unless it may be that of a third person.
        word, between = self.words[i], self.words[subject.at + 1 : i]
        other = not word.subjects <= SECOND and any(
            may_be_subject(w, pronouns=False) and w.text not in fw.APPOSITIONS for w in between
        )
        doubt = "another person stands between it and the pronoun" if other else ""
        readings = settled(self.words, i, led=True)
        self.findings.bound.append(self._record.evidence(word, readings, doubt))

    def _bound_to(self, subject: Subject) -> None:
        self._unbound = [other for other in self._unbound if other.at != subject.at]

    def _may_address(self, i: int) -> None:
        # "... then you sang": a verb that may have the addressee as its subject.
        word = self.words[i]
        clause = clause_before(self.words, i)
        others = not word.subjects <= SECOND and any(may_be_third_person(w) for w in clause)
        if not word.subjects & SECOND or others:
            return
        readings = settled(self.words, i, led=False)
        if is_order_form(self.words, i, clause, word.readings):
            self._order(word, readings)
        else:
            self.findings.loose.append(self._record.evidence(word, readings))


def _why(word: Word) -> str:
    subjects = ", ".join(sorted(word.subjects))
    return Message("it has no explicit subject and agrees with {subjects}", subjects=subjects)
