"""The Python interface: load a language model, write answers, and read conversations.

Examples:
    >>> from scionwood_language import api
    >>> model = api.load_model("tiny")
    >>> [answer] = api.write(model, [[{"role": "user", "content": "Hi"}]], max_new_tokens=2)
    >>> answer.ended
    False
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.chat.templates import Encoded as Encoded
from scionwood_language.chat.templates import encode as encode
from scionwood_language.inference import Answer as Answer
from scionwood_language.inference import save_merged as save_merged
from scionwood_language.inference import write as write
from scionwood_language.readers.load import Conversation as Conversation
from scionwood_language.readers.load import conversation
from scionwood_language.readers.load import read_conversations as _read

__all__ = [
    "Answer",
    "Conversation",
    "Encoded",
    "encode",
    "load_model",
    "read_conversations",
    "save_merged",
    "write",
]


def load_model(model: str = "tiny") -> Any:
    """Load a causal language model, with its tokenizer as `tokenizer`.

    Args:
        model: `tiny`, `smollm2`, a folder or GGUF file, PACKAGE:FOLDER, or owner/name on the hub.

    Raises:
        WeightsError: the model cannot be loaded.

    Example:
        >>> from scionwood_language.api import load_model
        >>> load_model("tiny").config.num_hidden_layers
        2
    """
    return causal_lm(model=model)


def read_conversations(source: str | Path) -> list[Conversation]:
    """Return all conversations of a file, a folder or a data set on the hub.

    Args:
        source: a file (.jsonl, .json, .csv, .tsv, .parquet), a folder of such files, or owner/name
            of a data set on the hub.

    Raises:
        ReadError: a row is invalid, or there is no valid row. The message names file and row.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_language.api import read_conversations
        >>> size = Path("asked.jsonl").write_text('{"prompt": "Hi", "completion": "Hello."}')
        >>> [each.messages[-1]["content"] for each in read_conversations("asked.jsonl")]
        ['Hello.']
    """
    return _read(source, make=conversation)
