"""Measure speed, coverage of the lexicon, and the checker on labelled text.

pip install wordfreq bkit
python benchmarks/bangla.py    # about a minute on one core
"""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path
from typing import Any, final

from runner import Row, machine, out, parsed, write

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from bangla_labelled import measure_letters, measure_sentences

from bangla_checker import (
    SUBJECTS,
    TENSES,
    check_text,
    forms,
    inflect,
    normalise,
    readings,
    verb_names,
)
from scionwood import ReadError

Score = tuple[str, str, float]


@final
class _Plain(pickle.Unpickler):
    """Reads lists, dictionaries and strings, and refuses anything that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        raise ReadError(f"{module}.{name}", "only plain data is read", "Do not use this file")


def words_of_wordfreq() -> dict[str, float]:
    """Return the frequencies of the Bangla words of wordfreq."""
    from wordfreq import get_frequency_dict

    return {
        word: share
        for word, share in get_frequency_dict("bn", "large").items()
        if any("\u0980" <= letter <= "\u09ff" for letter in word)
    }


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


def main() -> None:
    options = parsed(__doc__, out("bangla"))
    words = words_of_wordfreq()
    rows: list[Row] = []
    for part in (speed(words), coverage(words), overlap(), checker()):
        for subject, name, value in part:
            print(subject, name, f"{value:.4g}", sep="\t", flush=True)
            cells = {"subject": subject, "measure": name, "value": f"{value:.5g}"}
            rows.append({"device": "cpu", **cells, **machine()})
    write(options.out, rows)


if __name__ == "__main__":
    main()
