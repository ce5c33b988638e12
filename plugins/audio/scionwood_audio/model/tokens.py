"""The tokens of a text, as the decoder of Whisper reads and predicts them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from scionwood import WeightsError
from scionwood_audio.model.spelling import LETTERS
from scionwood_audio.model.weights import load_tokenizer

ENGLISH = 50_257
"""Where a text begins for an English Whisper; one of many languages begins at 50,258."""


class TokenRows(NamedTuple):
    """The tokens of texts.

    Attributes:
        rows: (text, token) int64: the beginning, the text, and its end, repeated as padding.
        lengths: (text,) int64, the tokens of each text without beginning and end.
        prefix: the tokens of the beginning.
    """

    rows: Tensor
    lengths: Tensor
    prefix: int


def token_rows(texts: Sequence[str], weights: str) -> TokenRows:
    """Return the tokens of texts in Latin letters.

    A text begins with a space and a capital, as sentences that Whisper was trained on do. Random
    weights have one token for each letter, since they need no tokenizer.

    Args:
        texts: as `latin` returns them.
        weights: as for `load_whisper`.
    """
    prefix, end = ([1], 2) if weights == "random" else _specials(weights)
    rows_of_tokens = [_tokens(text, weights) for text in texts]
    longest = max(map(len, rows_of_tokens))
    rows = [[*prefix, *tokens, *[end] * (longest - len(tokens) + 1)] for tokens in rows_of_tokens]
    return TokenRows(torch.tensor(rows), torch.tensor([*map(len, rows_of_tokens)]), len(prefix))


@cache
def _tokens(text: str, weights: str) -> tuple[int, ...]:
    if weights == "random":
        return tuple(LETTERS.index(letter) + 3 for letter in text)
    encoding = _tokenizer(weights).encode(f" {text.capitalize()}", add_special_tokens=False)
    return tuple(encoding.ids)


_tokenizer = cache(load_tokenizer)


@cache
def _specials(weights: str) -> tuple[list[int], int]:
    names = ("<|startoftranscript|>", "<|notimestamps|>", "<|endoftext|>")
    numbers = [_tokenizer(weights).token_to_id(name) for name in names]
    if None in numbers or numbers[0] != ENGLISH:
        rule = "its tokenizer is not that of an English Whisper"
        raise WeightsError(weights, rule, "Use weights such as whisper-tiny.en, or `package`")
    return numbers[:2], numbers[2]
