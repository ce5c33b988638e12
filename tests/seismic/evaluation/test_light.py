"""The traffic light of a gather: its colour, its reason, and the order on the console."""

from __future__ import annotations

import io

from case_table import table
from rich.console import Console

from scionwood_seismic.evaluation.light import judge, print_verdicts
from scionwood_seismic.inference.options import GateOptions


def report(
    share: float = 1.0, strong: float | None = 0.95, reason: str = "", back: float = 0.0
) -> dict[str, object]:
    recovered = {} if strong is None else {"strong flat": strong, "weak flat": 0.9}
    return {
        "gather": "fldr 7",
        "recovered": recovered,
        "share": share,
        "reason": reason,
        "back": back,
        "removed": 0.2,
    }


@table(
    ("given", "light", "text"),
    [
        (report(), "green", "20 % removed; strong events keep 0.95 of their amplitude, weak ones"),
        (report(0.5, 0.85, "why"), "yellow", "blended with 50 % of the removed part, because why"),
        (report(0.0, 1.0, "no live trace"), "yellow", "passed through unchanged: no live trace"),
        (report(1.0, 0.86, "why; lost signal was put back", 0.5), "green", "put back"),
        (report(0.5, 0.85, "why; lost signal was put back", 1.0), "yellow", "put back"),
        (report(1.0, 0.4), "red", "strong events keep 0.40"),
        (report(1.0, None), "grey", "not tested"),
    ],
)
def test_a_light_has_its_reason(given: dict[str, object], light: str, text: str) -> None:
    verdict = judge(given, GateOptions())
    assert verdict.light == light
    assert text in verdict.reason


def test_the_worst_gathers_come_first_and_the_rest_is_counted() -> None:
    out = io.StringIO()
    reports = [report()] * 20 + [report(0.0, 1.0, "two traces"), report(1.0, 0.3)]
    verdicts = [judge(each, GateOptions()) for each in reports]
    print_verdicts(verdicts, Console(file=out, width=200))
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("red")
    assert lines[1].startswith("yellow")
    assert len(lines) == 9
    assert "1 red, 1 yellow, 20 green (1 passed through unchanged), the 8 worst are" in lines[-1]
