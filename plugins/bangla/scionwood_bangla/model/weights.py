"""The tiny Bangla model, and what the plugin `language` does for this one.

No plugin imports another. The functions of `language` have names, which its record lists; they take
and give plain data.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scionwood import load
from scionwood_bangla.text.examples import Message

TINY = "tiny"
FOLDER = Path(__file__).parents[1] / "weights" / TINY
"""The folder of the tiny model: config, weights in half precision, tokenizer, chat template."""

PLACE = "scionwood_bangla:weights/tiny"
"""The name of the tiny model for `language/causal_lm`."""

IGNORED = -100
"""The label of a token that is not learned."""


def language(name: str) -> Any:
    """Return a function or a class of the plugin `language`.

    Args:
        name: its name in the record of the plugin.

    Raises:
        PluginError: the plugin is not installed.
    """
    return load("functions", f"language/{name}")


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


def load_tokenizer(model: str = TINY) -> Any:
    """Load the tokenizer of a model.

    Args:
        model: `tiny`, or any name of `language/causal_lm`.

    Raises:
        WeightsError: the tokenizer cannot be loaded.
        PluginError: the plugin `language` is not installed.
    """
    return language("load_tokenizer")(place_of(model))


def causal_lm(model: str = TINY) -> Any:
    """Load a language model with its tokenizer.

    Args:
        model: `tiny`, or any name of `language/causal_lm`.

    Raises:
        WeightsError: the model cannot be loaded.
        PluginError: the plugin `language` is not installed.
    """
    return load("backbones", "language/causal_lm")(model=place_of(model))
