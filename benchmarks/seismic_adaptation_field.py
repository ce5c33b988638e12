"""Measure adaptation under the harm gate on field records: gain, harm, and what is refused.

    python benchmarks/seismic_adaptation_field.py --data FOLDER

`seismic/denoise` denoises each record with the weights of the run, and adapted to the record, both
as `scionwood seismic denoise --run seismic/denoise --tta matched` does: at the canonical sampling,
with the gate. The recipe `seismic/adapt_to_survey` trains 30 steps on Viking shots. The folder is
that of seismic_field.py. Writes benchmarks/results/seismic_adaptation_field.csv, a row at a time:
rows that it has are not measured again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from runner import Row, Table, out, parsed
from seismic_field import removed, score
from seismic_field_cases import FIELD_DATA, GROUPS, Case, forge

from scionwood import fit, load_run, resolve
from scionwood_seismic import open_file
from scionwood_seismic.dino.adaptation import Adaptation, Adapter, Objective
from scionwood_seismic.inference.field import FieldResult, denoise_record

RUN = "seismic/denoise"
OTHERS = {
    "deformation_rate_event_1.hdf5": "local event, DASDAE",
    "decimated_optodas.hdf5": "OptoDAS",
    "silixa_h5_1.hdf5": "Silixa iDAS",
}
PART = (256, 512)
"""Traces and samples of a long recording that are used, from its start."""


def cases(folder: Path) -> Iterator[Case]:
    """Yield one test record of each kind, and whole recordings of fibres as they are."""
    names = set()
    for group in ("viking", "stacks", "das"):
        for case in GROUPS[group](folder):
            name = case.group, case.name, case.noise
            if not case.tune and name not in names:
                names.add(name)
                yield case
    window = np.ascontiguousarray(forge(folder)[300 : 300 + PART[0]])
    yield Case("das", "FORGE window", "none", False, window, None, 5e-4, None, "das")
    for file, name in OTHERS.items():
        with open_file(folder / file) as reader:
            data = reader.read(0).data[: PART[0], : PART[1]].copy()
            yield Case("das", name, "none", False, data, None, reader.dt, None, "das")


def adapt(case: Case, objective: Objective) -> Row:
    """Return the row of test-time adaptation to a record."""
    model = load_run(RUN).backbone
    axis = case.dt * np.arange(case.record.shape[1])
    start = time.process_time()
    before = _denoised(model, case)
    plain = time.process_time() - start
    adapter = Adapter(model, Adaptation(objective=objective))
    with adapter.adapted(case.record, axis, domain=case.domain) as outcome:
        after = _denoised(model, case)
    row: Row = {"verdict": outcome.verdict, "window": outcome.window}
    row |= _both("objective", outcome.before, outcome.after, 4)
    row |= _compared(case, before, after)
    spent = time.process_time() - start
    return row | {"plain_seconds": round(plain, 1), "seconds": round(spent - plain, 1)}


def _denoised(model: torch.nn.Module, case: Case) -> FieldResult:
    return denoise_record(model, case.record, dt=case.dt, domain=case.domain)


def _compared(case: Case, before: FieldResult, after: FieldResult) -> Row:
    """Return what two results remove, what the gate says, and the gain in dB."""
    results = before, after
    row = _both("removed", *(removed(case, result.denoised) for result in results))
    row |= _both("recovered", *(result.report.worst for result in results))
    row |= _both("share", *(result.report.share for result in results))
    if case.clean is None:
        return row | {"gain": ""}
    gain = score(case, after.denoised) - score(case, before.denoised)
    return row | {"gain": round(gain, 3)}


def _both(name: str, before: float | None, after: float | None, digits: int = 3) -> Row:
    pair = {"before": before, "after": after}
    return {f"{name}_{k}": "" if v is None else round(v, digits) for k, v in pair.items()}


def survey(folder: Path, method: str) -> Row:
    """Return the row of `seismic/adapt_to_survey` on Viking shots."""
    options = {
        "task.start": RUN,
        "task.method": method,
        "data.path": str(folder / "viking_small.segy"),
        "data.n_traces": 64,
        "data.n_samples": 128,
        "data.noise_window": 0.08,
        "data.n_train": 240,
        "data.n_val": 8,
        "data.n_test": 8,
    }
    case = _viking(folder)
    with tempfile.TemporaryDirectory() as place:
        run = fit(
            resolve("seismic/adapt_to_survey"), run_dir=Path(place) / "run", overrides=options
        )
        shipped, adapted = load_run(RUN).backbone, load_run(run).backbone
        pairs = zip(shipped.parameters(), adapted.parameters(), strict=True)
        moved = any(not torch.equal(a, b) for a, b in pairs)
        row: Row = {"verdict": "kept" if moved else "rolled back", "window": "0 to 0.08 s"}
        return row | _compared(case, _denoised(shipped, case), _denoised(adapted, case))


def _viking(folder: Path) -> Case:
    return next(case for case in GROUPS["viking"](folder) if not case.tune)


def jobs(folder: Path) -> Iterator[tuple[Row, Callable[[], Row]]]:
    """Yield the cells that tell rows apart, each with what measures the others."""
    records, viking = list(cases(folder)), _viking(folder)
    plan: list[tuple[str, Case, Callable[[], Row]]] = [
        ("matched", case, partial(adapt, case, "matched")) for case in records
    ]
    for method in ("noisier", "blind_trace"):
        plan.append((f"survey, {method}", viking, partial(survey, folder, method)))
    plan += [("kurtosis", case, partial(adapt, case, "kurtosis")) for case in records]
    for objective, case, measure in plan:
        cells = {"objective": objective, "group": case.group}
        yield cells | {"case": case.name, "noise": case.noise}, measure


def main() -> None:
    options = parsed(__doc__, FIELD_DATA, out("seismic_adaptation_field"))
    table = Table(options.out)
    for job, measure in jobs(options.data):
        if not table.has(**job):
            table.add(job | measure())


if __name__ == "__main__":
    main()
