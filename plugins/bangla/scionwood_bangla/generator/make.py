"""Generate any number of examples from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Literal

from scionwood_bangla.generator import phrases
from scionwood_bangla.generator.people import addressees
from scionwood_bangla.generator.replies import Act, application, clause, private_letter, talk
from scionwood_bangla.generator.voices import Voice, fill, steady, wavering
from scionwood_bangla.generator.wording import Request, ask_for, request
from scionwood_bangla.lexicon import LEVELS, TENSES, inflect
from scionwood_bangla.lexicon.words import polite_calls
from scionwood_bangla.text.examples import Example, Message, Role
from scionwood_bangla.text.normalise import normalise

Pairs = Literal["seen", "unseen", "all"]
HELD_OUT = 0.2
"""The share of the pairs of verb and tense that training never shows (`unseen`)."""


@cache
def pairs(which: Pairs) -> tuple[tuple[str, str], ...]:
    """Return pairs of verb and tense.

    Pairs in the fixed lines of an occasion are always pairs for training.

    Args:
        which: `seen` for training, `unseen` for validation and test, or `all`.
    """
    all_pairs = [
        (verb, tense) for verb in phrases.acts() for tense in TENSES if _has_all_levels(verb, tense)
    ]
    free = [pair for pair in all_pairs if "<{}:{}>".format(*pair) not in _fixed()]
    unseen = set(Random(0).sample(free, round(HELD_OUT * len(all_pairs))))
    if which == "all":
        return tuple(all_pairs)
    return tuple(pair for pair in all_pairs if (pair in unseen) == (which == "unseen"))


def examples(
    count: int, *, seed: int, which: Pairs = "seen", scrambled: bool = False
) -> list[Example]:
    """Generate examples with different prompts, cycling through the levels.

    Args:
        count: the number of examples.
        seed: the seed of all random choices.
        which: the pairs of verb and tense. With `unseen` all requests are about such pairs.
        scrambled: whether the answers mix the levels.
    """
    random, unique_examples, prompts = Random(f"{seed} {which} {scrambled}"), [], set()
    for example in stream(random, which, scrambled=scrambled):
        if example.prompt not in prompts:
            prompts.add(example.prompt)
            unique_examples.append(example)
        if len(unique_examples) == count:
            break
    return unique_examples


def stream(random: Random, which: Pairs, *, scrambled: bool = False) -> Iterator[Example]:
    """Yield examples without end.

    Args:
        random: draws the examples.
        which: the pairs of verb and tense, see `examples`.
        scrambled: whether the answers mix the levels.
    """
    while True:
        for level in LEVELS:
            voice = wavering(random) if scrambled else steady(level)
            yield _example(level, which, voice, random)


def _example(level: str, which: Pairs, voice: Voice, random: Random) -> Example:
    addressee = ask_for(level, random)
    kind = _kind(level, addressee, random)
    topic, what, lines = _content(kind, which, random)
    if kind == "talk":
        answer = talk(level, lines, random)
    elif kind == "letter":
        answer = private_letter(level, lines, random)
    else:
        answer = application(addressee.nom, topic, lines, random)
    prompt = request(kind, addressee, what, random)
    turns = [Message("user", prompt), Message("assistant", fill(answer, voice))]
    if kind == "talk" and random.random() < 0.15:
        turns += _second_turn(which, voice, random)
    return Example(tuple(turns), frozenset({level}), topic)


def _kind(level: str, addressee: Request, random: Random) -> str:
    # Applications go to officials who are named by a noun, not by a form of address.
    formal = level == "apni" and addressee.nom in set(addressees("apni")) - polite_calls()
    chance = random.random()
    if formal and chance < 0.25:
        return "application"
    return "letter" if chance < 0.35 else "talk"


def _content(kind: str, which: Pairs, random: Random) -> tuple[str, str, list[str]]:
    # The topic, its wording in the prompt, and the lines of the answer.
    occasion = random.choice(phrases.occasions())
    if which != "unseen" and random.random() < 0.5:
        wording = random.choice((f"{occasion.telling}।", f"{occasion.name}।"))
        return occasion.name, wording, list(occasion.lines)
    acts = [_act(which, random) for _ in range(random.choice((1, 2, 2)))]
    wording = "; ".join(act.asked for act in acts) + "।"
    about = f"{acts[0].thing} {acts[0].verb}"
    return about, wording, [clause(act, random) for act in acts]


def _second_turn(which: Pairs, voice: Voice, random: Random) -> list[Message]:
    act = _act(which, random)
    role: Role = "user"
    return [
        Message(role, f"{act.asked}।"),
        Message("assistant", fill(clause(act, random), voice)),
    ]


def _act(which: Pairs, random: Random) -> Act:
    verb, tense = random.choice(pairs(which))
    return Act(
        verb, tense, random.choice(phrases.acts()[verb]), random.choice(phrases.times(tense))
    )


def _has_all_levels(verb: str, tense: str) -> bool:
    return all(inflect(verb, tense, level) for level in LEVELS)


@cache
def _fixed() -> str:
    lines = [line for occasion in phrases.occasions() for line in occasion.lines]
    return normalise(" ".join([*lines, *phrases.OPENERS, *phrases.CLOSERS]))
