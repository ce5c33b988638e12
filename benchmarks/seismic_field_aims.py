"""The aims of the field scorecard: bars that were set before the models were trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner import read, write

from scionwood.authoring import print_table

RESULTS = Path(__file__).parent / "results"
SCIONWOOD, BEFORE = "Scionwood", "seismic/denoise"
CLASSICAL = ("band-pass", "f-k", "f-x SSA", "TV")
Row = dict[str, str]
DASN2N = {"white": 9.9, "FORGE": 9.0, "ProdML": 6.5}
"""SNR of DAS-N2N with its published weights, dB, from one earlier run on the same event.

No registry has the package, so this benchmark cannot repeat the run everywhere.
"""

OPEN, UNSEEN = "Scionwood, no gate", "`prodml_2.0.h5` was not at hand"
COLOURED = "The noise has no part without signal, so its level cannot be found and told."
TRIED: dict[str, str] = {
    "Viking + band, 1 dB over the best filter": "The gate gave 5.1; now lost "
    "signal goes back first. Strong events along slopes stand at their limit.",
    "Viking + FORGE, 1 dB over the best filter": "The gate costs nothing now. " + COLOURED,
    "F3: correlation of what was removed with the next inline": "The model of shots: 0.21.",
    "F3 + white, over f-x SSA": "With the earlier rules of the gate 3.4, because they kept more of "
    "the noisy input. The model removes too much of these 18 traces. `--slices both` has 3.6 on "
    "inlines 12 to 22.",
    "DAS event + FORGE, over DAS-N2N": "The shared noise still gives the test events a band that "
    "is too wide, so the gate keeps most of it. Resampling more finely: 2.9. Leaving out what "
    "quiet parts share gains 0.7 on 24 generated fibre records, and nothing here.",
    "DAS event + ProdML, over DAS-N2N": UNSEEN,
    "earthquake + instrument": "Passed through: weak events keep 0.3 to 0.6. The noise lies below "
    "0.5 Hz, within one frequency of the model. WaveDenoiser: 0.4 dB.",
    "earthquake above 1 Hz + instrument, over WaveDenoiser": "As above. A band-pass has 7.8 dB.",
}
"""Aim -> what was tried, for the aims that are not reached."""


@dataclass(frozen=True)
class Aim:
    """An aim: a number of the scorecard with a bar.

    Attributes:
        name: what is asked.
        group: the group of records.
        noise: the added noise.
        column: the number, such as `snr` or `removed`.
        bar: the bar for it.
        cases: the cases inside of the group; empty for all. The worst of them counts.
        least: whether the number has to be at least the bar; otherwise at most.
        over: methods whose best number is added to the bar.
        pass_through: whether a record that is passed through reaches the aim.
    """

    name: str
    group: str
    noise: str
    column: str
    bar: float
    cases: tuple[str, ...] = ()
    least: bool = True
    over: tuple[str, ...] = ()
    pass_through: bool = False

    def rows(self, rows: Sequence[Row], method: str) -> list[Row]:
        """Return the rows of a method that the aim is about."""
        return [
            row
            for row in rows
            if (row["group"], row["noise"], row["method"]) == (self.group, self.noise, method)
            and (not self.cases or row["case"] in self.cases)
            and row[self.column] != ""
        ]

    def value(self, rows: Sequence[Row], method: str) -> float | None:
        """Return the worst number of a method; None if it was not measured."""
        worst: Callable[[list[float]], float] = min if self.least else max
        records = self.rows(rows, method)
        column = self.column
        if self.pass_through and method == SCIONWOOD:
            records = [row for row in records if int(row["passed"]) < int(row["records"])]
            column = "lowest_live"
        numbers = [float(row[column]) for row in records if row[column] != ""]
        return worst(numbers) if numbers else None

    def limit(self, rows: Sequence[Row]) -> float | None:
        """Return the bar, over the best of the methods to beat; None if none was measured."""
        if not self.over:
            return self.bar
        rivals = [x for name in self.over if (x := self.value(rows, name)) is not None]
        return self.bar + max(rivals) if rivals else None


NAMES = tuple(f"period {n}" for n in (6, 8, 12, 16, 24, 33, 50, 60))
AIMS = (
    Aim("clean gathers of every dip and curvature: SNR", "dips", "none", "lowest", 20),
    Aim("clean gathers of 1 to 6 traces", "traces", "none", "lowest", 20, pass_through=True),
    Aim("clean, periods of 6 to 60 samples", "periods", "none", "lowest", 15, NAMES),
    Aim(
        "clean, periods of 4 and 80 samples",
        "periods",
        "none",
        "lowest",
        15,
        ("period 4", "period 80"),
        pass_through=True,
    ),
    Aim("Viking with gain, clean", "viking", "none", "snr", 18, ("t^2 gain",)),
    Aim(
        "Viking as recorded: energy removed, %",
        "viking",
        "none",
        "removed",
        5,
        ("as recorded",),
        least=False,
    ),
    *(
        Aim(
            f"Viking + {noise}, 1 dB over the best filter",
            "viking",
            noise,
            "snr",
            1,
            over=CLASSICAL,
        )
        for noise in ("white", "band", "FORGE")
    ),
    Aim(
        "F3: correlation of what was removed with the next inline",
        "F3",
        "none",
        "next_inline",
        0.2,
        least=False,
    ),
    Aim("F3 + white, over f-x SSA", "F3", "white", "snr", 0, over=("f-x SSA",)),
    Aim("salt section: energy removed, %", "salt", "none", "removed", 3, least=False),
    Aim("salt section + white, over f-x SSA", "salt", "white", "snr", 0, over=("f-x SSA",)),
    Aim("post-stack cube: energy removed, %", "cube", "none", "removed", 8, least=False),
    Aim("post-stack cube + white, over f-x SSA", "cube", "white", "snr", 0, over=("f-x SSA",)),
    *(
        Aim(f"DAS event + {noise}, over DAS-N2N", "das", noise, "snr", bar)
        for noise, bar in DASN2N.items()
    ),
    Aim("DAS event alone", "das", "none", "snr", 20),
    Aim("earthquake, clean", "station", "none", "snr", 25, ("as recorded",)),
    *(
        Aim(f"earthquake + {noise}", "station", noise, "snr", 3.6, ("as recorded",))
        for noise in ("white", "instrument")
    ),
    *(
        Aim(
            f"earthquake above 1 Hz + {noise}, over WaveDenoiser",
            "station",
            noise,
            "snr",
            0,
            ("above 1 Hz",),
            over=("WaveDenoiser",),
        )
        for noise in ("white", "instrument")
    ),
)


def judge(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Return one row per aim: the bar, our number, that of before, and what was tried."""
    table: list[dict[str, object]] = []
    for aim in AIMS:
        value, limit = aim.value(rows, SCIONWOOD), aim.limit(rows)
        measured = aim.rows(rows, SCIONWOOD)
        if not measured or limit is None:
            verdict = "not measured"
        elif value is None:
            verdict = "met: passed through"
        else:
            verdict = "met" if (value >= limit if aim.least else value <= limit) else "not met"
            if all(row["passed"] == row["records"] for row in measured):
                verdict += ": passed through"
        rivals = {name: aim.value(rows, name) for name in CLASSICAL}
        available = {name: x for name, x in rivals.items() if x is not None}
        best = max(available, key=lambda name: available[name]) if available and aim.least else ""
        table.append(
            {
                "aim": aim.name,
                "bar": _text(limit, "at least " if aim.least else "at most "),
                "filter": f"{available[best]:.1f} ({best})" if best else "",
                "before": _text(aim.value(rows, BEFORE)),
                "ours": _text(value),
                "verdict": verdict,
                "tried": _tried(aim, rows) if verdict.startswith("not") else "",
            }
        )
    return table


def print_aims(path: Path) -> list[dict[str, object]]:
    """Print the aims for a CSV of the scorecard, and return them.

    For the CSV of the results, `seismic_aims.csv` beside it gets them too.
    """
    table = judge(read(path))
    if path == RESULTS / "seismic_field.csv":
        write(RESULTS / "seismic_aims.csv", table)
    columns = [name for name in table[0] if name != "tried"]
    lines = [[str(row[name]) for name in columns] for row in table]
    print_table(columns, lines, title="aims (worst record of each)")
    for row in table:
        if row["verdict"].startswith("not met"):
            print(f"not met: {row['aim']}. Tried: {row['tried'] or 'nothing yet'}")
    return table


def _tried(aim: Aim, rows: Sequence[Row]) -> str:
    """Return what was tried, beginning with the number without the harm gate."""
    free = aim.value(rows, OPEN)
    before = "" if free is None else f"Without the harm gate: {_text(free)}. "
    return before + TRIED.get(aim.name, "")


def _text(value: float | None, before: str = "") -> str:
    return (
        ""
        if value is None
        else f"{before}{value:.2f}"
        if abs(value) < 1
        else f"{before}{value:.1f}"
    )
