"""The tokens of a text, as the decoder of Whisper reads and predicts them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from scionwood import WeightsError
from scionwood_audio.model.spelling import LETTERS
from scionwood_audio.model.weights import load_tokenizer

ENGLISH = 50_257
"""Where a text begins for an English Whisper; one of many languages begins at 50,258."""


def token_rows(texts: Sequence[str], weights: str, *, end: bool = False) -> tuple[Tensor, Tensor]:
    """Return the tokens of texts in Latin letters, and which of them are scored.

    A text begins with a space and a capital, as sentences that Whisper was trained on do. Random
    weights have one token for each letter, since they need no tokenizer.

    Args:
        texts: as `latin` returns them.
        weights: as for `load_whisper`.
        end: whether the end of a text is scored too.

    Returns:
        (text, token) int64: the beginning, the text, and its end, repeated as padding; and
        (text, token - 1) bool, from the second token on.
    """
    prefix, last = ([1], 2) if weights == "random" else _specials(weights)
    parts = [_tokens(text, weights) for text in texts]
    longest = max(map(len, parts))
    rows = [[*prefix, *part, *[last] * (longest - len(part) + 1)] for part in parts]
    steps = torch.arange(len(rows[0]) - 1) - (len(prefix) - 1)
    lengths = torch.tensor([len(part) + end for part in parts])
    return torch.tensor(rows), (steps >= 0) & (steps < lengths[:, None])


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
