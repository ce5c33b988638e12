"""Damage the samples of every plugin's readers, and write what became of them.

    python benchmarks/fuzz.py                  # all plugins: about half an hour on one core
    python benchmarks/fuzz.py --only seismic

Writes `results/fuzz.csv`, one row for each sample; new faults go to tests/core/fuzzing/corpus.
"""

from __future__ import annotations

import sys
from pathlib import Path

from runner import option, parsed

import scionwood
from scionwood_kit.fuzzing.command import fuzz_plugin

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "fuzz.csv"
CORPUS = ROOT / "tests" / "core" / "fuzzing" / "corpus"


def main() -> int:
    """Fuzz every plugin that reads files; return 1 if something reached the caller."""
    options = parsed(
        __doc__,
        option("--only", help="the name of a plugin"),
        option("--n", type=int, default=2000, help="mutations of each sample"),
        option("--seed", type=int, default=0, help="the seed of the mutations"),
        threads=None,
    )
    failed = 0
    for entry in scionwood.authoring.plugins():
        reads = entry.plugin and (entry.plugin.readers or entry.plugin.parsers)
        if reads and options.only in (None, entry.name):
            print(f"{entry.name}:", flush=True)
            counts = {"n": options.n, "seed": options.seed}
            failed |= fuzz_plugin(entry.name, **counts, corpus=CORPUS, csv=RESULTS)
    return failed


if __name__ == "__main__":
    sys.exit(main())
