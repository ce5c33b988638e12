"""Compose answers with slots for the level: a few sentences, or a letter with its parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from scionwood_bangla.generator import phrases
from scionwood_bangla.generator.people import first_name, full_name, place
from scionwood_bangla.text.normalise import normalise

_MONTHS = """জানুয়ারি ফেব্রুয়ারি মার্চ এপ্রিল মে জুন জুলাই আগস্ট সেপ্টেম্বর অক্টোবর নভেম্বর ডিসেম্বর"""
_BODIES = (
    "সবিনয় নিবেদন এই যে, আমি {town} এলাকার একজন বাসিন্দা।",
    "বিনীত নিবেদন এই যে, আমি {town} শহরে থাকি।",
    "যথাবিহিত সম্মানের সঙ্গে জানাই যে, আমি {town} থেকে লিখছি।",
)
# The greeting implies the level before the first word of address.
_GREETINGS = {
    "tui": "স্নেহের|আদরের",
    "tumi": "প্রিয়|প্রিয়তম",
    "apni": "শ্রদ্ধেয়|পূজনীয়",
}
_BEGINNINGS = {
    "tui": "কী রে!|ওরে শোনার কথা আছে!|এই রে!|আরে, অনেক আদর!",
    "tumi": "কী খবর!|অনেক ভালোবাসা!|শুভেচ্ছা!|এই যে!",
    "apni": "আদাব!|আসসালামু আলাইকুম!|নমস্কার!|সশ্রদ্ধ সালাম!",
}


@dataclass(frozen=True)
class Act:
    """An act of the addressee at some time.

    Attributes:
        verb: the verbal noun.
        tense: one of `lexicon.TENSES`.
        thing: the object of the act.
        time: an adverb of time.
    """

    verb: str
    tense: str
    thing: str
    time: str

    @property
    def asked(self) -> str:
        """The act in a prompt, with a verbal noun. Only the adverb implies the tense."""
        wish = " (অনুরোধ)" if self.tense in phrases.ORDERS else ""
        return f"{self.time} {self.thing} {self.verb}{wish}"


def clause(act: Act, random: Random) -> str:
    """Return a sentence about an act.

    Args:
        act: the act of the addressee.
        random: draws the wording.
    """
    wordings = phrases.ORDER_CLAUSES if act.tense in phrases.ORDERS else phrases.CLAUSES
    filled = normalise(random.choice(wordings))
    return filled.format(time=act.time, thing=act.thing, verb=act.verb, tense=act.tense)


def talk(level: str, lines: list[str], random: Random) -> str:
    """Return lines with a greeting, and sometimes an opening and a closing sentence.

    Args:
        level: the level that the greeting implies.
        lines: the lines, with slots.
        random: draws the additions.
    """
    head = [_choose_word(_BEGINNINGS[level], random)]
    if random.random() < 0.5:
        head.append(random.choice(_normalised(phrases.OPENERS)))
    tail = [random.choice(_normalised(phrases.CLOSERS))] if random.random() < 0.4 else []
    return " ".join([*head, *lines, *tail])


def private_letter(level: str, lines: list[str], random: Random) -> str:
    """Return a private letter: date, salutation, body, closing.

    Args:
        level: the level that the salutation implies.
        lines: the lines of the body, with slots.
        random: draws names, the date and the additions.
    """
    name = first_name(random)
    greeting = _choose_word(_GREETINGS[level], random)
    opener = random.choice(_normalised(phrases.OPENERS))
    body = " ".join([opener, *lines, random.choice(_normalised(phrases.CLOSERS))])
    head = [_date(random), f"{greeting} {name},"]
    return "\n".join([*head, body, "ইতি", first_name(random)])


def application(title: str, about: str, lines: list[str], random: Random) -> str:
    """Return a formal letter: date, recipient, subject, salutation, body, closing.

    Args:
        title: the title of the recipient, without a case ending.
        about: the subject.
        lines: the lines of the body, with slots.
        random: draws names, places and the date.
    """
    town = place(random)
    first = normalise(random.choice(_BODIES)).format(town=town)
    head = [_date(random), "বরাবর", title, town, normalise(f"বিষয়: {about}।"), "জনাব,"]
    return "\n".join([*head, " ".join([first, *lines]), "বিনীত নিবেদক", full_name(random)])


def _date(random: Random) -> str:
    day, month = random.randint(1, 28), random.choice(normalise(_MONTHS).split())
    return normalise(f"তারিখ: {day} {month} {random.randint(2020, 2026)}", digits="bengali")


def _choose_word(words: str, random: Random) -> str:
    return random.choice(normalise(words).split("|"))


@cache
def _normalised(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(normalise, lines))
