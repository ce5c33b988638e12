"""Measure the CPU time of readers that decode in a child against readers that decode inline.

    python benchmarks/reader_service.py              # writes results/reader_service.csv
    python benchmarks/reader_service.py --rounds 9

Rounds of the two ways alternate. CPU time counts this process, the zygote, and all of their
children, ended or not. Every round checks that both ways give the same values. The cost of the
first use of a class, and of starting the service, is in the rows `first use` alone, and in the rows
of workers that are spawned, each of which starts a service of its own.
"""

from __future__ import annotations

import ctypes
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch
from runner import option, out, parsed, write
from torch.utils.data import Dataset

import scionwood
from scionwood_pde.readers.hdf5 import WellReader
from scionwood_pde.readers.states import from_simulation
from scionwood_pde.readers.write import save_states
from scionwood_pde.solvers import simulate
from scionwood_sandbox.decoding import control
from scionwood_seismic.readers.create import write_segy
from scionwood_seismic.readers.segy import Gather, SegyReader

SMALL, LOADED = 300, 60
SAMPLES = 2048
TICK = os.sysconf("SC_CLK_TCK")
FIRST = """
import resource, sys, time
from pathlib import Path
import scionwood
kind = scionwood.load("readers", sys.argv[1])
from scionwood_sandbox.decoding import control
start, before = time.perf_counter(), time.process_time()
with kind(sys.argv[2]) as reader:
    next(iter(reader))
used = time.process_time() - before
control.forget()
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used + usage.ru_utime + usage.ru_stime)
"""
Job = Callable[[], int]


class Files(Dataset[torch.Tensor]):
    """The first record of each file, as a data component reads it."""

    def __init__(self, folder: Path, paths: list[Path]) -> None:
        self.files, self.paths = scionwood.authoring.DataFiles("raise", [folder]), paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with self.files.one_child(self.paths[index]), SegyReader(self.paths[index]) as reader:
            return torch.from_numpy(np.array(reader.read(0).data))


def cpu() -> float:
    """Return the CPU seconds of this process, the service and all of their children."""
    while _reaped():
        pass
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + usage.ru_utime + usage.ru_stime
    service = control._control  # the service of this process, if it runs
    if service is None or service.process.poll() is not None:
        return total
    pid = service.process.pid
    total += _ticks(pid, 4) / TICK
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        total += sum(
            int((task / "schedstat").read_text().split()[0]) / 1e9
            for task in Path(f"/proc/{child}/task").iterdir()
        )
    return total


def _ticks(pid: int, fields: int) -> int:
    after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after[11 : 11 + fields]))


def _reaped() -> bool:
    """Wait for the service of a worker that has ended: this process has inherited it."""
    mine = control._control.process.pid if control._control else 0
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        if int(child) != mine and os.waitpid(int(child), os.WNOHANG)[0]:
            return True
    return False


def run(way: str, job: Job) -> tuple[float, int]:
    """Return the CPU seconds of a job, and a checksum of what it read."""
    os.environ["SCIONWOOD_READERS"] = way
    before = cpu()
    checksum = job()
    time.sleep(0.05)  # the zygote waits for children that were closed
    return cpu() - before, checksum


def records(path: Path, gather: Gather | None = "fldr") -> int:
    """Read all records of a file; the checksum costs the same in both ways."""
    with SegyReader(path, gather=gather) as reader:
        return sum(int(record.data.ravel()[::4096].view("u4").sum()) for record in reader)


def again(folder: Path, path: Path, times: int) -> int:
    with scionwood.authoring.one_child(folder):
        return sum(records(path) for _ in range(times))


def frames(path: Path) -> int:
    with WellReader(path) as reader:
        places = [(0, time) for time in range(len(reader))]
        states = reader.frames(places)
        return sum(int(np.array(state, "f4").ravel()[::4096].view("u4").sum()) for state in states)


def small(folder: Path, paths: list[Path], *, shared: bool) -> int:
    with scionwood.authoring.one_child(folder) if shared else nullcontext():
        return sum(records(path, None) for path in paths)


def workers(folder: Path, paths: list[Path], start: str) -> int:
    files = Files(folder, paths)
    loader = scionwood.authoring.DataLoader(files, 4, num_workers=2, multiprocessing_context=start)
    return sum(zlib.crc32(batch.numpy().tobytes()) for batch in loader)


def first_use(name: str, path: Path) -> int:
    subprocess.run([sys.executable, "-c", FIRST, name, str(path)], check=True, capture_output=True)
    return 0


def jobs(folder: Path) -> dict[str, tuple[Job, int, str]]:
    """Return the job, the number of files if it counts files, and the aim of each row."""
    rng = np.random.default_rng(0)
    for name, gathers, traces in (("long", 16, 2048), ("large", 4, 2048), ("middle", 16, 512)):
        data = rng.standard_normal((gathers, traces, SAMPLES)).astype("f4")
        write_segy(folder / f"{name}.sgy", data, dt=0.002)
    field = from_simulation(simulate("burgers", 32, 3, 64, 0.02, 1, torch.Generator()))
    save_states(field, folder / "states.hdf5")
    (folder / "small").mkdir()
    paths = [folder / "small" / f"{number}.sgy" for number in range(SMALL)]
    for path in paths:
        SegyReader.write_sample(path)
    shared = partial(small, folder, paths, shared=True)
    alone = partial(small, folder, paths[:LOADED], shared=False)
    few = paths[:LOADED]
    rows: dict[str, tuple[Job, int, str]] = {
        "4 SEG-Y of 256 MB, records of 16 MB, one child": (
            partial(again, folder, folder / "long.sgy", 4), 0, "10 %",
        ),
        "SEG-Y of 256 MB, records of 16 MB": (
            partial(records, folder / "long.sgy"), 0, "10 %",
        ),
        "SEG-Y of 64 MB, records of 16 MB": (
            partial(records, folder / "large.sgy"), 0, "",
        ),
        "SEG-Y of 64 MB, records of 4 MB": (
            partial(records, folder / "middle.sgy"), 0, "",
        ),
        "HDF5 of 25 MB, states of 0.4 MB": (partial(frames, folder / "states.hdf5"), 0, ""),
        "300 small files, one child": (shared, SMALL, "5 ms"),
        "60 small files, a child each": (alone, LOADED, ""),
        "2 forked workers, 60 files": (partial(workers, folder / "small", few, "fork"), LOADED, ""),
        "2 spawned workers, 60 files": (
            partial(workers, folder / "small", few, "spawn"), LOADED, "",
        ),
        "first use, SEG-Y": (partial(first_use, "seismic/segy", few[0]), 1, ""),
        "first use, HDF5": (partial(first_use, "pde/well", folder / "states.hdf5"), 1, ""),
    }  # fmt: skip
    return rows


def measure(name: str, job: Job, files: int, aim: str, rounds: int) -> dict[str, str]:
    """Return a row: the medians of both ways, and what the service costs."""
    seconds: dict[str, list[float]] = {"inline": [], "service": []}
    slow = "worker" in name or "first" in name
    for number in range((2 if slow else rounds) + 1):
        results = {way: run(way, job) for way in seconds}
        if len({checksum for _, checksum in results.values()}) != 1:
            raise SystemExit(f"{name}: the two ways give different values")
        if number or slow:  # the first round of the others starts the service
            for way, (used, _) in results.items():
                seconds[way].append(used)
    inline, service = (statistics.median(seconds[way]) for way in seconds)
    more = service - inline
    cost = f"{1e3 * more / files:.1f} ms a file" if files else f"{100 * more / inline:+.0f} %"
    row = {"what": name, "inline_s": f"{inline:.3f}", "service_s": f"{service:.3f}"}
    return row | {"cost": cost, "aim": aim}


def main() -> None:
    options = parsed(
        __doc__,
        option("--rounds", type=int, default=5),
        option("--only", default="", help="rows whose name has this text"),
        out("reader_service"),
    )
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: count orphans too
    with tempfile.TemporaryDirectory() as place:
        rows = []
        for name, (job, files, aim) in jobs(Path(place)).items():
            if options.only in name:
                rows.append(measure(name, job, files, aim, options.rounds))
                print(*rows[-1].values(), sep=" | ", flush=True)
    write(options.out, rows)


if __name__ == "__main__":
    main()
