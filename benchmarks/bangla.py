"""Measure speed, and the checker on labelled text.

pip install wordfreq
python benchmarks/bangla.py    # about a minute on one core

Commit e122df2b has the coverage of the lexicon, whose rows stay.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from runner import Row, machine, parsed, replace_rows

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from bangla_labelled import measure_letters, measure_sentences

from bangla_checker import check_text, normalise

Score = tuple[str, str, float]


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


def checker() -> Iterator[Score]:
    """Yield the scores of the checker on the labelled sentences and letters, by half."""
    for half in ("dev", "test"):
        for name, value in measure_sentences(half).items():
            yield f"sentences, {half}", name, value
        for name, value in measure_letters(half).items():
            yield f"letters, {half}", name, value


def main() -> None:
    parsed(__doc__, threads=None)
    words = words_of_wordfreq()
    rows: list[Row] = []
    for part in (speed(words), checker()):
        for subject, name, value in part:
            print(subject, name, f"{value:.4g}", sep="\t", flush=True)
            cells = {"subject": subject, "measure": name, "value": f"{value:.5g}"}
            rows.append({"device": "cpu", **cells, **machine()})
    replace_rows("bangla", rows, ("subject",))


if __name__ == "__main__":
    main()
