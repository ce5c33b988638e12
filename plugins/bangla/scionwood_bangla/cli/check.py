"""The commands `scionwood bangla check | score | evaluate-checker`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from scionwood import InputPath, print_table
from scionwood_bangla.cli.shared import print_json, progress_bar


def check(
    text: InputPath,
    *,
    register: str | None = None,
    letter: Literal["auto", "yes", "no"] = "auto",
    chandrabindu: bool = False,
    exit_zero: bool = False,
    json: bool = False,
) -> None:
    """Print a text with its faults of address marked, each with its rule and a suggestion.

    The exit status is 1 if the text has a fault, and 0 if it has none.

    Args:
        text: the text file, UTF-8.
        register: the accepted levels, such as apni or tumi,apni. Without it, all levels are
            accepted.
        letter: whether to check the parts of a letter. auto checks them if the text looks like one.
        chandrabindu: also report an honorific verb after তারা, which is then written তাঁরা.
        exit_zero: end with the exit status 0 even if the text has a fault.
        json: print JSON.

    Raises:
        SystemExit: the text has a fault.
        ReadError: the file does not exist, or its text is not Bangla in Unicode. The message says
            what it is.
        RecipeError: a level is unknown.
    """
    from scionwood_bangla.checker import check_text
    from scionwood_bangla.checker.report import as_json, as_text
    from scionwood_bangla.text.reading import read_text

    levels = None if register is None else [part.strip() for part in register.split(",")]
    is_letter = {"auto": None, "yes": True, "no": False}[letter]
    findings = check_text(read_text(text), levels, letter=is_letter, chandrabindu=chandrabindu)
    if json:
        print_json(as_json(findings))
    else:
        print(as_text(findings))
    if findings.faults and not exit_zero:
        raise SystemExit(1)


def score(corpus: InputPath, *, seed: int = 0, json: bool = False) -> None:
    """Print the scores of a corpus by register, each with its 95 % bootstrap interval.

    Args:
        corpus: JSON lines with `text` (or `completion`) and `register`, a level or a list of
            levels.
        seed: the seed of the bootstrap.
        json: print JSON. A score whose denominator is zero is null.

    Raises:
        ReadError: the file does not exist, or a line has no text or no register.
    """
    from scionwood_bangla.checker.scores import score_texts
    from scionwood_bangla.evaluation.corpus import read_corpus

    texts, registers = read_corpus(corpus)
    with progress_bar("texts", len(texts)) as progress:
        rows = score_texts(texts, registers, seed=seed, progress=progress)
    if json:
        print_json([{k: None if v != v else v for k, v in asdict(row).items()} for row in rows])
        return
    print_table(
        ["register", "score", "value", "95 % interval", "texts"],
        [
            [r.register, r.score, f"{r.value:.3f}", f"[{r.low:.3f}, {r.high:.3f}]", r.texts]
            for r in rows
            if r.value == r.value
        ],
        numeric=["value", "texts"],
    )


def evaluate_checker(
    *, half: Literal["dev", "test", "all"] = "test", misses: bool = False, json: bool = False
) -> None:
    """Evaluate the checker on the labelled sentences and letters of the package.

    Args:
        half: dev was used to develop the checker; test was not.
        misses: also print the sentences that the checker gets wrong.
        json: print JSON.

    Raises:
        SystemExit: the half is unknown.
    """
    from scionwood_bangla.evaluation import labelled

    scores = {
        "sentences": labelled.measure_sentences(half),
        "letters": labelled.measure_letters(half),
    }
    wrong = list(labelled.misses(half)) if misses else []
    if json:
        listed = [{"kind": kind, **asdict(item)} for kind, item in wrong]
        print_json(scores | ({"misses": listed} if misses else {}))
        return
    print_table(
        ["set", "measure", "value"],
        [
            [name, measure, f"{value:.4g}"]
            for name, values in scores.items()
            for measure, value in values.items()
        ],
        numeric=["value"],
    )
    for kind, item in wrong:
        print(f"{kind}: {item.text} ({item.label} {item.rule})")
