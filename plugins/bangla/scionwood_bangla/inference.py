"""Answers of a language model in Bangla: the writer of `language`, with normalised texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, final

import scionwood_language
from bangla_checker import LEVELS, normalise
from scionwood import RecipeError
from scionwood_bangla.model.weights import causal_lm, plain
from scionwood_bangla.text.examples import Message
from scionwood_language import Answer, Decoding

if TYPE_CHECKING:
    from scionwood_language import ModelOptions

SHIPPED = "bangla/register_tiny"
"""The run that writes if neither a run nor a model is given."""

_NAMES = {"tui": "তুই", "tumi": "তুমি", "apni": "আপনি"}
_LEVEL = normalise("সম্বোধন: {level}। সব সর্বনাম ও ক্রিয়া এই স্তরের হবে।")
_ORDER = normalise("চিঠি হলে ক্রম: বিষয়, সম্ভাষণ, মূল বক্তব্য, সমাপ্তি।")


@final
class Writer(scionwood_language.Writer):
    """Generates Bangla text with a language model, with or without its adapter.

    Example:
        >>> from scionwood_bangla import Decoding, Writer
        >>> from scionwood_bangla.text.examples import Message
        >>> turns = [Message("user", "বন্ধুকে চিঠি লেখো।")]
        >>> writer = Writer.of_run("bangla/register_tiny")
        >>> [answer] = writer.write([turns], Decoding(max_new_tokens=4))
        >>> answer.ended
        False
    """

    def write(  # type: ignore[override]  # turns here are frozen records, with a role each
        self,
        prompts: Sequence[Sequence[Message]],
        decoding: Decoding = Decoding(),
        *,
        progress: Callable[[int], None] | None = None,
    ) -> list[Answer]:
        """Generate a normalised answer to each conversation.

        Args:
            prompts: the turns of each conversation, without the answer.
            decoding: how tokens are chosen.
            progress: called with the number of answers so far.

        Raises:
            RecipeError: a prompt and its answer exceed the context length of the model.
        """
        answers = super().write([plain(turns) for turns in prompts], decoding, progress=progress)
        return [Answer(normalise(text).strip(), ended) for text, ended in answers]


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
    *before, last = prompt
    instruction = f"{_LEVEL.format(level=_NAMES[level])} {_ORDER}"
    return (*before, Message(last.role, f"{last.content}\n{instruction}"))


def load_writer(options: ModelOptions) -> Writer:
    """Load the model of a run, or a model without an adapter; the shipped run if none is named.

    Raises:
        TrainingError: the folder is not a finished run.
        AdapterFileError: the adapter is damaged, or was made for another base.
        WeightsError: the model cannot be loaded.
    """
    if options.model is not None and options.run is None:
        return Writer(causal_lm(options.model).to(options.device))
    return Writer.of_run(options.run or SHIPPED, options.device)
