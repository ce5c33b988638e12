"""What every script does around its measurement: options, jobs that are missing, rows, the machine.

    table = Table("name")
    for job in table.missing({"method": name, "seed": seed} for name in names for seed in seeds):
        table.add({**job, **measure(**job)})

A row is on the disk as soon as it is measured, and a job whose row is there is not run again.
A table is named, as above, if it is one of `results`; else it is a path.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scionwood.authoring import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"
Row = dict[str, Any]
Job = TypeVar("Job")
Option = tuple[tuple[str, ...], dict[str, Any]]


def option(*flags: str, **settings: Any) -> Option:
    """Return an option of a script, in the words of `argparse`."""
    return flags, settings


def out(name: str) -> Option:
    """Return the option of a script that writes one table: another file for it."""
    return option("--out", type=Path, default=RESULTS / f"{name}.csv", help="another file")


SEEDS = option("--seeds", type=int, nargs="*", default=[0, 1, 2])


def parsed(
    about: str | None,
    *options: Option,
    arguments: Sequence[str] | None = None,
    threads: int | None = 1,
) -> argparse.Namespace:
    """Return the options of a script, and make the folder that `--work` names.

    Args:
        about: the docstring of the script; its first line is the help.
        options: of the command line.
        arguments: the command line; by default that of the process.
        threads: of torch; None for as many as there are.
    """
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    for flags, settings in options:
        parser.add_argument(*flags, **settings)
    values = parser.parse_args(arguments)
    if work := getattr(values, "work", None):
        work.mkdir(parents=True, exist_ok=True)
    if threads:
        import torch  # a script that does not compute starts without it

        torch.set_num_threads(threads)
    return values


def place(table: str | Path) -> Path:
    return RESULTS / f"{table}.csv" if isinstance(table, str) else table


def read(table: str | Path) -> list[Row]:
    """Return the rows of a table, each cell a text; none if there is no file."""
    path = place(table)
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [dict(row) for row in csv.DictReader(file)]


def write(
    table: str | Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()
) -> None:
    """Write a table whole or not at all.

    Args:
        table: its folder need not be there yet.
        rows: whose columns may differ; a cell that a row lacks is empty.
        columns: in this order; by default those of the rows, as they come.
    """
    rows, path = list(rows), place(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        names = columns or dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(file, list(names), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from writing the file of results that is read and written again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def replace_rows(
    table: str | Path,
    rows: Iterable[Mapping[str, Any]],
    same: Sequence[str],
    *,
    columns: Sequence[str] = (),
    order: Callable[[Row], Any] | None = None,
) -> None:
    """Write rows in the places of those that equal them in some columns, and others at the end.

    Args:
        table: its file need not be there yet.
        rows: the new rows.
        same: the columns in which rows are compared.
        columns: of the file; by default those of the rows, as they come.
        order: the key by which all rows are sorted.
    """
    path = place(table)

    def grouped(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, ...], list[Row]]:
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in rows:
            groups.setdefault(tuple(str(row.get(name, "")) for name in same), []).append(dict(row))
        return groups

    with locked(path):
        groups = grouped(read(path)) | grouped(rows)
        every = [row for group in groups.values() for row in group]
        write(path, sorted(every, key=order) if order else every, columns)


def printed(rows: Iterable[Row], about: Mapping[str, Any] | None = None) -> list[Row]:
    """Print rows as they come, and return them with what they were measured with."""
    table = []
    for row in rows:
        print(*row.values(), sep="\t", flush=True)
        table.append(row | dict(about or {}))
    return table


def remembered(path: Path, make: Callable[[], Any]) -> Any:
    """Return the value of a JSON file, which `make` computes if the file is not there yet."""
    if not path.is_file():
        value = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            part.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def announced(jobs: Sequence[Job], title: Callable[[Job], str] = str) -> Iterator[Job]:
    """Yield jobs, and print before each its number, its title and how long all of them may take."""
    start = time.monotonic()
    for number, job in enumerate(jobs):
        rate = (time.monotonic() - start) / max(number, 1)
        left = timedelta(seconds=round(rate * (len(jobs) - number)))
        time_left = f", {left} left" if number else ""
        print(f"[{number + 1}/{len(jobs)}{time_left}] {title(job)}", flush=True)
        yield job


def job_rows(
    jobs: Mapping[str, Callable[[], list[Row]]], work: Path, words: Sequence[str] = ("",)
) -> list[Row]:
    """Run the jobs that have no file yet, and return the rows of all finished jobs.

    Args:
        jobs: by name; each row gets the CPU seconds of its job, unless it says others.
        work: the folder of a JSON file for each job.
        words: a job runs if its name has one of them.
    """

    def measure(name: str) -> list[Row]:
        start = time.process_time()
        rows = jobs[name]()
        cost = {"cpu_seconds": round(time.process_time() - start, 1)}
        print(name, rows, flush=True)
        return [{**cost, **row, **machine()} for row in rows]

    paths = {name: work / f"{name}.json" for name in jobs}
    chosen = (name for name in jobs if any(word in name for word in words))
    for name in announced([name for name in chosen if not paths[name].is_file()]):
        remembered(paths[name], partial(measure, name))
    texts = [path.read_text("utf-8") for path in paths.values() if path.is_file()]
    return [row for text in texts for row in json.loads(text)]


class Table:
    """A table that grows row by row; several processes may add to it.

    Args:
        table: its file need not be there yet.
        about: returns the columns that say what a row was measured with.
        again: start anew; the file stays until the first row.
    """

    def __init__(
        self, table: str | Path, about: Callable[[], Row] | None = None, *, again: bool = False
    ) -> None:
        self.path, self.about, self.again = place(table), about or machine, again
        self.rows = [] if again else read(table)

    def has(self, **cells: object) -> bool:
        """Return whether a row has these cells."""
        texts = {name: str(value) for name, value in cells.items()}.items()
        return any(texts <= {name: str(row[name]) for name in row}.items() for row in self.rows)

    def add(self, *rows: Mapping[str, Any]) -> None:
        """Add the rows of a job with what they were measured with; write the file, print them."""
        with locked(self.path):
            about = self.about()
            new = [{**row, **about} for row in rows]
            self.rows = [*([] if self.again else read(self.path)), *new]
            self.again = False
            write(self.path, self.rows)
        for row in rows:
            print(*row.values(), sep="\t", flush=True)

    def missing(self, jobs: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the jobs whose cells no row has, and say before each how long they may take."""
        todo = [dict(job) for job in jobs if not self.has(**job)]
        yield from announced(todo, lambda job: ", ".join(map(str, job.values())))


def draw_figure(about: str, draw: Callable[[], Figure], target: Path) -> None:
    """Draw, and write the figure to the path on the command line, or else to `target`."""
    where = option("target", type=Path, nargs="?", default=target)
    path = parsed(about, where, threads=None).target
    save_figure(draw(), path)
    print(path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; the bytes do not name the version of matplotlib."""
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=110, metadata={"Software": None})


def peak_memory() -> int:
    """Return the largest resident memory that this process has had, bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def machine(device: str = "cpu") -> Row:
    """Return the machine, the versions, and the load."""
    import torch

    return {
        "machine": processor(device),
        "threads": torch.get_num_threads(),
        "load": f"{os.getloadavg()[0]:.1f}",
        **versions("scionwood", "torch", "peft", "timm", "triton"),
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def processor(device: str = "cpu") -> str:
    """Return the name of the card or of the processor."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions(*packages: str) -> Row:
    """Return the version of each package; an empty text if it is not installed."""
    found: Row = dict.fromkeys(packages, "")
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
