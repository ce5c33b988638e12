"""Check texts, score corpora, and evaluate the checker.

The commands are `scionwood bangla check | score | evaluate-checker`.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scionwood import RecipeError
from scionwood.authoring import (
    InputPath,
    LoadedRun,
    Served,
    atomic_path,
    print_table,
    prints,
    read_utf8,
    writing,
)
from scionwood_bangla.verbs.options import CheckRequest
from scionwood_bangla.verbs.shared import STDIN, print_json, progress_bar, readable, write_page

if TYPE_CHECKING:
    from scionwood_bangla.checker.findings import Findings
    from scionwood_bangla.checker.scores import Score


def check(
    text: InputPath,
    options: CheckRequest = CheckRequest(),
    *,
    fix: bool = False,
    write: bool = False,
    exit_zero: bool = False,
    json: bool = False,
    sarif: bool = False,
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
        sarif: print SARIF 2.1.0, for editors and code hosts.

    Raises:
        SystemExit: the text has a fault.
        ReadError: the file does not exist, or its text is not Bangla in Unicode. The message says
            what it is.
        RecipeError: a level is unknown, or options exclude each other.
        WriteError: the file cannot be written.
    """
    if json + sarif + fix > 1 or (write and not fix):
        rule = "only one of --json, --sarif and --fix can be given, and --write needs --fix"
        raise RecipeError("options of check", rule, "Leave one of them out")
    if write and str(text) == STDIN:
        rule = "--write replaces a file, and standard input is none"
        raise RecipeError("options of check", rule, "Leave --write out, or name the file")
    with readable(Path(text)) as path:
        findings = _check_file(path, options)
        if fix:
            is_wrong = not _print_fix(path, findings, options.levels, write=write)
        else:
            _show(path, findings, json=json, sarif=sarif)
            is_wrong = bool(findings.faults)
    if is_wrong and not exit_zero:
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
    from scionwood_bangla.checker.report import as_json
    from scionwood_bangla.text.reading import read_text

    findings = _check_file(source, options)
    file = write_page(out, "Faults of address", read_text(source), findings) if page else None
    return Served(page=file, values=as_json(findings))


def _check_file(path: Path, options: CheckRequest) -> Findings:
    from scionwood_bangla.checker import check_text
    from scionwood_bangla.text.reading import read_text

    return check_text(
        read_text(path),
        options.levels,
        letter=options.is_letter,
        chandrabindu=options.chandrabindu,
    )


def _show(path: Path, findings: Findings, *, json: bool, sarif: bool) -> None:
    from scionwood_bangla.checker.report import as_json, as_text
    from scionwood_bangla.checker.sarif import Places, as_sarif

    if sarif:
        print_json(as_sarif(findings, read_utf8(path), _name(path)))
    elif json:
        record, places = as_json(findings), Places(findings.text, read_utf8(path))
        for item in (*record["faults"], *record["undecided"]):
            item["line"], item["column"] = places.line_and_column(item["start"])
        print_json(record)
    else:
        print(as_text(findings))


def _name(path: Path) -> str:
    """Return how a file is named in a report."""
    return path.as_posix() if path.name != "stdin" else path.name


def _print_fix(path: Path, findings: Findings, levels: list[str] | None, *, write: bool) -> bool:
    """Print the changes and the questions, write the changes on request; return if none is left."""
    from scionwood_bangla.checker import check_text
    from scionwood_bangla.checker.fix import diff, level_of
    from scionwood_bangla.checker.report import as_question
    from scionwood_bangla.checker.restate import Rewriting, rewrite

    level = level_of(findings.text, levels)
    result = Rewriting(findings.text, True) if level is None else rewrite(findings.text, level)
    after = result.text
    changes = diff(findings.text, after, _name(path))
    left = [fault for fault in findings.faults if fault.rule == "structure"]
    left += result.questions
    if level is not None:
        left += [fault for fault in check_text(after, [level]).faults if not fault.question]
    nothing = "nothing to fix" if not left else "nothing is certain enough to be changed"
    print(changes or nothing, end="" if changes else "\n")
    for fault in left:
        line = after.count("\n", 0, fault.start) + 1
        why = f"line {line}: {as_question(fault)}" if fault.question else fault.reason
        print(f"not fixed: {why}")
    if write and changes:
        with writing(path), atomic_path(path, overwrite=True) as part:
            part.write_text(after, encoding="utf-8")
    return not left


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
    from scionwood_bangla.checker.scores import score_texts
    from scionwood_bangla.evaluation.corpus import read_corpus

    texts, registers = read_corpus(corpus)
    with progress_bar("texts", len(texts)) as progress:
        return score_texts(texts, registers, seed=seed, progress=progress)


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
