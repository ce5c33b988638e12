"""The traffic light of each gather: what the harm gate found, in words and in a colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

from rich.console import Console
from rich.text import Text

from scionwood_seismic.inference.options import GateOptions

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
        light: `green`: denoised, and events keep their amplitude. `yellow`: less was removed than
            the model wanted, or nothing. `red`: events lose more amplitude than the limit allows.
            `grey`: not measured.
        reason: why, a clause.
        strong: the least recovered amplitude of strong events; None if it was not measured.
        weak: the mean of that of weak events.
        removed: the share of the energy that was removed.
        passed: whether the gather is unchanged.
        mended: whether signal that the model took was put back.
    """

    gather: str
    light: Light
    reason: str
    strong: float | None = None
    weak: float | None = None
    removed: float = 0.0
    passed: bool = False
    mended: bool = False

    @property
    def phrase(self) -> str:
        """The light in a table, with what was done."""
        if self.passed:
            return "passed through"
        return f"{self.light}, lost signal put back" if self.mended else self.light

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
    recovered, share = report["recovered"], report["share"]
    name, removed = str(report.get("gather", "")), float(report.get("removed", 0.0))
    strong, weak, noisy = (_summary(recovered, level) for level in ("strong", "weak", "noisy"))
    if share == 0:
        reason = f"passed through unchanged: {report['reason']}"
        return Verdict(name, "yellow", reason, removed=0.0, passed=True)
    if strong is None:
        return Verdict(name, "grey", f"{_percent(removed)} removed, not tested", removed=removed)
    text = f"{_percent(removed)} removed; strong events keep {strong:.2f} of their amplitude"
    text += "" if weak is None else f", weak ones {weak:.2f}"
    text += "" if noisy is None else f" (weak ones in noise {noisy:.2f})"
    if strong < gate.strong - 0.005:
        reason = f"{text}; the limit is {gate.strong:g}"
        return Verdict(name, "red", reason, strong, weak, removed)
    mended = float(report.get("back", 0.0)) > 0
    if share < 1:
        reason = f"{text}; blended with {_percent(1 - share)} of the removed part"
        reason += f", because {report['reason']}"
        return Verdict(name, "yellow", reason, strong, weak, removed, mended=mended)
    text += f"; before, {report['reason']}" if mended else ""
    return Verdict(name, "green", text, strong, weak, removed, mended=mended)


def lights(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """Count the lights of a file's gathers, as JSON values.

    Args:
        verdicts: those of all gathers.

    Returns:
        `light`: the worst; `lights`: light -> number of gathers; `passed`: the number of gathers
        that passed through unchanged; `mended`: of those in which lost signal was put back.
    """
    rows = list(verdicts)
    counts = Counter(verdict.light for verdict in rows)
    by_light = {light: counts[light] for light in _RANK if counts[light]}
    passed, mended = (
        sum(getattr(verdict, name) for verdict in rows) for name in ("passed", "mended")
    )
    light = next(iter(by_light), "grey")
    return {"light": light, "lights": by_light, "passed": passed, "mended": mended}


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
    passed, mended = (
        sum(getattr(verdict, name) for verdict in verdicts) for name in ("passed", "mended")
    )
    outcome = f"{passed} passed through unchanged"
    outcome += f", lost signal was put back in {mended}" if mended else ""
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


def _badness(verdict: Verdict) -> tuple[int, bool, bool, float]:
    amplitude = 1.0 if verdict.strong is None else verdict.strong
    return _RANK[verdict.light], not verdict.passed, not verdict.mended, amplitude


def _summary(recovered: Mapping[str, float], level: str) -> float | None:
    """Return the worst kind of strong events, or the mean of the kinds of other events."""
    values = [value for name, value in recovered.items() if name.startswith(level)]
    if not values:
        return None
    return min(values) if level == "strong" else sum(values) / len(values)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.0995 else f"{100 * share:.0f} %"
