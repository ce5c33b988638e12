"""The traffic light of each gather: what the harm gate found, in words and in a colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, final

from rich.console import Console
from rich.text import Text

from scionwood_seismic.inference.decision import EXACT, worst
from scionwood_seismic.inference.gate import Returned
from scionwood_seismic.inference.options import GateOptions
from scionwood_seismic.inference.reports import NO_EVENT

HANDBOOK = "docs/fields/seismic/qc.md"
"""The page that explains the lights, in the repository."""

GATHERS_SHOWN = 8
"""The largest number of gathers that the console lists, the worst first."""

Light = Literal["red", "yellow", "green", "grey"]
_RANK: Mapping[Light, int] = {"red": 0, "yellow": 1, "grey": 2, "green": 3}


@final
@dataclass(frozen=True)
class Verdict:
    """What the harm gate found in a gather.

    Attributes:
        gather: its key in the file.
        light: `green`: denoised, and events keep their amplitude. `yellow`: weak events lose more
            than the limit allows, what was removed is coherent, or less was removed than the model
            wanted. `red`: strong events lose more than the limit allows. `grey`: not measured.
        reason: why, a clause.
        strong: the recovered amplitude of the worst kind of strong events; None if not measured.
        weak: that of the worst kind of weak events.
        removed: the share of the energy that was removed.
        passed: whether the gather is unchanged.
        places: what came back of each event, and the middle of its energy.
    """

    gather: str
    light: Light
    reason: str
    strong: float | None = None
    weak: float | None = None
    removed: float = 0.0
    passed: bool = False
    places: tuple[Returned, ...] = ()

    @property
    def phrase(self) -> str:
        """The light in a table, with what was done."""
        return "passed through" if self.passed else self.light

    def __str__(self) -> str:
        return f"{self.light:6} {self.gather}: {self.reason}"


def judge(report: Mapping[str, Any], gate: GateOptions) -> Verdict:
    """Judge the report of a gather.

    Args:
        report: the JSON values of an `inference.reports.Report`, with the name as `gather`.
        gate: the limits.

    Example:
        >>> report = {"gather": "fldr 1", "share": 0.0, "reason": "no live trace", "recovered": {}}
        >>> print(judge(report, GateOptions()))
        yellow fldr 1: passed through unchanged: no live trace
    """
    verdict = _judged(report, gate)
    line = report.get("stage", {}).get("line") if not verdict.passed else None
    return replace(verdict, reason=f"{verdict.reason}; {line}") if line else verdict


def _judged(report: Mapping[str, Any], gate: GateOptions) -> Verdict:
    recovered, share = report["recovered"], report["share"]
    name, removed = str(report.get("gather", "")), float(report.get("removed", 0.0))
    if share == 0:
        light: Light = "grey" if report["reason"] == NO_EVENT else "yellow"
        reason = f"passed through unchanged: {report['reason']}"
        return Verdict(name, light, reason, passed=True)
    text = f"{_percent(removed)} removed"
    if not recovered:
        why = report.get("reason") or "not tested"
        return Verdict(name, "grey", f"{why}; {text}", removed=removed)
    (strong_kind, strong), (weak_kind, weak) = (worst(recovered, x) for x in ("strong", "weak"))
    places = tuple(Returned(**place) for place in report.get("places", ()))
    numbers = strong, weak, removed, False, places
    if strong < gate.strong - EXACT:
        amplitude = f"{strong_kind} events keep {strong:.2f} (limit {gate.strong:g})"
        return Verdict(name, "red", f"{amplitude}; {text}", *numbers)
    if report["reason"]:
        blend = f"blended with {_percent(1 - share)} of the removed part; " if share < 1 else ""
        return Verdict(name, "yellow", f"{report['reason']}; {blend}{text}", *numbers)
    coherent = float(report.get("coherent", 0.0))
    if coherent > gate.coherent_limit:
        reason = f"{_percent(coherent)} of the energy was removed and is coherent as events are"
        return Verdict(
            name, "yellow", f"{reason} (limit {_percent(gate.coherent_limit)})", *numbers
        )
    if weak < gate.weak - EXACT:
        amplitude = f"{weak_kind} events keep {weak:.2f} (limit {gate.weak:g})"
        return Verdict(name, "yellow", f"{amplitude}; {text}", *numbers)
    amplitude = f"{strong_kind} events keep {strong:.2f}, {weak_kind} ones {weak:.2f}"
    return Verdict(name, "green", f"{amplitude}; {text}", *numbers)


def lights(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """Count the lights of a file's gathers, as JSON values.

    Args:
        verdicts: those of all gathers.

    Returns:
        `light`: the worst; `lights`: light -> number of gathers; `passed`: the number of gathers
        that passed through unchanged.
    """
    rows = list(verdicts)
    counts = Counter(verdict.light for verdict in rows)
    by_light = {light: counts[light] for light in _RANK if counts[light]}
    passed = sum(verdict.passed for verdict in rows)
    return {"light": next(iter(by_light), "grey"), "lights": by_light, "passed": passed}


def print_verdicts(verdicts: Sequence[Verdict], console: Console) -> None:
    """Print the worst gathers, a summary, and where the handbook explains them.

    Args:
        verdicts: those of all gathers.
        console: where to print.
    """
    if not verdicts:
        return
    order = sorted(verdicts, key=_badness)
    for verdict in order[:GATHERS_SHOWN]:
        line = Text(plain(str(verdict)))
        line.stylize(_STYLE[verdict.light], 0, 6)
        if verdict.passed:
            line.stylize("yellow")
        console.print(line, soft_wrap=True)
    counts = Counter(verdict.light for verdict in verdicts)
    text = ", ".join(f"{counts[light]} {light}" for light in _RANK if counts[light])
    outcome = f"{sum(verdict.passed for verdict in verdicts)} passed through unchanged"
    more = f", the {GATHERS_SHOWN} worst are listed" if len(verdicts) > GATHERS_SHOWN else ""
    say(console, f"harm gate: {text} ({outcome}){more}; see {HANDBOOK}")


_STYLE: Mapping[Light, str] = {
    "red": "bold red",
    "yellow": "bold yellow",
    "green": "bold green",
    "grey": "dim",
}


def say(console: Console, text: str) -> None:
    """Print a line of plain text; a file name in it may contain any character."""
    console.print(plain(text), markup=False, highlight=False, soft_wrap=True)


def plain(text: str) -> str:
    """Return any text, such as a file name, with line breaks and invalid characters escaped."""
    valid_text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in valid_text)


def _badness(verdict: Verdict) -> tuple[int, bool, float]:
    amplitude = 1.0 if verdict.strong is None else min(verdict.strong, verdict.weak or 1.0)
    return _RANK[verdict.light], not verdict.passed, amplitude


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.0995 else f"{100 * share:.0f} %"
