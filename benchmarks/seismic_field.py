"""Score denoisers on field records, and on generated records at the edge of what occurs.

    python benchmarks/seismic_field.py --data FOLDER --groups dips viking   # or all

The folder, also SCIONWOOD_FIELD_DATA, holds the public files that docs/results/seismic.md names.
A row is one kind of record with one noise: mean and lowest SNR, the share of energy removed, the
correlation of what was removed with that of the next inline, its local similarity with the result,
and the amplitude that comes back of flat events of four times the local RMS. Groups that are not
measured keep their rows. Writes benchmarks/results/seismic_field.csv; the aims are in
tables.sql.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from runner import Row, machine, option, out, parsed, printed, replace_rows
from scipy.ndimage import uniform_filter
from seismic_field_cases import FIELD_DATA, GROUPS, Case, events
from seismic_field_methods import (
    FILTERS,
    PEERS,
    Estimate,
    Method,
    earlier,
    peers,
    scionwood_runs,
    simple,
    tuned,
)

from scionwood_seismic.evaluation import metrics

HIGHEST = 60.0
"""An SNR above this one, dB, is cut: a method that changes nothing has an infinite one."""


def score(case: Case, estimate: np.ndarray) -> float:
    """Return the SNR of an estimate, dB, over the part of the record that is scored."""
    assert case.clean is not None
    part = slice(*case.scored) if case.scored else slice(None)
    clean, error = case.clean[:, part].astype(np.float64), (case.clean - estimate)[:, part]
    energy = float(np.sum(np.square(error, dtype=np.float64)))
    return min(HIGHEST, float(10 * np.log10(np.sum(clean**2) / max(energy, 1e-30))))


def removed(case: Case, estimate: np.ndarray) -> float:
    """Return the share of energy removed, percent."""
    x = case.record.astype(np.float64)
    return float(100 * np.sum((x - estimate) ** 2) / np.sum(x**2))


def next_inline(cases: Sequence[Case], estimates: Sequence[Estimate]) -> float:
    """Return the correlation of what was removed with what was removed from the next inline."""
    parts = [c.record.astype(np.float64) - e.data for c, e in zip(cases, estimates, strict=True)]
    both = sum(float(np.sum(a * b)) for a, b in pairwise(parts))
    one, other = (
        sum(float(np.sum(a * a)) for a in rows_of_part) for rows_of_part in (parts[:-1], parts[1:])
    )
    return both / np.sqrt(one * other) if one * other else 0.0


def recovered(method: Method, case: Case, estimate: np.ndarray) -> float:
    """Return the amplitude that comes back of flat events of four times the local RMS."""
    traces, samples = case.record.shape
    rms = np.sqrt(uniform_filter(case.record.astype(np.float64) ** 2, (25, 73)).clip(0))
    times = np.arange(30, samples - 10, 50)[:, None] * np.ones(traces)
    wave = events(
        times, (-1.0) ** np.arange(len(times))[:, None] * np.ones_like(times), 12, samples
    )
    added = 4 * wave / np.abs(wave).max() * (rms + 0.02 * case.record.std())
    noisier = Case(**{**case.__dict__, "record": (case.record + added).astype(np.float32)})
    back = method(noisier).data - estimate
    return float(np.sum(back * added) / np.sum(added**2))


def similarity(case: Case, estimate: np.ndarray) -> float:
    """Return the mean local similarity of the removed part and the estimate."""
    gone = torch.from_numpy(case.record.astype(np.float64) - estimate)
    signal = torch.from_numpy(estimate.astype(np.float64))
    return float(metrics.local_similarity(signal, gone).mean()) if gone.any() else 0.0


def measure(name: str, method: Method, cases: Sequence[Case]) -> Row:
    """Return the row of a method on the records of one kind."""
    start = time.process_time()
    estimates = [method(case) for case in cases]
    seconds = time.process_time() - start
    pairs = list(zip(cases, (e.data for e in estimates), strict=True))
    first = cases[0]
    row: Row = {"group": first.group, "case": first.name, "noise": first.noise, "method": name}
    row |= {"records": len(cases), "seconds": round(seconds, 3)}
    row["removed"] = round(float(np.mean([removed(c, e) for c, e in pairs])), 3)
    if first.clean is not None:
        scores = [score(c, e) for c, e in pairs]
        row |= {"snr": round(float(np.mean(scores)), 3), "lowest": round(min(scores), 3)}
    else:
        row["similarity"] = round(float(np.mean([similarity(c, e) for c, e in pairs])), 3)
        back = [recovered(method, c, e) for c, e in pairs[:2]]
        row["recovered"] = round(float(np.mean(back)), 3)
    if first.volume:
        row["next_inline"] = round(next_inline(cases, estimates), 3)
    row["passed"] = sum(e.passed for e in estimates)
    row["note"] = "; ".join(dict.fromkeys(e.note for e in estimates if e.note))[:120]
    row["lowest_live"] = _lowest_live(cases, estimates)
    return row


def _lowest_live(cases: Sequence[Case], estimates: Sequence[Estimate]) -> object:
    """Return the lowest SNR of the records that were not passed through."""
    if cases[0].clean is None:
        return ""
    live = [score(c, e.data) for c, e in zip(cases, estimates, strict=True) if not e.passed]
    return round(min(live), 3) if live else ""


def rows(group: str, options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows of a group of records, the simplest methods first."""
    cases = list(GROUPS[group](options.data))
    methods = simple() | earlier() | scionwood_runs(options.run) | dict(peers(options.peers))
    names = options.methods or [*simple(), *FILTERS, *methods]
    if set(names) & set(FILTERS):
        methods = simple() | tuned(cases, score) | methods
    kinds = dict.fromkeys((c.group, c.name, c.noise) for c in cases if not c.tune)
    for kind in kinds:
        tests = [c for c in cases if not c.tune and (c.group, c.name, c.noise) == kind]
        for name, method in methods.items():
            if name in names and PEERS.get(name, group) == group:
                yield measure(name, method, tests)


def main() -> None:
    options = parsed(
        __doc__,
        FIELD_DATA,
        option("--groups", nargs="*", default=list(GROUPS), choices=list(GROUPS)),
        option("--methods", nargs="*", help="only these; by default all"),
        option("--run", nargs="*", default=[], help="DOMAIN=FOLDER instead of a shipped run"),
        option("--peers", type=Path, help="folder with the packages of published networks"),
        out("seismic_field"),
    )
    for group in options.groups:
        new = printed(rows(group, options), machine())
        replace_rows(options.out, new, ("group", "case", "noise", "method"))


if __name__ == "__main__":
    main()
