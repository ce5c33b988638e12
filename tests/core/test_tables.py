"""The tables of the pages are those of the measurements."""

import csv
import random
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_table_is_on_a_page_and_shows_the_measurements():
    command = [sys.executable, str(ROOT / "benchmarks" / "tables"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_query_formats_what_the_statistics_of_python_compute(tmp_path, monkeypatch):
    """A drawn file: means and deviations by method, and a column for each size that was run."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "tables"))
    from database import load
    from markdown import table

    draw = random.Random(3)
    rows = [
        (method, size, draw.choice(["", str(draw.gauss(0, 10))]))
        for method in ("LoRA", "full | half", "ours")
        for size in draw.sample(["8", "64", "512"], 2)
        for _ in range(draw.randint(1, 4))
    ]
    with (tmp_path / "runs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("method", "s a step", "score"), *rows])
    cells = {}
    for key in dict.fromkeys(row[:2] for row in rows):
        values = [float(row[2]) for row in rows if row[:2] == key and row[2]]
        cells[key] = f"{statistics.mean(values):.2f}" if values else ""
        if len(values) > 1:
            cells[key] += f" ± {statistics.stdev(values):.2f}"
    sizes = list(dict.fromkeys(size for _, size in cells))
    lines = [
        f"| {method} | {' | '.join(cells.get((method, size), '') for size in sizes)} |"
        for method in dict.fromkeys(method for method, _ in cells)
    ]
    query = """SELECT method, [s a step] AS across, spread(score, '.2f') AS cell
    FROM runs GROUP BY method, [s a step] ORDER BY min(place)"""
    found = table(load(tmp_path).execute(query)).splitlines()
    assert found[0] == f"| method | {' | '.join(sizes)} |"
    assert found[2:] == lines
