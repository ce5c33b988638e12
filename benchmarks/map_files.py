"""Measure how long many small SEG-Y files take: one command each, one process, `scionwood map`.

    python benchmarks/map_files.py                       # 200 files; the loop is measured on 20
    python benchmarks/map_files.py --files 40 --loop 5 --workers 2

Each file has two gathers of 128 traces and 128 samples. The shell loop starts `scionwood seismic
denoise` for each of `--loop` files. One process denoises the same files through the Python
interface, which loads the run for each. Both times are scaled to all files, without scaling the
start of the one process. `scionwood map` runs on all files. Results are compared byte by byte.
"""

from __future__ import annotations

import filecmp
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runner import machine, option, out, parsed, versions, write

from scionwood_seismic import simulate

CLI = [sys.executable, "-m", "scionwood.cli"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}  # as each worker of map
ONE_PROCESS = """
import sys, time
from pathlib import Path
from scionwood import find_run
from scionwood_seismic import DenoiseOptions, denoise
run, start = find_run("seismic/denoise"), time.perf_counter()
for path in sys.argv[2:]:
    denoise(path, Path(sys.argv[1], Path(path).name), DenoiseOptions(run=run))
print(time.perf_counter() - start)
"""


def timed(*command: str | Path) -> tuple[float, str]:
    """Return the wall time in s and the last line of the output."""
    start = time.perf_counter()
    process = subprocess.run(command, check=True, env=ENVIRONMENT, capture_output=True, text=True)
    return time.perf_counter() - start, process.stdout.splitlines()[-1] if process.stdout else ""


def by_loop(sources: list[Path], target: Path) -> float:
    """Return the seconds for each file."""
    target.mkdir()
    walls = [timed(*CLI, "seismic", "denoise", path, target / path.name)[0] for path in sources]
    return sum(walls) / len(sources)


def by_one_process(sources: list[Path], target: Path) -> tuple[float, float]:
    """Return the seconds of the start, and those for each file."""
    target.mkdir()
    wall, inside = timed(sys.executable, "-c", ONE_PROCESS, target, *sources)
    return wall - float(inside), float(inside) / len(sources)


def by_map(folder: Path, target: Path, workers: int) -> float:
    pattern = f"{target}/{{stem}}.sgy"
    command = [*CLI, "map", "seismic/denoise", folder, "--target", pattern]
    return timed(*command, "--workers", str(workers))[0]


def work_seconds(target: Path) -> float:
    rows = map(json.loads, (target / "manifest.jsonl").read_text().splitlines())
    times = sorted(row["seconds"] for row in rows if row["status"] == "done")
    return float(times[len(times) // 2])


def different(left: Path, right: Path) -> int:
    names = [path.name for path in left.glob("*.sgy*")]
    _, wrong, missing = filecmp.cmpfiles(left, right, names, shallow=False)
    return len(wrong) + len(missing)


def measure(place: Path, files: int, loop: int, workers: int) -> list[dict[str, str]]:
    source = place / "in"
    source.mkdir()
    for seed in range(files):
        simulate(
            source / f"{seed:04}.sgy",
            place / "reference.sgy",
            n=2,
            n_traces=128,
            n_samples=128,
            seed=seed,
            force=True,
        )
    sample = sorted(source.iterdir())[:loop]
    scaled = by_loop(sample, place / "loop") * files
    rows = [("one command a file", scaled, f"{loop} files, scaled", 0, 0.0)]
    print(rows[-1], flush=True)
    start, item = by_one_process(sample, place / "process")
    wrong = different(place / "loop", place / "process")
    rows.append(("one process", start + item * files, f"{loop} files, scaled", wrong, item))
    print(rows[-1], flush=True)
    wall = by_map(source, place / "map", workers)
    wrong, work = different(place / "loop", place / "map"), work_seconds(place / "map")
    rows.append((f"map, {workers} workers", wall, "all files", wrong, work))
    print(rows[-1], flush=True)
    return [
        {
            "way": name,
            "files": str(files),
            "measured_on": measured,
            "seconds": f"{wall:.1f}",
            "share_of_loop": f"{wall / scaled:.3f}",
            "median_work_seconds": f"{work:.3f}" if work else "",
            "different_from_loop": str(wrong),
        }
        for name, wall, measured, wrong, work in rows
    ]


def main() -> None:
    options = parsed(
        __doc__,
        option("--files", type=int, default=200),
        option("--loop", type=int, default=20, help="files that the shell loop does"),
        option("--workers", type=int, default=2),
        out("map_files"),
        threads=None,
    )
    about = machine() | versions("scionwood", "scionwood-seismic", "distributed")
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options.files, options.loop, options.workers)
    write(options.out, [row | about for row in rows])
    for row in rows:
        print(f"{row['way']}: {row['seconds']} s, {row['share_of_loop']} of the loop")


if __name__ == "__main__":
    main()
