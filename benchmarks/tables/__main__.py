"""Write the tables of results into the pages, from the CSVs beside this folder.

    python benchmarks/tables            # after a benchmark
    python benchmarks/tables --check    # names the pages whose tables are not those of the CSVs

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. Its rows are those of the query
of this name in `tables.sql`, where every file of results is a table of texts.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
import sys
from pathlib import Path

from database import load
from markdown import table

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "docs/*.md", "docs/fields/*/*.md", "docs/guides/*.md", "docs/results/*.md"]
PAGES.append("plugins/*/*.md")
MARK = re.compile(r"(<!-- table: ([a-z_]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def queries() -> tuple[str, dict[str, str]]:
    """Return the views that queries share, and the query of each table by name."""
    text = Path(__file__).with_name("tables.sql").read_text(encoding="utf-8")
    views, *parts = re.split(r"^-- table: ([a-z_]+)\n", text, flags=re.MULTILINE)
    return views, dict(zip(parts[::2], parts[1::2], strict=True))


def tables() -> dict[str, str]:
    """Return every table as Markdown, by name."""
    views, by_name = queries()
    database = load(ROOT / "benchmarks" / "results")
    database.executescript(views)
    texts = {}
    for name, query in by_name.items():
        try:
            texts[name] = table(database.execute(query))
        except sqlite3.Error as error:
            raise SystemExit(f"tables.sql, table {name}: {error}") from error
    return texts


def main() -> int:
    """Fill every page, or say which ones are stale and which tables no page shows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args()
    texts = tables()
    stale, placed = [], set()
    for page in sorted(path for place in PAGES for path in ROOT.glob(place)):
        text = page.read_text(encoding="utf-8")
        placed |= {name for _, name, _ in MARK.findall(text)}
        # Marks of other names belong to other scripts.
        filled = MARK.sub(
            lambda mark: mark[1] + texts[mark[2]] + mark[3] if mark[2] in texts else mark[0], text
        )
        if filled != text:
            stale.append(f"{page.relative_to(ROOT)}: run python benchmarks/tables")
            if not options.check:
                page.write_text(filled, encoding="utf-8")
    if not options.check:
        return 0
    faults = [*stale, *(f"{name}: no page shows it" for name in sorted(set(texts) - placed))]
    print("\n".join(faults))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
