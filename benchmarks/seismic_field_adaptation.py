"""Measure adaptation on field records: what it gains, what it harms, and what it refuses.

    python benchmarks/seismic_field_adaptation.py --data FOLDER

Test-time adaptation of `seismic/denoise` finds its noise window in each record of the scorecard.
The recipe `seismic/adapt_to_survey` trains 30 steps on Viking shots. The folder is that of
seismic_field.py. Writes benchmarks/results/seismic_adaptation.csv.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from seismic_accuracy import machine, write
from seismic_field import removed, score
from seismic_field_cases import GROUPS, Case

from scionwood import fit, load_run, resolve
from scionwood_seismic.inference.adaptation import Adaptation, Adapter, Objective
from scionwood_seismic.inference.arrays import denoise_array
from scionwood_seismic.inference.rollback import recovered_amplitude

RESULTS = Path(__file__).parent / "results" / "seismic_adaptation.csv"
RUN = "seismic/denoise"
Row = dict[str, object]


def cases(folder: Path) -> list[Case]:
    """Return one test record of each kind."""
    first: dict[tuple[str, str, str], Case] = {}
    for group in ("viking", "stacks", "das"):
        for case in GROUPS[group](folder):
            if not case.tune:
                first.setdefault((case.group, case.name, case.noise), case)
    return list(first.values())


def adapt(case: Case, objective: Objective) -> Row:
    """Return the row of test-time adaptation to a record."""
    model = load_run(RUN).backbone
    time = case.dt * np.arange(case.record.shape[1])
    before = denoise_array(model, case.record)
    after, outcome = Adapter(model, Adaptation(objective=objective)).denoise(case.record, time)
    row: Row = {"objective": objective, "group": case.group, "case": case.name}
    row |= {"noise": case.noise, "verdict": outcome.verdict, "window": outcome.window}
    row |= {
        "objective_before": round(outcome.before, 4),
        "objective_after": round(outcome.after, 4),
    }
    row |= _both("removed", removed(case, before), removed(case, after))
    amplitudes = outcome.recovered if outcome.steps else (_amplitude(model, case),) * 2
    row |= _both("recovered", *amplitudes)
    gain = score(case, after) - score(case, before) if case.clean is not None else ""
    return row | {"gain": round(gain, 3) if gain != "" else ""}


def _amplitude(model: torch.nn.Module, case: Case) -> float:
    return recovered_amplitude(model, case.record / case.record.std(), case.domain)


def _both(name: str, before: float, after: float) -> Row:
    return {f"{name}_before": round(before, 3), f"{name}_after": round(after, 3)}


def survey(folder: Path, start: str, method: str) -> Row:
    """Return the row of `seismic/adapt_to_survey` on Viking shots."""
    options = {
        "task.start": start,
        "task.method": method,
        "data.path": str(folder / "viking_small.segy"),
        "data.n_traces": 64,
        "data.n_samples": 128,
        "data.noise_window": 0.08,
        "data.n_train": 240,
        "data.n_val": 8,
        "data.n_test": 8,
    }
    case = next(c for c in GROUPS["viking"](folder) if not c.tune)
    with tempfile.TemporaryDirectory() as place:
        run = fit(
            resolve("seismic/adapt_to_survey"), run_dir=Path(place) / "run", overrides=options
        )
        own, adapted = load_run(start).backbone, load_run(run).backbone
        moved = any(
            not torch.equal(a, b)
            for a, b in zip(own.parameters(), adapted.parameters(), strict=True)
        )
        before, after = (denoise_array(model, case.record) for model in (own, adapted))
        amplitudes = [_amplitude(model, case) for model in (own, adapted)]
    row: Row = {"objective": f"survey, {method}", "group": case.group, "case": case.name}
    row |= {"noise": "none", "verdict": "kept" if moved else "rolled back", "window": "0 to 0.08 s"}
    row |= _both("removed", removed(case, before), removed(case, after))
    return row | _both("recovered", *amplitudes) | {"gain": ""}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = os.environ.get("SCIONWOOD_FIELD_DATA")
    parser.add_argument("--data", type=Path, default=folder and Path(folder), required=not folder)
    parts = ("survey", "matched", "kurtosis")
    parser.add_argument("--parts", nargs="*", default=parts, choices=parts)
    parser.add_argument("--target", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    if options.target.is_file():
        with options.target.open(newline="") as file:
            rows = [dict(row) for row in csv.DictReader(file)]
    for part in options.parts:
        rows = [row for row in rows if not str(row["objective"]).startswith(part)]
        for row in measure(part, options.data):
            print(row, flush=True)
            rows.append(row | machine())
    write(options.target, rows)


def measure(part: str, folder: Path) -> Iterator[Row]:
    """Yield the rows of a part: `survey`, or an objective of test-time adaptation."""
    if part == "survey":
        for method in ("noisier", "blind_trace"):
            yield survey(folder, RUN, method)
        return
    objective: Objective = "matched" if part == "matched" else "kurtosis"
    for case in cases(folder):
        yield adapt(case, objective)


if __name__ == "__main__":
    main()
