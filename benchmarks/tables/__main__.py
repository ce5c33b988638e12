"""Write the tables of results into the pages, from the CSVs beside this folder.

    python benchmarks/tables            # after a benchmark
    python benchmarks/tables --check    # names the pages whose tables are not those of the CSVs

A table stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import audit
import bangla
import biomed
import crash
import federated
import generation
import kernels
import language
import layouts
import lifelong
import methods
import pde
import safety
import seismic
import serve
import study
import training
from text import MARK, fill

ROOT = Path(__file__).parents[2]
PLACES = (
    "docs/*.md",
    "docs/fields/*/*.md",
    "docs/guides/*.md",
    "docs/results/*.md",
    "plugins/*/*.md",
)
PAGES = [
    ROOT / "README.md",
    *(page for place in PLACES for page in sorted(ROOT.glob(place))),
]
FIELDS = (
    audit,
    bangla,
    biomed,
    crash,
    federated,
    generation,
    kernels,
    language,
    layouts,
    lifelong,
    methods,
    pde,
    safety,
    seismic,
    serve,
    study,
    training,
)
TABLES = {name: make for field in FIELDS for name, make in field.TABLES.items()}


def main() -> int:
    """Fill every page, or say which ones are stale and which tables no page shows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args()
    stale, shown = [], set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        shown |= {name for _, name, _ in MARK.findall(text)}
        if (filled := fill(text, TABLES)) != text:
            stale.append(f"{page.relative_to(ROOT)}: run python benchmarks/tables")
            if not options.check:
                page.write_text(filled, encoding="utf-8")
    if not options.check:
        return 0
    faults = [*stale, *(f"{name}: no page shows it" for name in sorted(set(TABLES) - shown))]
    print("\n".join(faults))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
