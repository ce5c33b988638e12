"""A small language model of Bangla word order: trigrams of word classes.

`python -m scionwood_bangla.model.word_order DATABASE` trains it again from the example sentences of
the dictionary `shobdo` (Apache-2.0, 294,000 words; `shobdo/data/dictionary.db` in its wheel).

A common word is a class of its own. A verb form has a class by its tense, and any other word by its
last two letters, which mostly show its case. So the model judges the order of words, and not which
words an answer has.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from scionwood.authoring import atomic_path
from scionwood_bangla.lexicon import readings
from scionwood_bangla.text.normalise import BENGALI, normalise

FILE = Path(__file__).parents[1] / "weights" / "word_order.safetensors"
COMMON = 1000
"""The number of words that are classes of their own."""

_EDGE = "|"
_WORD = re.compile(f"[{BENGALI}\u200c\u200d]+")
_END = re.compile("[।?!\n]+")
_NEW = 2.0
"""The weight of an unseen continuation, in units of the different continuations that were seen."""


def sentences(text: str) -> list[list[str]]:
    """Return the Bangla words of each sentence of a normalised text.

    Args:
        text: the text.
    """
    return [words for part in _END.split(text) if (words := _WORD.findall(part))]


@final
class WordOrder:
    """Interpolated trigrams of word classes.

    Args:
        common: the words that are classes of their own.
        names: the names of the classes.
        grams: how often each trigram of class numbers occurs, (trigram, 4) int64: three classes and
            the count.

    Source: I. H. Witten and T. C. Bell, IEEE Trans. Inf. Theory 37 (1991), method C, with twice its
        weight for unseen continuations.
    """

    def __init__(self, common: Iterable[str], names: Sequence[str], grams: NDArray[Any]) -> None:
        self.common = frozenset(common)
        self._number = {name: at for at, name in enumerate(names)}
        self._base = base = len(names) + 1  # the last number is that of any other class
        first, second, third, count = grams.astype(np.int64).T
        self._three = _Counts((first * base + second) * base + third, count)
        self._two = _Counts(second * base + third, count)
        self._one = _Counts(third, count)
        self._total = int(count.sum())
        self._after_two, self._kinds_two = self._three.contexts(base)
        self._after_one, self._kinds_one = self._two.contexts(base)
        self._known: dict[tuple[str, str, str], float] = {}

    def nats(self, words: Sequence[str]) -> float:
        """Return the negative log-probability of a sentence, nats.

        Args:
            words: its words.
        """
        classes = [_EDGE, _EDGE, *(class_of(word, self.common) for word in words), _EDGE]
        triples = zip(classes, classes[1:], classes[2:], strict=False)
        return sum(map(self._surprise, triples))

    def _surprise(self, triple: tuple[str, str, str]) -> float:
        surprise = self._known.get(triple)
        if surprise is None:
            surprise = self._known[triple] = -math.log(self._probability(*triple))
        return surprise

    def _probability(self, *triple: str) -> float:
        base = self._base
        first, second, third = (self._number.get(name, base - 1) for name in triple)
        share = (self._one[third] + 0.5) / (self._total + 0.5 * (len(self._one.keys) + 1))
        new = _NEW * self._kinds_one[second]
        if new:
            pair = second * base + third
            share = (self._two[pair] + new * share) / (self._after_one[second] + new)
        context = first * base + second
        new = _NEW * self._kinds_two[context]
        if new:
            seen = self._three[context * base + third]
            share = (seen + new * share) / (self._after_two[context] + new)
        return share


@final
class _Counts:
    """How often each number occurs, in sorted arrays: a dictionary takes a second to fill.

    Args:
        keys: numbers, (row,) int64; equal ones are added up.
        counts: how often the number of the row occurs.
    """

    def __init__(self, keys: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        self.keys, row = np.unique(keys, return_inverse=True)
        self.counts = np.bincount(row, counts).astype(np.int64)

    def __getitem__(self, key: int) -> int:
        at = int(np.searchsorted(self.keys, key))
        return int(self.counts[at]) if at < len(self.keys) and self.keys[at] == key else 0

    def contexts(self, base: int) -> tuple[_Counts, _Counts]:
        """Return how often each context, without its last class, occurs, and before how many."""
        before = self.keys // base
        return _Counts(before, self.counts), _Counts(before, np.ones_like(before))


@cache
def shipped() -> WordOrder:
    """Return the model that the package ships."""
    with safe_open(FILE, "numpy") as file:
        record = json.loads(file.metadata()["classes"])
        return WordOrder(record["common"], record["names"], file.get_tensor("grams"))


@cache
def class_of(word: str, common: frozenset[str]) -> str:
    """Return the class of a word: itself, the tense of a verb form, or its last two letters.

    Args:
        word: the word.
        common: the words that are classes of their own.
    """
    if word in common:
        return word
    forms = readings(word)
    if any(reading.subject for reading in forms):
        return "+finite"
    return f"+{forms[0].tense}" if forms else f"-{word[-2:]}"


def train(texts: Iterable[str], *, common: int = COMMON) -> dict[str, object]:
    """Count trigrams of classes.

    Args:
        texts: normalised texts.
        common: the number of words that are classes of their own.

    Returns:
        `common`, `names` and `grams`, the arguments of `WordOrder`.
    """
    word_lists = [words for text in texts for words in sentences(text)]
    usual = Counter(chain.from_iterable(word_lists)).most_common(common)
    chosen = frozenset(word for word, _ in usual)
    counts: Counter[tuple[str, str, str]] = Counter()
    for words in word_lists:
        classes = [_EDGE, _EDGE, *(class_of(word, chosen) for word in words), _EDGE]
        counts.update(zip(classes, classes[1:], classes[2:], strict=False))
    names = sorted({name for triple in counts for name in triple})
    number = {name: at for at, name in enumerate(names)}
    rows = [[*(number[name] for name in triple), n] for triple, n in sorted(counts.items())]
    return {"common": sorted(chosen), "names": names, "grams": np.array(rows, np.int64)}


def dictionary_sentences(path: Path) -> Iterator[str]:
    """Yield the normalised example sentences of the dictionary `shobdo`.

    Args:
        path: its database.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for (group,) in database.execute("select examples from words order by id"):
            yield from map(normalise, json.loads(group or "null") or [])


def main() -> None:
    """Train the model, and write the file of the package."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("database", type=Path)
    parser.add_argument("--target", type=Path, default=FILE)
    options = parser.parse_args()
    parts = train(dictionary_sentences(options.database))
    grams = np.minimum(np.asarray(parts.pop("grams")), 65535).astype(np.uint16)
    classes = json.dumps(parts, ensure_ascii=False)
    with atomic_path(options.target, overwrite=True) as part:
        save_file({"grams": grams}, part, metadata={"classes": classes})
    print(f"{options.target}: {len(grams)} trigrams")


if __name__ == "__main__":
    main()
