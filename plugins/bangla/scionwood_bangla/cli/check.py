"""The commands `scionwood bangla check | score | evaluate-checker | tokenizers`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from scionwood import RecipeError


def check(
    text: Path,
    *,
    register: str | None = None,
    letter: Literal["auto", "yes", "no"] = "auto",
    json: bool = False,
) -> None:
    """Print a text with each fault of address marked, its rule and what could stand there.

    Args:
        text: the file, UTF-8.
        register: the levels that are acceptable, such as apni or tumi,apni; any where null.
        letter: whether to check the parts of a letter; auto: where it looks like one.
        json: print JSON.

    Raises:
        ReadError: no such file, or its text is no Bangla in Unicode; the message says what it is.
        RecipeError: no such level.
    """
    from scionwood_bangla.checker import check_text
    from scionwood_bangla.checker.report import as_json, as_text
    from scionwood_bangla.text.reading import read_text

    levels = None if register is None else [part.strip() for part in register.split(",")]
    is_letter = {"auto": None, "yes": True, "no": False}[letter]
    found = check_text(read_text(Path(text)), levels, letter=is_letter)
    print(_dump(as_json(found)) if json else as_text(found))


def score(corpus: Path, *, seed: int = 0, json: bool = False) -> None:
    """Print the scores of a corpus by register, each with its 95 % bootstrap interval.

    Args:
        corpus: JSON lines with `text` (or `completion`) and `register`, a level or a list of them.
        seed: of the bootstrap.
        json: print JSON; shares of nothing are null.

    Raises:
        ReadError: no such file, or a line without text or register.
    """
    from rich.console import Console
    from rich.progress import Progress

    from scionwood_bangla.checker.scores import score_texts
    from scionwood_bangla.evaluation.corpus import read_corpus

    texts, registers = read_corpus(Path(corpus))
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("texts", total=len(texts))
        rows = score_texts(
            texts, registers, seed=seed, progress=lambda n: progress.update(bar, completed=n)
        )
    if json:
        clean = [{k: None if v != v else v for k, v in asdict(row).items()} for row in rows]
        print(_dump(clean))
        return
    for row in rows:
        if row.value == row.value:
            interval = f"[{row.low:.3f}, {row.high:.3f}]"
            print(f"{row.register:14} {row.score:16} {row.value:6.3f} {interval} n={row.texts}")


def evaluate_checker(
    *, half: Literal["dev", "test", "all"] = "test", misses: bool = False, json: bool = False
) -> None:
    """Measure the checker on the labelled sentences and letters that come with it.

    Args:
        half: `dev` was looked at while the checker was made; `test` was not.
        misses: also print the sentences that it gets wrong.
        json: print JSON.

    Raises:
        SystemExit: an unknown half; the labelled texts themselves are part of the package.
    """
    from scionwood_bangla.evaluation import labelled

    found = {
        "sentences": labelled.measure_sentences(half),
        "letters": labelled.measure_letters(half),
    }
    wrong = list(labelled.misses(half)) if misses else []
    if json:
        listed = [{"kind": kind, **asdict(item)} for kind, item in wrong]
        print(_dump(found | ({"misses": listed} if misses else {})))
        return
    for group, values in found.items():
        for name, value in values.items():
            print(f"{group:10} {name:22} {value:7.4g}")
    for kind, item in wrong:
        print(f"{kind}: {item.text} ({item.label} {item.rule})")


def tokenizers(
    files: list[str], *, text: Path | None = None, window: int = 2048, json: bool = False
) -> None:
    """Print how many tokens each tokenizer makes of a Bangla word, and how many words fit a window.

    Words come from a text; without one from wordfreq, weighted by their frequency.

    Args:
        files: tokenizer.json or its folder, tekken JSON, SentencePiece .model, or .tiktoken; or
            DISTRIBUTION:FILE of an installed package, such as mistral-common:tekken_240911.json.
        text: a Bangla text, UTF-8, whose words count instead.
        window: tokens that the model sees at once.
        json: print JSON.

    Raises:
        ReadError: a file is no tokenizer, or the text is no Bangla.
        PluginError: a library for a format is missing, or wordfreq where no text is given.
        RecipeError: the window is not positive.
    """
    from scionwood_bangla.evaluation.fertility import (
        locate,
        measure,
        words_of_text,
        words_of_wordfreq,
    )
    from scionwood_bangla.text.reading import read_text

    if window < 1:
        raise RecipeError(f"window {window}", "it is 1 or more", "Give the model's context length")
    words = words_of_wordfreq() if text is None else words_of_text(read_text(Path(text)))
    found = [measure(locate(file), words, window) for file in files]
    if json:
        print(_dump([asdict(item) | {"warning": item.warning} for item in found]))
        return
    for item in found:
        numbers = f"{item.tokens_per_word:6.2f} tokens a word, {item.words_per_window} words"
        print(f"{item.name:40} {item.vocabulary:7} entries {numbers} in {window} tokens")
        if item.warning:
            print(f"  warning: {item.warning}")


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
