"""Adapter methods on a mesh task and a 3D-field task, with bases that were trained here.

    python benchmarks/methods                       # what the table lacks; then the figure
    python benchmarks/methods --tasks mesh     # the other half can run beside it
    python benchmarks/methods --report              # the figure only

The experiments stand in `experiments.yaml`, the results in `benchmarks/results/methods.csv`. Add an
experiment and run again. Everything takes about twenty minutes of one core. Images and
texts are in the study on real weights, benchmarks/study.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler announces itself otherwise
sys.path.insert(0, str(Path(__file__).parents[1]))

from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from runner import announced, option, parsed

from methods import report
from methods.experiments import Experiment, experiments, register
from methods.run import Bench, is_done
from methods.tasks import PLACES, make

NOISE = (
    ".*is_gradient_checkpointing",  # transformers warns of its own attribute when peft looks at it
    "Sparse invariant checks",  # of torch, for peft's SHiRA
)


PRINTED = ("score", "forgetting", "trained", "peak", "step_over_lora", "lr", "error")


def main() -> None:
    options = parsed(
        __doc__,
        option("--tasks", nargs="*", default=list(PLACES), choices=list(PLACES)),
        option("--methods", nargs="*", help="names of methods; all by default"),
        option("--results", type=Path, default=report.CSV),
        option("--report", action="store_true", help="measure nothing"),
        option("--quick", action="store_true", help="tiny: does it run?"),
    )
    for message in NOISE:
        warnings.filterwarnings("ignore", message)
    selection = chosen(options.tasks, options.methods)
    if options.quick:
        selection = [item.shortened() for item in selection]
    rows = report.read(options.results)
    for task in [] if options.report else options.tasks:
        todo = [e for e in selection if e.task == task and not is_done(e, rows)]
        if todo:
            measure(task, todo, options.results, options.quick)
    if not options.quick:
        report.draw(report.read(), report.FIGURE)


def chosen(tasks: list[str], methods: list[str] | None) -> list[Experiment]:
    """Return the experiments that can run here; print the methods without an experiment."""
    kinds, everything = register(), experiments()
    for name, kind in kinds.items():
        if not any(e.adapter and e.adapter["peft_type"] == kind for e in everything):
            print(f"methods/{name} ({kind}) has no experiment yet")
    return [
        item
        for item in everything
        if item.task in tasks and (not methods or item.method in methods) and installed(item)
    ]


def installed(experiment: Experiment) -> bool:
    """Say whether peft or a plugin has the method, and print it if not."""
    kind = (experiment.adapter or {}).get("peft_type")
    if kind is None or kind in PEFT_TYPE_TO_CONFIG_MAPPING:
        return True
    print(f"{experiment.key}: no installed plugin has the method {kind}")
    return False


def measure(name: str, todo: list[Experiment], results: Path, quick: bool) -> None:
    """Run the experiments of a task; print each result and the remaining time."""
    task = make(name, quick=quick)
    (reference,) = (e for e in experiments() if e.key == f"{name}/{task.reference}")
    bench = Bench(task, reference)
    for experiment in announced(todo, lambda e: e.key):
        rows = bench.run(experiment)
        report.merge(rows, results)
        for row in rows:
            print({key: row[key] for key in PRINTED if row[key] != ""}, flush=True)


if __name__ == "__main__":
    main()
