"""Measure what audits find: probes of shipped runs, and corruption.

    python benchmarks/audit.py probes      # every shipped run, with the limits that it breaks
    python benchmarks/audit.py training    # six faults and twenty correct corruptions

Each row is written when it is done, and a next call goes on. The limits of probes were fixed before
these figures were seen. The scores of weights, and dynamic prompts, were measured by this file of
commits 3178b783 and e122df2b. A poison that costs no accuracy is measured by audit_stealth.py.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from runner import Table, option, parsed

from scionwood_audit import audit_run

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "audit"))

RUNS = (
    "seismic/denoise",
    "seismic/das",
    "seismic/shot",
    "seismic/stack",
    "seismic/station",
    "pde/burgers",
    "pde/dynamics",
    "crash/transfer_lora",
    "bangla/register_tiny",
)


def main() -> None:
    parts = {"probes": probes, "training": training}
    options = parsed(
        __doc__,
        option("part", nargs="?", choices=parts, help="by default all"),
        option("--most", type=float, default=1e9, help="seconds after which to stop"),
    )
    start = time.monotonic()
    for name in [options.part] if options.part else parts:
        parts[name](lambda: time.monotonic() - start > options.most)


def probes(over: Callable[[], bool]) -> None:
    """Audit each shipped run."""
    table = Table("audit_probes")
    for name in RUNS:
        if over() or table.has(run=name):
            continue
        start = time.process_time()
        audit = audit_run(name)
        cpu = time.process_time() - start
        for row in audit.rows:
            if row.part == "behaviour":
                cells = {"run": name, "probe": row.name, "found": row.value, "limit": row.limit}
                why = {"why": row.reason, "audit, CPU s": f"{cpu:.0f}"}
                table.add({**cells, "result": row.status, "verdict": audit.verdict, **why})


def training(over: Callable[[], bool]) -> None:
    """Audit six planted faults once, and correct corruptions with twenty seeds."""
    from corruptions import CORRECT, FAULTS

    from scionwood_audit import draw_and_test

    table = Table("audit_training")
    names = list(CORRECT)
    plan = [(name, make, 0) for name, make in FAULTS.items()]
    plan += [
        (names[seed % len(names)], CORRECT[names[seed % len(names)]], seed) for seed in range(20)
    ]
    for name, make, seed in plan:
        if over() or table.has(corruption=name, seed=seed):
            continue
        start = time.process_time()
        rows = draw_and_test(make(), draws=100_000, seed=seed)
        cpu = time.process_time() - start
        broken = "; ".join(row.name for row in rows if row.status == "broken")
        kind = "planted fault" if name in FAULTS else "correct"
        counts = {"tests": len(rows), "broken": broken, "CPU s": f"{cpu:.1f}"}
        table.add({"kind": kind, "corruption": name, "seed": seed, **counts})


if __name__ == "__main__":
    main()
