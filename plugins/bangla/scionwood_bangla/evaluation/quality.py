"""Judge an answer by four questions at once, so that no single trick passes.

- Register: does it address people, without a fault, at an accepted level?
- Relevance: does it take up the request, and does a letter have a salutation?
- Fluency: is its word order more likely than random orders of the same words?
- Freshness: is it neither a copy of the request nor a repetition of itself?

The limits are quantiles over the references of the development half of the hand-written prompts.
`benchmarks/bangla_score.py` prints them, and the scores of answers that were made to cheat.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import NamedTuple

from scionwood_bangla.checker.restate import is_right
from scionwood_bangla.lexicon import pronoun_of, readings
from scionwood_bangla.model.word_order import sentences, shipped
from scionwood_bangla.text.normalise import BENGALI, normalise

ORDERS = 64
"""The number of random orders with which a sentence is compared."""

_WORD = re.compile(f"[{BENGALI}\u200c\u200d]+")
_ENDINGS = tuple(
    normalise("গুলোকে গুলোর গুলো গুলি দেরকে দের টাকে টার টি টা খানা কে েরও ের ে র তে য় ই ও রা").split()
)
_STOP = frozenset(
    normalise(
        "এক একটি একটা একজন একবার দুই তিন কয়েক করে বলো বলে বলি বলুন "
        "লেখো লিখো লিখুন জিজ্ঞেস চাই জন্য থেকে কাছে কি কী যে না এবং ও "
        "আর তা সে তিনি সেও যেন নিজের কথা বাক্য বাক্যে বাক্যের লাইনের "
        "লাইন চিঠি চিঠির চিঠিতে আবেদন অনুরোধ জানাও সাথে সঙ্গে এই সেই "
        "কোন কোনো হয়ে দিয়ে নিয়ে ভাবে সম্বোধন সম্বোধনে সম্বোধনের "
        "ভাষায় উত্তর পরের ব্যবহার সংলাপ সংলাপটি শেষ ছোট বড় নতুন খুব "
        "অনেক আজ কাল এখন প্রথম তো পর এসব ইমেইল মূল অংশ সুরে হবে ঠিক "
        "কেন"
    ).split()
)
_COMMON_VERBS = frozenset(normalise("করা বলা লেখা জানানো হওয়া দেওয়া চাওয়া আছে থাকা জানা পারা ডাকা নেওয়া").split())
_IMPLIED = {
    "খবর কুশল খোঁজ হালচাল": "কেমন খবর শরীর",
    "সাহস সান্ত্বনা উৎসাহ": "ভয় চিন্তা মন সাহস",
    "দাওয়াত নিমন্ত্রণ আমন্ত্রণ আপ্যায়ন": "আসা দাওয়াত নিমন্ত্রণ আমন্ত্রণ",
    "ক্ষমা মাফ দুঃখ": "ক্ষমা মাফ দুঃখিত",
    "রোগী জ্বর অসুখ অসুস্থ ডাক্তার": "ওষুধ শরীর জ্বর ডাক্তার",
}
"""What an answer may say in place of a word of the request."""
_LETTER = re.compile(normalise("চিঠি(?!টা)|আবেদন|দরখাস্ত|ইমেইল"))
_PIECE = re.compile(normalise("বাক্য|মূল|লাইন"))
_SALUTATION = re.compile(
    normalise(
        "জনাব|মহোদয়|মহাশয়|মাননীয়|মান্যবর|স্যার|ম্যাডাম|প্রিয়|শ্রদ্ধেয়|স্নেহের|কল্যাণীয়|পূজনীয়|আদরের|শ্রীচরণেষু|বরাবর"
    )
)


class Measured(NamedTuple):
    """The four measures of an answer before the limits.

    Attributes:
        taken_up: the share of the content words of the request that the answer takes up, 0 to 1.
        order: the share of random word orders that are less likely, of the worst sentence, 0 to 1.
        nats: the surprise of the word classes, nats per word.
        copied: the share of four-word sequences of the answer that the request has, 0 to 1.
        echoed: the share of the words of the answer that the request has in the same form, 0 to 1.
        different: the share of three-word sequences of the answer that are different, 0 to 1.
    """

    taken_up: float
    order: float
    nats: float
    copied: float
    echoed: float
    different: float


LIMITS = Measured(taken_up=0.1, order=0.65, nats=7.4, copied=0.3, echoed=0.67, different=0.7)
"""At least for `taken_up`, `order` and `different`, at most for the others."""


@dataclass(frozen=True)
class Quality:
    """The four judgements of an answer.

    Attributes:
        register: it addresses somebody, without a fault, only at accepted levels.
        relevant: it takes up the request. A letter that was asked for has a salutation.
        fluent: its word order is likely.
        fresh: it neither copies the request nor repeats itself.

    Example:
        >>> from scionwood_bangla import judge_answer
        >>> request = "শিক্ষককে জিজ্ঞেস করো, কাল স্কুল খোলা কি না।"
        >>> judge_answer(request, "আপনি কেমন আছেন?", ["apni"]).relevant
        False
    """

    register: bool
    relevant: bool
    fluent: bool
    fresh: bool

    @property
    def passed(self) -> int:
        """The number of questions that it passes, and 4 more if its register is right."""
        others = self.relevant + self.fluent + self.fresh
        return 4 * self.register + others

    @property
    def good(self) -> bool:
        """Whether all four hold."""
        return self.register and self.relevant and self.fluent and self.fresh


def judge_answer(request: str, answer: str, register: Set[str] | Sequence[str]) -> Quality:
    """Judge an answer by register, relevance, fluency and freshness.

    Args:
        request: the last turn of the user.
        answer: the answer.
        register: the accepted levels, of `tui`, `tumi` and `apni`.

    Examples:
        >>> from scionwood_bangla import judge_answer
        >>> judge_answer("বন্ধুকে বই ফেরত দিতে বলো।", "তুমি কাল বইটা ফেরত দিও।", ["tumi"]).good
        True
    """
    measured = measure_answer(request, answer)
    meets_minimums = all(
        getattr(measured, name) >= getattr(LIMITS, name) for name in ("order", "different")
    )
    return Quality(
        register=is_right(answer, frozenset(register)),
        relevant=measured.taken_up >= LIMITS.taken_up and _has_parts(request, answer),
        fluent=meets_minimums and measured.nats <= LIMITS.nats,
        fresh=measured.copied <= LIMITS.copied
        and measured.echoed <= LIMITS.echoed
        and measured.different >= LIMITS.different,
    )


def measure_answer(request: str, answer: str) -> Measured:
    """Return the measures that the limits of `LIMITS` judge.

    Args:
        request: the last turn of the user.
        answer: the answer.
    """
    request, answer = normalise(request), normalise(answer)
    request_words, answer_words = _WORD.findall(request), _WORD.findall(answer)
    order, nats = word_order(answer)
    runs = _runs(answer_words, 4)
    triples = _runs(answer_words, 3)
    request_vocabulary, places = set(request_words), set(_runs(request_words, 4))
    return Measured(
        _taken_up(request, answer),
        order,
        nats,
        sum(run in places for run in runs) / max(1, len(runs)),
        sum(word in request_vocabulary for word in answer_words) / max(1, len(answer_words)),
        len(set(triples)) / len(triples) if triples else 1.0,
    )


@cache
def word_order(text: str) -> tuple[float, float]:
    """Return how likely the order of the words of a text is.

    Random orders have the same words, so rare words and long sentences do not count. A sentence of
    one or two words has no order to judge.

    Args:
        text: the normalised text.

    Returns:
        Of the worst sentence, the share of random orders that are less likely; a tie counts half.
        And the surprise of the text, nats per word. A text without words has 0 and infinity.
    """
    model, random = shipped(), Random(text)
    groups = sentences(text)
    if not groups:
        return 0.0, float("inf")
    worst, total = 1.0, 0.0
    for words in groups:
        nats = model.nats(words)
        total += nats
        if len(words) > 2:
            worst = min(worst, _rank(words, nats, random))
    return worst, total / sum(map(len, groups))


def _rank(words: list[str], nats: float, random: Random) -> float:
    model, below = shipped(), 0.0
    for _ in range(ORDERS):
        other = model.nats(random.sample(words, len(words)))
        below += 0.5 if abs(other - nats) < 1e-9 else other > nats
    return below / ORDERS


def _runs(words: list[str], length: int) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + length]) for at in range(len(words) - length + 1)]


def _taken_up(request: str, answer: str) -> float:
    request_words, answer_words = _content(request), _content(answer, stop=False)
    if not request_words:
        return 1.0
    return sum(
        any(_same(word, answer_word) for answer_word in answer_words | {""})
        for word in request_words
    ) / len(request_words)


def _content(text: str, *, stop: bool = True) -> set[str]:
    words = set()
    for word in _WORD.findall(text):
        if pronoun_of(word) or (stop and word in _STOP):
            continue
        stem = _stem(word)
        if not (stop and (stem in _STOP or stem in _COMMON_VERBS)):
            words.add(stem)
    return words


@cache
def _stem(word: str) -> str:
    forms = readings(word)
    if forms:
        return forms[0].verb
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 2:
            return _stem(word[: -len(ending)])
    return word


def _same(request_word: str, answer_word: str) -> bool:
    if request_word == answer_word:
        return True
    short, long = sorted((request_word, answer_word), key=len)
    if len(short) >= 3 and long.startswith(short) and len(long) - len(short) <= 3:
        return True
    return any(request_word in group and answer_word in instead for group, instead in _implied())


@cache
def _implied() -> list[tuple[frozenset[str], frozenset[str]]]:
    return [(_stems(words), _stems(implications)) for words, implications in _IMPLIED.items()]


def _stems(words: str) -> frozenset[str]:
    return frozenset(map(_stem, normalise(words).split()))


def _has_parts(request: str, answer: str) -> bool:
    request, answer = normalise(request), normalise(answer)
    if not _LETTER.search(request) or _PIECE.search(request):
        return True
    return bool(_SALUTATION.search(answer[:120]))
