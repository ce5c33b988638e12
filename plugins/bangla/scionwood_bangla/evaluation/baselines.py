"""The methods that an evaluation compares: prompting, the adapter, and two constant answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from scionwood import RecipeError, find_run, resolve
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.text.examples import Example, Message
from scionwood_bangla.text.normalise import normalise

METHODS: dict[str, str] = {
    "always_apni": "the same polite answer to every prompt, without a model",
    "always_tumi": "the same familiar answer to every prompt, without a model",
    "zero_shot": "the base model with the prompt alone",
    "few_shot": "the base model with examples of the training split before the prompt",
    "format_prompted": "the base model with the level and the order of a letter in the prompt",
    "adapter": "the adapted model with the prompt alone",
    "adapter_format_prompted": "the adapted model with the level and the order in the prompt",
}
"""The description of each method."""

ANSWERS = {
    "always_apni": normalise("আপনাকে ধন্যবাদ। আপনি কেমন আছেন? আপনি ভালো থাকবেন।"),
    "always_tumi": normalise("তোমাকে ধন্যবাদ। তুমি কেমন আছ? তুমি ভালো থেকো।"),
}
"""The answers of the methods without a model."""

WITH_ADAPTER = frozenset({"adapter", "adapter_format_prompted"})
"""The methods that use the adapter."""

_NAMES = {"tui": "তুই", "tumi": "তুমি", "apni": "আপনি"}
_LEVEL = normalise("সম্বোধন: {level}। সব সর্বনাম ও ক্রিয়া এই স্তরের হবে।")
_ORDER = normalise("চিঠি হলে ক্রম: বিষয়, সম্ভাষণ, মূল বক্তব্য, সমাপ্তি।")


def prompt_for(
    method: str, example: Example, expected: str, shots: Sequence[Example] = ()
) -> tuple[Message, ...]:
    """Return the conversation that a method gives to the model.

    Args:
        method: a key of `METHODS` that uses a model.
        example: the example to be answered.
        expected: the level that format prompting names: `tui`, `tumi` or `apni`.
        shots: the examples of few-shot prompting.
    """
    if method == "few_shot":
        return (*(turn for shot in shots for turn in shot.messages), *example.prompt)
    if method.endswith("format_prompted"):
        return with_instructions(example.prompt, expected)
    return example.prompt


def with_instructions(prompt: Sequence[Message], level: str) -> tuple[Message, ...]:
    """Add the level of address and the order of a letter's parts to the last turn of a prompt.

    Args:
        prompt: the turns. The last turn is the user's.
        level: `tui`, `tumi` or `apni`.

    Raises:
        RecipeError: the level is unknown.

    Source: the order of parts follows the prompts of BLADE, arXiv:2605.22487 (reconstruction). The
        wording is ours.
    """
    if level not in LEVELS:
        rule, remedy = "it is not a level of address", f"Use one of {', '.join(LEVELS)}"
        raise RecipeError(f"register {level!r}", rule, remedy)
    rule = f"{_LEVEL.format(level=_NAMES[level])} {_ORDER}"
    *before, last = prompt
    return (*before, Message(last.role, f"{last.content}\n{rule}"))


def training_examples(run: str | Path) -> list[Example]:
    """Return the training examples of a run, as its recipe makes them.

    Args:
        run: the run folder, or another reference to a run; see `scionwood.find_run`.

    Raises:
        TrainingError: the folder does not hold a finished run.
    """
    data: Any = resolve(find_run(run) / "recipe.yaml").data.build()
    examples: list[Example] = data.examples("train")
    return examples


def draw_shots(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """Draw examples for few-shot prompting, balanced over the levels as far as possible.

    Args:
        examples: the examples of the training split.
        count: the number of examples to draw.
        seed: the seed of the examples and their order.

    Raises:
        RecipeError: there are fewer than `count` examples.
    """
    if len(examples) < count:
        rule = f"the training split has only {len(examples)} examples"
        raise RecipeError(f"shots={count}", rule, "Use fewer shots")
    random = Random(seed)
    mixed = random.sample(list(examples), len(examples))
    level_counts: dict[frozenset[str] | None, int] = {}
    turns = []
    for example in mixed:  # the first example of each level, then the second of each, and so on
        level_counts[example.register] = level_counts.get(example.register, 0) + 1
        turns.append(level_counts[example.register])
    order = sorted(range(len(mixed)), key=turns.__getitem__)[:count]
    chosen = [mixed[i] for i in order]
    random.shuffle(chosen)
    return chosen
