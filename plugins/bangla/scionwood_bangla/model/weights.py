"""The tiny Bangla model, by the name `tiny`, and the models of `language`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import scionwood_language
from scionwood_bangla.text.examples import Message

TINY = "tiny"
FOLDER = Path(__file__).parents[1] / "weights" / TINY
"""The folder of the tiny model: config, weights in half precision, tokenizer, chat template."""

PLACE = "scionwood_bangla:weights/tiny"
"""The name of the tiny model for `language/causal_lm`."""


def plain(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Return turns as plain data, as `language` takes them.

    Args:
        messages: the turns.
    """
    return [{"role": message.role, "content": message.content} for message in messages]


def place_of(model: str) -> str:
    """Return the name of a model for `language/causal_lm`; `tiny` is the Bangla model here.

    Args:
        model: `tiny`, or any name of `language/causal_lm`.
    """
    return PLACE if model == TINY else model


def causal_lm(model: str = TINY) -> Any:
    """Load a language model with its tokenizer.

    Args:
        model: `tiny`, or any name of `language/causal_lm`.

    Raises:
        WeightsError: the model cannot be loaded.
    """
    return scionwood_language.load_model(place_of(model))
