"""The ways to ask a model, and two that answer without one: what an adapter is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from scionwood import RecipeError
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.text.examples import Example, Message
from scionwood_bangla.text.normalise import normalise

METHODS: dict[str, str] = {
    "always_apni": "one polite answer to everything: no model",
    "always_tumi": "one familiar answer to everything: no model",
    "zero_shot": "the base, asked as it stands",
    "few_shot": "the base, after examples of the training split",
    "format_prompted": "the base, told the level and the order of a letter's parts",
    "adapter": "with the adapter, asked as it stands",
    "adapter_format_prompted": "with the adapter, told the level and the order",
}
"""What each method does."""

ANSWERS = {
    "always_apni": normalise("আপনাকে ধন্যবাদ। আপনি কেমন আছেন? আপনি ভালো থাকবেন।"),
    "always_tumi": normalise("তোমাকে ধন্যবাদ। তুমি কেমন আছ? তুমি ভালো থেকো।"),
}
"""The answers of those that need no model."""

WITH_ADAPTER = frozenset({"adapter", "adapter_format_prompted"})

_NAMES = {"tui": "তুই", "tumi": "তুমি", "apni": "আপনি"}
_LEVEL = normalise("সম্বোধন: {level}। সব সর্বনাম ও ক্রিয়া এই স্তরের হবে।")
_ORDER = normalise("চিঠি হলে ক্রম: বিষয়, সম্ভাষণ, মূল বক্তব্য, সমাপ্তি।")


def ask(
    method: str, example: Example, expected: str, shots: Sequence[Example] = ()
) -> tuple[Message, ...]:
    """The conversation that a method shows to the model.

    Args:
        method: of `METHODS`, one that asks a model.
        example: whose answer is wanted.
        expected: the level that format prompting names.
        shots: the examples of few-shot prompting.
    """
    if method == "few_shot":
        return (*(turn for shot in shots for turn in shot.messages), *example.prompt)
    if method.endswith("format_prompted"):
        return told(example.prompt, expected)
    return example.prompt


def told(prompt: Sequence[Message], level: str) -> tuple[Message, ...]:
    """A conversation whose last turn also names the level and the order of a letter's parts.

    Args:
        prompt: the turns, the user's last.
        level: tui, tumi or apni.

    Raises:
        RecipeError: no such level.

    Source: the order of parts is that of the prompts of BLADE, arXiv:2605.22487 (reconstruction);
        the wording is ours.
    """
    if level not in LEVELS:
        raise RecipeError(f"register {level!r}", "it is no level", f"Of {', '.join(LEVELS)}")
    rule = f"{_LEVEL.format(level=_NAMES[level])} {_ORDER}"
    *before, last = prompt
    return (*before, Message(last.role, f"{last.content}\n{rule}"))


def draw_shots(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """Examples for few-shot prompting, as even over the levels as their number allows.

    Args:
        examples: of the training split.
        count: how many.
        seed: draws them and their order.

    Raises:
        RecipeError: there are fewer.
    """
    if len(examples) < count:
        rule = f"the training split has {len(examples)} examples"
        raise RecipeError(f"shots={count}", rule, "Ask for fewer")
    random = Random(seed)
    mixed = random.sample(list(examples), len(examples))
    seen: dict[frozenset[str] | None, int] = {}
    turns = []
    for example in mixed:  # the first of each level come first, then the second of each
        seen[example.register] = seen.get(example.register, 0) + 1
        turns.append(seen[example.register])
    order = sorted(range(len(mixed)), key=turns.__getitem__)[:count]
    chosen = [mixed[i] for i in order]
    random.shuffle(chosen)
    return chosen
