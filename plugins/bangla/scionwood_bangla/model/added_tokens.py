"""Add Bangla tokens to a byte-level BPE tokenizer, by merges of the tokens that it has."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

Pair = tuple[str, str]

WORDS = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}\p{M}\x{200c}\x{200d}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]+"
    r"|\s+(?!\S)|\s+"
)
"""The words of GPT-2's tokenizer, with the vowel signs that it separates from their letters."""


def extended(tokenizer: Any, texts: Iterable[str], count: int) -> Any:
    """Return a tokenizer with more merges, learned on texts after all merges that it has.

    Texts without Bangla keep their tokens, except that vowel signs no longer begin a new word.

    Args:
        tokenizer: a fast byte-level BPE tokenizer of transformers.
        texts: the texts on which merges are learned.
        count: the number of tokens to add.

    Returns:
        A new tokenizer. Its first tokens are those of `tokenizer`.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    state = json.loads(tokenizer.backend_tokenizer.to_str())
    split = {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Isolated", "invert": False}
    letters = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    state["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [split, letters | {"use_regex": False}],
    }
    words = _pieces(Tokenizer.from_str(json.dumps(state)), texts)
    model = state["model"]
    for first, second in learn_merges(words, count):
        model["vocab"].setdefault(first + second, len(model["vocab"]))
        model["merges"].append([first, second])
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        bos_token=tokenizer.bos_token,
        eos_token=tokenizer.eos_token,
        pad_token=tokenizer.pad_token,
        clean_up_tokenization_spaces=False,
    )


def learn_merges(words: Counter[tuple[str, ...]], count: int) -> list[Pair]:
    """Return the merges of byte-pair encoding: the most frequent pair, again and again.

    Args:
        words: how often each word occurs, as a tuple of its present tokens.
        count: the largest number of merges.

    Source: R. Sennrich et al., ACL 2016. Ties go to the pair that comes first in Unicode order.

    Examples:
        >>> from collections import Counter
        >>> learn_merges(Counter({("a", "b", "c"): 2, ("a", "b"): 1}), 2)
        [('a', 'b'), ('ab', 'c')]
    """
    parts = [list(word) for word in words]
    weights = list(words.values())
    pairs: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for at, word in enumerate(parts):
        _count(word, at, weights[at], pairs, places)
    merges: list[Pair] = []
    while len(merges) < count and pairs:
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        if pairs[best] < 2:
            break
        merges.append(best)
        for at in list(places[best]):
            _count(parts[at], at, -weights[at], pairs, places)
            parts[at] = _merged(parts[at], best)
            _count(parts[at], at, weights[at], pairs, places)
        del pairs[best], places[best]
    return merges


def _count(
    word: Sequence[str],
    at: int,
    weight: int,
    pairs: Counter[Pair],
    places: defaultdict[Pair, set[int]],
) -> None:
    for pair in pairwise(word):
        pairs[pair] += weight
        places[pair].add(at)


def _merged(word: list[str], pair: Pair) -> list[str]:
    merged: list[str] = []
    i = 0
    while i < len(word):
        if tuple(word[i : i + 2]) == pair:
            merged.append("".join(pair))
            i += 2
        else:
            merged.append(word[i])
            i += 1
    return merged


def _pieces(tokenizer: Any, texts: Iterable[str]) -> Counter[tuple[str, ...]]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text))
    pieces: Counter[tuple[str, ...]] = Counter()
    for word, number in counts.items():
        tokens = tuple(token.value for token in tokenizer.model.tokenize(word))
        if len(tokens) > 1:
            pieces[tokens] += number
    return pieces
