"""Write the results of an evaluation: a summary, CSV, JSON, a figure, and a page with answers."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from scionwood.authoring import (
    Figure,
    Page,
    Section,
    Table,
    atomic_path,
    check_target,
    render,
    writing,
)
from scionwood_bangla.evaluation.baselines import METHODS
from scionwood_bangla.evaluation.compare import Evaluation, Row, matches
from scionwood_bangla.evaluation.figures import register_match
from scionwood_bangla.evaluation.fonts import FAMILIES, page_font
from scionwood_bangla.evaluation.measures import MEASURES

NAMES = ("evaluation.csv", "evaluation.json", "evaluation.png", "evaluation.html")
MEASURES_SHOWN = (
    "register_match",
    "good",
    "over_formal",
    "agreement",
    "consistent",
    "ended",
    "bleu",
    "chrf",
    "rouge_l",
)
"""The measures of the summary. The files have all measures."""

SUMMARY_COLUMNS = ("method", "decoding", "group", "texts", *MEASURES_SHOWN)
CUES = ("named", "implied")
"""The groups that the summary leaves out."""


def summary(rows: Sequence[Row]) -> list[tuple[str, list[list[str]]]]:
    """Return the main measures of each suite: its name, and a row for each method and group.

    Args:
        rows: the rows of an evaluation.

    Returns:
        Rows with a cell for each of `SUMMARY_COLUMNS`, register match with its interval.
    """
    tables = []
    for suite in dict.fromkeys(row["suite"] for row in rows):
        by_key = _by_key([row for row in rows if row["suite"] == suite])
        lines = [
            _cells(key, measures, intervals=MEASURES_SHOWN[:1])
            for key, measures in by_key.items()
            if key[2] not in CUES
        ]
        tables.append((suite, lines))
    return tables


def write(
    evaluation: Evaluation,
    folder: str | Path,
    settings: Mapping[str, Any],
    *,
    overwrite: bool = False,
    examples: int = 6,
    seed: int = 0,
) -> list[Path]:
    """Write all files of an evaluation.

    Args:
        evaluation: the results.
        folder: the folder for the files.
        settings: the settings of the evaluation, for the JSON and the page.
        overwrite: replace existing files.
        examples: the number of requests of each suite whose answers the page shows.
        seed: the seed that draws these requests.

    Returns:
        The paths of the files.

    Raises:
        OutputExistsError: a file exists and `overwrite` is false.
        WriteError: a file cannot be written.
    """
    check_targets(folder, overwrite=overwrite)
    paths = [Path(folder) / name for name in NAMES]
    with writing(folder):
        with (
            atomic_path(paths[0], overwrite=overwrite) as part,
            part.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, list(evaluation.rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows([{k: _plain(v) for k, v in row.items()} for row in evaluation.rows])
        with atomic_path(paths[1], overwrite=overwrite) as part:
            record = {"settings": dict(settings), "rows": clean(evaluation.rows)}
            part.write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
        with atomic_path(paths[2], overwrite=overwrite) as part:
            register_match(evaluation.rows).savefig(part, dpi=130, format="png")
        with atomic_path(paths[3], overwrite=overwrite) as part:
            text = _page(evaluation, settings, paths[2], examples, seed)
            part.write_text(text, encoding="utf-8")
    return paths


def check_targets(folder: str | Path, *, overwrite: bool) -> None:
    """Refuse existing files before the evaluation starts.

    Args:
        folder: the folder for the files of the evaluation.
        overwrite: whether existing files may be replaced.

    Raises:
        OutputExistsError: a file exists and `overwrite` is false.
    """
    for name in NAMES:
        check_target(Path(folder) / name, overwrite)


def clean(rows: Sequence[Row]) -> list[Row]:
    """Return rows for JSON, with `None` in place of NaN.

    Args:
        rows: the rows of an evaluation.
    """
    return [{key: None if value != value else value for key, value in row.items()} for row in rows]


def answers_table(
    evaluation: Evaluation, suite: str, columns: Sequence[tuple[str, str]], count: int, seed: int
) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of a table of requests with the answers of some methods.

    Args:
        evaluation: the results.
        suite: the name of the suite.
        columns: the method and decoding of each column of answers.
        count: the number of requests.
        seed: the seed that draws the requests.
    """
    items = evaluation.suites[suite].items
    chosen = sorted(Random(seed).sample(range(len(items)), min(count, len(items))))
    header = ["request", "levels", *(f"{method}, {decoding}" for method, decoding in columns)]
    rows = []
    for number in chosen:
        item = items[number]
        row = [item.example.prompt[-1].content, ", ".join(sorted(item.example.register or ()))]
        for method, decoding in columns:
            answer = evaluation.answers[suite, method, decoding][number]
            mark = "✓" if matches(item, answer) else "✗"
            row.append(f"{mark} {answer.text}{'' if answer.ended else ' …'}")
        rows.append(row)
    return header, rows


def _page(
    evaluation: Evaluation, settings: Mapping[str, Any], figure: Path, examples: int, seed: int
) -> str:
    caption = "Register match by method and level, with 95 % intervals"
    parts: list[str | Mapping[str, str] | Figure | Section] = [
        {name: str(value) for name, value in settings.items()},
        Figure(caption, figure.read_bytes()),
    ]
    for suite in evaluation.suites:
        by_key = _by_key([row for row in evaluation.rows if row["suite"] == suite])
        body = [_cells(key, measures, intervals=MEASURES_SHOWN) for key, measures in by_key.items()]
        tables = [Table(SUMMARY_COLUMNS, body)]
        columns = [(m, d) for s, m, d in evaluation.answers if s == suite and d == "greedy"]
        if columns:
            header, rows = answers_table(evaluation, suite, columns, examples, seed)
            legend = "✓ accepted level, ✗ not accepted, … cut off"
            tables.append(Table(header, rows, legend, f"Answers, drawn by seed {seed}"))
        parts.append(Section(suite, tables))
    parts += [Section("Methods", [METHODS]), Section("Measures", [MEASURES])]
    page = Page(
        "Evaluation of the level of address",
        parts,
        language="bn",
        fonts=FAMILIES,
        font=page_font(),
        dated=False,
    )
    return render(page)


def _by_key(rows: Sequence[Row]) -> dict[tuple[str, str, str], dict[str, Row]]:
    by_key: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        key = (row["method"], row["decoding"], row["group"])
        by_key.setdefault(key, {})[row["measure"]] = row
    return by_key


def _cells(
    key: tuple[str, str, str], measures: Mapping[str, Row], intervals: Sequence[str]
) -> list[str]:
    texts = str(measures[MEASURES_SHOWN[0]]["texts"])
    return [*key, texts, *(_value(measures[n], interval=n in intervals) for n in MEASURES_SHOWN)]


def _value(row: Row, *, interval: bool) -> str:
    if math.isnan(row["value"]):
        return "-"
    digits = 1 if row["measure"] in ("bleu", "chrf", "rouge_l") else 2
    value, low, high = (f"{row[name]:.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]" if interval else value


def _plain(value: Any) -> Any:
    return f"{value:.5g}" if isinstance(value, float) else value
