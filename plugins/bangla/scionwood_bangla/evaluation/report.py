"""Write an evaluation: a table for the terminal, CSV, JSON, a figure, and a page with answers."""

from __future__ import annotations

import csv
import html
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from scionwood import OutputExistsError, atomic_path
from scionwood_bangla.evaluation.baselines import METHODS
from scionwood_bangla.evaluation.compare import Evaluation, Row, right
from scionwood_bangla.evaluation.fonts import page, table
from scionwood_bangla.evaluation.measures import MEASURES

NAMES = ("evaluation.csv", "evaluation.json", "evaluation.png", "evaluation.html")
SHOWN = (
    "register_match",
    "over_formal",
    "agreement",
    "consistent",
    "ended",
    "bleu",
    "chrf",
    "rouge_l",
)
"""The measures of the printed table; the files have all."""

CUES = ("named", "implied")
"""Groups that the printed table leaves out."""


def text(rows: Sequence[Row]) -> str:
    """Every method and group as a line, the main measures with their intervals.

    Args:
        rows: of an evaluation.
    """
    lines = []
    for suite in dict.fromkeys(row["suite"] for row in rows):
        mine = [row for row in rows if row["suite"] == suite]
        lines += ["", suite, _line("method", "decoding", "group", "texts", *SHOWN[:1], *SHOWN[1:])]
        kept = {key: cells for key, cells in _by_line(mine).items() if key[2] not in CUES}
        for key, cells in kept.items():
            shown = [_shown(cells[name], interval=name == SHOWN[0]) for name in SHOWN]
            lines.append(_line(*key, str(cells[SHOWN[0]]["texts"]), *shown))
    return "\n".join(lines[1:])


def write(
    found: Evaluation,
    folder: Path,
    settings: Mapping[str, Any],
    *,
    overwrite: bool = False,
    examples: int = 6,
    seed: int = 0,
) -> list[Path]:
    """Write all files of an evaluation.

    Args:
        found: what to write.
        folder: where to.
        settings: what was run, for the JSON and the page.
        overwrite: replace files that are there.
        examples: answers of each suite on the page, drawn by `seed` and not by hand.
        seed: see `examples`.

    Raises:
        OutputExistsError: a file exists and `overwrite` is false.
    """
    from scionwood_bangla.evaluation.figures import register_match

    paths = [Path(folder) / name for name in NAMES]
    check_free(Path(folder), overwrite=overwrite)
    with (
        atomic_path(paths[0], overwrite=overwrite) as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, list(found.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows([{k: _plain(v) for k, v in row.items()} for row in found.rows])
    with atomic_path(paths[1], overwrite=overwrite) as part:
        record = {"settings": dict(settings), "rows": clean(found.rows)}
        part.write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
    with atomic_path(paths[2], overwrite=overwrite) as part:
        register_match(found.rows).savefig(part, dpi=130, format="png")
    with atomic_path(paths[3], overwrite=overwrite) as part:
        whole = _page(found, settings, paths[2], examples, seed)
        part.write_text(whole, encoding="utf-8")
    return paths


def check_free(folder: Path, *, overwrite: bool) -> None:
    """Refuse before the work what could not be written after it.

    Args:
        folder: of the evaluation.
        overwrite: nothing is refused.

    Raises:
        OutputExistsError: a file exists and `overwrite` is false.
    """
    for name in NAMES:
        if (folder / name).exists() and not overwrite:
            raise OutputExistsError(str(folder / name), "it exists already", "Give --force")


def clean(rows: Sequence[Row]) -> list[Row]:
    """Rows for JSON, in which a share of nothing is null.

    Args:
        rows: of an evaluation.
    """
    return [{key: None if value != value else value for key, value in row.items()} for row in rows]


def answers_table(
    found: Evaluation, suite: str, columns: Sequence[tuple[str, str]], count: int, seed: int
) -> tuple[list[str], list[list[str]]]:
    """Requests with the answers of some methods, drawn by a seed: header and rows.

    Args:
        found: an evaluation.
        suite: by name.
        columns: method and decoding of each column.
        count: how many requests.
        seed: draws them.
    """
    items = found.suites[suite].items
    chosen = sorted(Random(seed).sample(range(len(items)), min(count, len(items))))
    header = ["request", "levels", *(f"{method}, {decoding}" for method, decoding in columns)]
    rows = []
    for number in chosen:
        item = items[number]
        line = [item.example.prompt[-1].content, ", ".join(sorted(item.example.register or ()))]
        for method, decoding in columns:
            answer = found.answers[suite, method, decoding][number]
            mark = "✓" if right(item, answer) else "✗"
            line.append(f"{mark} {answer.text}{'' if answer.ended else ' …'}")
        rows.append(line)
    return header, rows


def _page(
    found: Evaluation, settings: Mapping[str, Any], figure: Path, examples: int, seed: int
) -> str:
    import base64

    image = base64.b64encode(figure.read_bytes()).decode()
    parts = [table(("setting", "value"), [(str(k), str(v)) for k, v in settings.items()])]
    parts.append(f'<img alt="register match by method" src="data:image/png;base64,{image}">')
    for suite in found.suites:
        rows = _by_line([row for row in found.rows if row["suite"] == suite])
        body = [
            [
                *key,
                str(cells[SHOWN[0]]["texts"]),
                *(_shown(cells[name], interval=True) for name in SHOWN),
            ]
            for key, cells in rows.items()
        ]
        heading = ("method", "decoding", "group", "texts", *SHOWN)
        parts += [f"<h2>{html.escape(suite)}</h2>", table(heading, body)]
        columns = [(m, d) for s, m, d in found.answers if s == suite and d == "greedy"]
        if columns:
            parts.append(f"<h3>Answers, drawn by seed {seed}; ✓ the level is right, … cut off</h3>")
            parts.append(table(*answers_table(found, suite, columns, examples, seed)))
    meanings = [*METHODS.items(), *MEASURES.items()]
    parts += ["<h2>What is what</h2>", table(("name", "meaning"), meanings)]
    return page("Evaluation of address", parts)


def _by_line(rows: Sequence[Row]) -> dict[tuple[str, str, str], dict[str, Row]]:
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        found.setdefault((row["method"], row["decoding"], row["group"]), {})[row["measure"]] = row
    return found


def _shown(row: Row, *, interval: bool) -> str:
    if math.isnan(row["value"]):
        return "-"
    digits = 1 if row["measure"] in ("bleu", "chrf", "rouge_l") else 2
    value, low, high = (f"{row[name]:.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]" if interval else value


def _line(method: str, decoding: str, group: str, texts: str, first: str, *others: str) -> str:
    return f"{method:24}{decoding:9}{group:9}{texts:>6} {first:>18}" + "".join(
        f"{each:>12}" for each in others
    )


def _plain(value: Any) -> Any:
    return f"{value:.5g}" if isinstance(value, float) else value
