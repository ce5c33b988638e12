"""Take 30 models of other people through Scionwood and plain peft, and write docs/zoo.md.

python tests/zoo             print the table of the models whose packages are installed
python tests/zoo --write     write it to docs/zoo.md; all packages must be there
python tests/zoo --check     compare it with docs/zoo.md
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path

import language
import science
import vision
from catalogue import Entry

MODULES = {
    "torch-geometric": "torch_geometric",
    "neuraloperator": "neuralop",
    "segmentation-models-pytorch": "segmentation_models_pytorch",
}
ZOO: list[Entry] = [*vision.ENTRIES, *language.ENTRIES, *science.ENTRIES]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="names of models; none means all that can run")
    parser.add_argument("--packages", help="only the models of these packages, with commas between")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--finish", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.simplefilter("ignore")  # those of the models' own packages
    entries = chosen(options.models, options.packages)
    if options.finish:
        return finish(entries, options.finish)
    import table
    import walk

    with tempfile.TemporaryDirectory() as work:
        trails = walk.walk(entries, Path(work), lambda name: print(name, file=sys.stderr))
    rows = [table.row(entry, trails) for entry in entries]
    print(table.render(rows))
    if options.write:
        return table.write(rows, len(ZOO))
    if not options.check:
        return 0
    missing = [entry for entry in ZOO if entry not in entries]
    if missing and not (options.packages or options.models):
        print(f"not installed: {', '.join(sorted({e.package for e in missing}))}", file=sys.stderr)
        return 1
    return table.check(rows, {entry.name for entry in ZOO})


def chosen(names: list[str], packages: str | None) -> list[Entry]:
    wanted = packages.split(",") if packages else None
    return [
        entry
        for entry in ZOO
        if (not names or entry.name in names)
        and (wanted is None or entry.package in wanted)
        and find_spec(MODULES.get(entry.package, entry.package))
    ]


def finish(entries: list[Entry], work: Path) -> int:
    import walk

    trails = walk.finish(entries, work)
    record = {k: {n: t.failures for n, t in by_name.items()} for k, by_name in trails.items()}
    (work / "reloaded.json").write_text(json.dumps(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
