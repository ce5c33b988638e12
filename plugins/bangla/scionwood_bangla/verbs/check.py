"""Check texts and score corpora: `scionwood bangla check | score`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import bangla_checker
from bangla_checker import Output
from scionwood import RecipeError
from scionwood.authoring import InputPath, LoadedRun, Served, print_table, prints
from scionwood_bangla.text.reading import read_text, scionwood_errors
from scionwood_bangla.verbs.options import CheckRequest
from scionwood_bangla.verbs.shared import print_json, progress_bar, write_page

if TYPE_CHECKING:
    from scionwood_bangla.evaluation.scores import Score


def check(
    text: InputPath,
    options: CheckRequest = CheckRequest(),
    *,
    fix: bool = False,
    write: bool = False,
    exit_zero: bool = False,
    json: bool = False,
) -> None:
    """Print a text with its faults of address marked, each with its rule and a suggestion.

    The exit status is 1 if the text has a fault, and 0 if it has none.

    Args:
        text: the text file, UTF-8, or `-` for standard input.
        options: the accepted levels, and whether the text is a letter.
        fix: print what changes if everybody is addressed at one level: the one of the register
            that the text uses most. A sentence in which an ending or a mood would not be kept for
            certain, and quoted speech, stay as they are and are listed as questions. The exit
            status is 1 if faults or questions remain.
        write: with `fix`, also write the text to its file. The text is then normalised.
        exit_zero: end with the exit status 0 even if the text has a fault.
        json: print JSON. Positions count characters of its `text`, and `line` and `column` are
            those of the file.

    Raises:
        SystemExit: the text has a fault.
        ReadError: the file does not exist, or its text is not Bangla in Unicode. The message says
            what it is.
        RecipeError: a level is unknown, or options exclude each other.
        WriteError: the file cannot be written.
    """
    if (json and fix) or (write and not fix):
        rule = "only one of --json and --fix can be given, and --write needs --fix"
        raise RecipeError("options of check", rule, "Leave one of them out")
    output: Output = "write" if write else "fix" if fix else "json" if json else "text"
    with scionwood_errors():
        is_right = bangla_checker.run([str(text)], options.request(output))
    if not is_right and not exit_zero:
        raise SystemExit(1)


def serve_check(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    options: CheckRequest = CheckRequest(),
    page: bool = False,
) -> Served:
    """Answer with the faults of address of a text, as `scionwood bangla check --json` does.

    Args:
        loaded: any run of this plugin; the checker uses no model.
        source: the text, UTF-8.
        out: the folder of the results.
        options: the accepted levels, and whether the text is a letter.
        page: also write a page with the text and its faults.

    Raises:
        ReadError: the text is not Bangla in Unicode.
        RecipeError: a level is unknown.
    """
    text = read_text(source)
    with scionwood_errors():
        findings = options.request().check(text)
    file = write_page(out, "Faults of address", text, findings) if page else None
    return Served(page=file, values=bangla_checker.as_json(findings, options.language))


def _print_scores(rows: list[Score], *, json: bool = False) -> None:
    """Print scores.

    Args:
        rows: the scores.
        json: print JSON. A score whose denominator is zero is null.
    """
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


@prints(_print_scores)
def score(corpus: InputPath, *, seed: int = 0) -> list[Score]:
    """Print the scores of a corpus by register, each with its 95 % bootstrap interval.

    Args:
        corpus: JSON lines with `text` (or `completion`) and `register`, a level or a list of
            levels.
        seed: the seed of the bootstrap.

    Raises:
        ReadError: the file does not exist, or a line has no text or no register.
    """
    from scionwood_bangla.evaluation.corpus import read_corpus
    from scionwood_bangla.evaluation.scores import score_texts

    texts, registers = read_corpus(corpus)
    with progress_bar("texts", len(texts)) as progress:
        return score_texts(texts, registers, seed=seed, progress=progress)
