"""Rewrite a text at another level of address, where its meaning stays for certain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from bangla_checker.checks import check_text
from bangla_checker.checks.findings import Evidence, Fault, Findings
from bangla_checker.checks.replacement import QUOTED
from bangla_checker.checks.tokens import Token, sentences, tokenise
from bangla_checker.lexicon import LEVELS, pronoun_of, readings
from bangla_checker.lexicon import function_words as fw
from bangla_checker.lexicon.words import is_homograph
from bangla_checker.messages import Message
from bangla_checker.rewriter.setting import set_apart
from bangla_checker.text.normalise import normalise

_ROUNDS = 4
_SET_APART = "it is a heading or a verse, which stays as it is"
_LOOSE = "its subject is not certain"
_REPORTS = frozenset(map(normalise, ("বলা", "ভাবা", "দেখা", "শোনা", "জানা", "বোঝা", "চাওয়া", "করা")))
_IMPERSONAL = frozenset(map(normalise, ("হওয়া", "লাগা")))

Doubts = dict[int, str]
"""Why words keep their sentences as they are, by the number of the token."""


@final
@dataclass(frozen=True)
class Rewriting:
    """A text in which what is certain is rewritten at one level.

    Attributes:
        text: the text.
        complete: whether everybody whom the writer addresses is addressed at that level, without a
            fault.
        questions: the words for which nothing is proposed, with positions in `text`. They keep
            sentences as they are; those of quoted speech keep the quotation.
    """

    text: str
    complete: bool
    questions: tuple[Fault, ...] = ()


def rewrite(text: str, level: str) -> Rewriting:
    """Rewrite the sentences of a text at one level, each of them whole or not at all.

    A pronoun changes together with its verbs. Tense, mood, negation and emphasis stay. A sentence
    stays as it is if one of its forms is not certain. So do quoted speech, headings and verses.

    Args:
        text: the text. It is normalised.
        level: `tui`, `tumi` or `apni`.
    """
    original = check_text(text, [level])
    before = tokenise(original.text)
    place = {token.start: number for number, token in enumerate(before)}
    doubts: Doubts = {}
    changes: dict[int, str] = {}
    for item in _items(original, before):
        if level not in item.levels and not item.quoted:
            instead = item.replacement(level)
            changes[place[item.start]] = instead.form
            if instead.doubt:
                doubts[place[item.start]] = instead.doubt
    doubts |= _unclear(original, before, level, place, changes)
    after, findings = _agreeing(before, original.text, changes, level)
    for sentence in sentences(before):
        numbers = [place[token.start] for token in sentence]
        doubts = _left_behind(numbers, before, after, level) | doubts
    place = {token.start: number for number, token in enumerate(after)}
    for fault in findings.faults:
        if fault.rule != "structure":
            why = fault.question or (_LOOSE if _is_wish(fault.word) else "")
            doubts.setdefault(place[fault.start], why)
    left = _whole_sentences(before, doubts)
    chosen = {n: new.text for n, new in enumerate(after) if n not in left}
    result = check_text(_replaced(before, original.text, chosen), [level])
    faults = [fault for fault in result.faults if fault.question != QUOTED]
    spoken = {lv for item in result.evidence if not item.quoted for lv in item.levels}
    questions = _questions(tokenise(result.text), {n: why for n, why in doubts.items() if why})
    return Rewriting(result.text, spoken == {level} and not faults, questions)


def restate(text: str, level: str) -> str | None:
    """Return a text rewritten so that the writer addresses everybody at one level.

    A respectful vocative such as জনাব stays, so a text with one can only be restated at the level
    `apni`. Quoted speech stays as it is.

    Args:
        text: the text. It is normalised.
        level: `tui`, `tumi` or `apni`.

    Returns:
        The rewritten text, or `None` if it cannot be rewritten without a fault or a question.

    Examples:
        >>> from bangla_checker import restate
        >>> restate("তুমি কেমন আছ?", "apni")
        'আপনি কেমন আছেন?'
        >>> restate("তুমি কাজটা করো।", "apni") is None  # a statement, or an order
        True
    """
    result = rewrite(text, level)
    return result.text if result.complete else None


def is_right(text: str, levels: frozenset[str]) -> bool:
    """Return whether a text addresses somebody, without a fault, only at accepted levels.

    The score `register_match` of a corpus is the share of such texts.

    Args:
        text: the text.
        levels: the accepted levels.
    """
    findings = check_text(text)
    return bool(findings.levels) and not findings.faults and findings.levels <= levels


def _items(findings: Findings, tokens: list[Token]) -> Iterable[Evidence]:
    """Return the words that change: pronouns, their verbs, and orders to the addressee."""
    spoken = {
        level
        for item in findings.evidence
        if item.pronoun and not item.quoted
        for level in item.levels
    }
    others = any(_is_honoured(token) for token in tokens)
    orders = (
        item
        for item in findings.orders
        if spoken == item.levels and not (others and "apni" in spoken)
    )
    return (*findings.evidence, *findings.bound, *orders)


def _is_honoured(token: Token) -> bool:
    pronoun = pronoun_of(token.text)
    third = pronoun is not None and pronoun.subject == "tini"
    return third or token.text in fw.PERSONS | fw.TITLES | fw.TITLES_BEHIND


def _unclear(
    findings: Findings,
    tokens: list[Token],
    level: str,
    place: dict[int, int],
    changes: dict[int, str],
) -> Doubts:
    """Return the verbs that may belong to a changed pronoun, and the words of headings."""
    doubts: Doubts = {}
    changed = _whole_sentences(tokens, changes)
    for item in (*findings.loose, *findings.orders):
        number = place[item.start]
        if level not in item.levels and number in changed and number not in changes:
            doubts[number] = _LOOSE
    for start in findings.unbound:
        if place[start] in changes:
            doubts[place[start]] = _LOOSE
    for start, end in set_apart(findings.text):
        inside = (n for n in changes if start <= tokens[n].start < end)
        doubts |= dict.fromkeys(inside, _SET_APART)
    return doubts


def _agreeing(
    tokens: list[Token], text: str, changes: dict[int, str], level: str
) -> tuple[list[Token], Findings]:
    """Make the changes, and then those that verbs need to agree with the new pronouns."""
    for _ in range(_ROUNDS):
        text = _replaced(tokens, text, changes)
        tokens, findings = tokenise(text), check_text(text, [level])
        place = {token.start: number for number, token in enumerate(tokens)}
        changes = {
            place[fault.start]: fault.suggestions[0]
            for fault in findings.faults
            if fault.rule == "agreement" and fault.suggestions and not _is_wish(fault.word)
        }
        if not changes:
            break
    return tokens, findings


def _left_behind(numbers: list[int], old: list[Token], new: list[Token], level: str) -> Doubts:
    """Return the verbs of a sentence that stay at the old level though their subject may change."""
    words = [number for number in numbers if old[number].kind == "word"]
    changed = {number for number in words if old[number].text != new[number].text}
    people = [pronoun for number in words if (pronoun := pronoun_of(old[number].text))]
    moving = (pronoun_of(old[number].text) for number in changed)
    levels = {pronoun.subject for pronoun in moving if pronoun and pronoun.nominative}
    verbs = any(pronoun_of(old[number].text) is None for number in changed)
    third = any(p.nominative and p.subject in ("se", "tini") for p in people) or any(
        old[number].text in fw.PERSONS or fw.is_plural_noun(old[number].text)
        for number in words
        if number not in changed
    )
    doubts: Doubts = {}
    for number in words:
        text = old[number].text
        group = () if number in changed or pronoun_of(text) else readings(text)
        subjects = {reading.subject for reading in group if not reading.literary}
        if not subjects & levels or level in subjects:
            continue
        if None in subjects or is_homograph(text):
            # A conditional or a noun, beside the verb of the subject: "if you go, I come".
            told = any(reading.verb in _REPORTS for reading in group)
            when = None in subjects and any(old[n].text in fw.WHEN for n in words)
            stays = not when and (verbs or (_other_subject(old, words, number) and not told))
        else:
            stays = not subjects <= set(LEVELS) and (
                third or any(reading.verb in _IMPERSONAL for reading in group)
            )
        if not stays:
            doubts[number] = _LOOSE
    return doubts


def _other_subject(tokens: list[Token], words: list[int], after: int) -> bool:
    later = (pronoun_of(tokens[number].text) for number in words if number > after)
    return any(p is not None and p.nominative and p.subject not in LEVELS for p in later)


def _is_wish(word: str) -> bool:
    return any((r.tense, r.subject) == ("imperative", "se") for r in readings(word))


def _whole_sentences(tokens: list[Token], numbers: Iterable[int]) -> set[int]:
    """Return the numbers of all tokens of the sentences that have one of these tokens."""
    place = {token.start: number for number, token in enumerate(tokens)}
    starts = {tokens[number].start for number in numbers}
    groups = [g for g in sentences(tokens) if any(token.start in starts for token in g)]
    return {place[token.start] for group in groups for token in group}


def _replaced(tokens: list[Token], text: str, changes: dict[int, str]) -> str:
    for number in sorted(changes, reverse=True):
        token, new = tokens[number], changes[number]
        if new:
            text = text[: token.start] + new + text[token.end :]
    return text


def _questions(tokens: list[Token], doubts: Doubts) -> tuple[Fault, ...]:
    faults = []
    for number, why in sorted(doubts.items()):
        token = tokens[number]
        reason = Message("{word} stays as it is", word=token.text)
        faults.append(Fault("register", token.start, token.end, token.text, reason, (), why))
    return tuple(faults)
