"""What a language model writes before and after, by method and level."""

from __future__ import annotations

from collections.abc import Sequence

from text import Row, Tables, read, spread, table

SUITES = {
    "unseen_verb_tense": "unseen",
    "handwritten": "by hand",
    "handwritten_dev": "by hand, in sight",
}


def bangla_methods() -> str:
    """Each method's register match, greedy and sampled, and other measures of greedy answers."""
    lines = []
    rows = [row for row in read("bangla_generation") if row["recipe"] == "bangla/register_tiny"]
    for method in dict.fromkeys(row["method"] for row in rows if row["method"]):
        mine = [row for row in rows if row["method"] == method and row["group"] == "all"]
        cells = [
            _cell(mine, suite, decoding, "register_match", ".2f")
            for suite in SUITES
            for decoding in ("greedy", "sampled")
        ]
        cells += [
            _cell(mine, "handwritten", "greedy", name, form)
            for name, form in (("over_formal", ".2f"), ("ended", ".2f"))
        ]
        cells += [
            _cell(mine, "unseen_verb_tense", "greedy", name, ".1f")
            for name in ("bleu", "chrf", "rouge_l")
        ]
        lines.append([method.replace("_", " "), *cells])
    match = [f"{short}, {way}" for short in SUITES.values() for way in ("greedy", "sampled")]
    return table(["method", *match, "over-formal", "ended", "BLEU", "chrF", "ROUGE-L"], lines)


def bangla_levels() -> str:
    """Register match of greedy answers before and after each recipe, by level and difficulty."""
    lines = []
    for recipe in dict.fromkeys(row["recipe"] for row in read("bangla_generation")):
        rows = [row for row in read("bangla_generation") if row["recipe"] == recipe]
        for suite, short in SUITES.items():
            for method in ("zero_shot", "adapter"):
                mine = [row for row in rows if row["method"] == method]
                cells = [
                    _cell(
                        [row for row in mine if row["group"] == group],
                        suite,
                        "greedy",
                        "register_match",
                        ".2f",
                    )
                    for group in ("all", "tui", "tumi", "apni", "plain", "hard")
                ]
                named = {"zero_shot": "base", "adapter": recipe.partition("/")[2]}[method]
                lines.append([named, short, *cells])
    kept = list(dict.fromkeys(map(tuple, lines)))
    head = ["model", "requests", "all", "tui", "tumi", "apni", "a sentence or two", "longer"]
    return table(head, [list(line) for line in kept])


def _cell(rows: Sequence[Row], suite: str, decoding: str, measure: str, form: str) -> str:
    found = [
        float(row["value"])
        for row in rows
        if row["suite"] == suite and row["decoding"] in (decoding, "") and row["measure"] == measure
    ]
    return spread(found, form)


TABLES: Tables = {
    "bangla_methods": bangla_methods,
    "bangla_levels": bangla_levels,
}
