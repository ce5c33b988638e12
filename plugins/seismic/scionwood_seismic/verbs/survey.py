"""The files of a survey, each denoised for itself: the core's batch, with a line for each file."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from glob import has_magic
from pathlib import Path
from typing import Any

import scionwood_batch as batch
from scionwood import ReadError, WriteError
from scionwood_seismic.inference.options import DenoiseOptions

COMMAND = "seismic/denoise"

_STORES = ("zarr.json", ".zgroup", ".zarray")  # a folder with one of them is one source

_STYLE = {
    "red": "bold red",
    "yellow": "bold yellow",
    "green": "bold green",
    "grey": "dim",
    "failed": "bold red",
}


def is_survey(noisy: Path) -> bool:
    """Return whether a path stands for many files: a folder that is no store, or a pattern."""
    if noisy.is_dir():
        return not any((noisy / name).is_file() for name in _STORES)
    return has_magic(str(noisy)) and not noisy.exists()


def words(options: DenoiseOptions, **outputs: Path | None) -> list[str]:
    """Return the options of a command that differ from their defaults, as on the command line.

    Args:
        options: those of each file.
        outputs: patterns of further outputs, by name.

    Example:
        >>> words(DenoiseOptions(tile=64, common_mode=True))
        ['--common-mode', '--tile=64']
    """
    values = {
        field.name: value
        for field in fields(options)
        if (value := getattr(options, field.name)) != field.default
    }
    values |= {name: path for name, path in outputs.items() if path is not None}
    options_of_line = {f"--{name.replace('_', '-')}": value for name, value in values.items()}
    return [o if value is True else f"{o}={value}" for o, value in options_of_line.items()]


def denoise_survey(
    noisy: Path,
    clean: Path,
    options: DenoiseOptions,
    *,
    jobs: int | None = None,
    force: bool = False,
    save_noise: Path | None = None,
    qc: Path | None = None,
) -> None:
    """Denoise the files of a folder or a pattern, and print a line for each of them.

    Args:
        noisy: the folder or the pattern.
        clean: the folder of the results, or the pattern of their names.
        options: those of each file.
        jobs: parallel processes; None: one a core.
        force: replace results that exist.
        save_noise: the pattern of the files of the removed noise.
        qc: the pattern of the QC images.

    Raises:
        ReadError: there is no file.
        WriteError: `clean` is a file.
        BatchError: two files would become one, or results exist that no such command made.
        SystemExit: with 1 if a file failed.
    """
    if clean.is_file():
        rule = f"it is a file, and {noisy} stands for many files"
        raise WriteError(str(clean), rule, "Name a folder for the results")
    pattern = str(clean) if "{" in str(clean) else f"{clean}/{{name}}"
    folder = Path(f"{pattern.partition('{')[0]}_").parent  # the one above the first field
    work = batch.jobs_for([noisy], pattern)
    manifest = folder / "manifest.jsonl"
    summary = Summary(len(work))
    line = words(options, save_noise=save_noise, qc=qc)
    for row in batch.run(COMMAND, work, line, workers=jobs, manifest=manifest, force=force):
        summary.add(row, _sidecar(folder / row.target) if row.good else {})
    summary.close()
    if summary.failed:
        raise SystemExit(1)


def _sidecar(target: Path) -> dict[str, Any]:
    """Return what the sidecar of a result says; empty if it is gone."""
    path = target.with_name(target.name + ".json")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        rule = f"it is no sidecar of a denoised file ({error})"
        raise ReadError(str(path), rule, "Denoise the file again with --force") from error
    return content


class Summary:
    """Print a line for each file as it ends, with the time that is left, and a summary.

    Args:
        total: the number of files.
    """

    def __init__(self, total: int) -> None:
        from rich.console import Console

        self._console, self._total = Console(), total
        self._lights: Counter[str] = Counter()
        self._intervals: Counter[str] = Counter()
        self._ended, self._before, self._start = 0, 0, time.monotonic()

    @property
    def failed(self) -> int:
        """The number of files that failed."""
        return self._lights["failed"]

    def add(self, row: batch.Row, sidecar: Mapping[str, Any]) -> None:
        """Print the line of a file.

        Args:
            row: what became of it.
            sidecar: its sidecar; empty if it failed.
        """
        from rich.text import Text

        self._ended += 1
        self._before += row.status == "skipped"
        light = sidecar.get("light", "grey") if row.good else "failed"
        self._lights[light] += 1
        text = f"{light:6} {row.source}: " + (_facts(sidecar) if row.good else row.error)
        if sidecar.get("interval"):
            self._intervals[sidecar["interval"]] += 1
        text += " (done before)" if row.status == "skipped" else self._left()
        line = Text("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))
        line.stylize(_STYLE[light], 0, 6)
        self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        """Print the summary."""
        if len(self._intervals) > 1:
            parts = ", ".join(f"{dt} in {n}" for dt, n in sorted(self._intervals.items()))
            text = f"note: the files have several sample intervals ({parts}); each kept its own"
            self._console.print(text, highlight=False, soft_wrap=True)
        parts = ", ".join(f"{self._lights[name]} {name}" for name in _STYLE if self._lights[name])
        text = f"{self._ended} of {self._total} files: {parts}; {self._before} done before"
        self._console.print(text, highlight=False, soft_wrap=True)

    def _left(self) -> str:
        """Return the progress, and the time that the other files will take."""
        finished = self._ended - self._before
        spent = time.monotonic() - self._start
        left = spent / max(finished, 1) * (self._total - self._ended)
        return f" ({self._ended} of {self._total}, {timedelta(seconds=round(left))} left)"


def _facts(sidecar: Mapping[str, Any]) -> str:
    """Return the gathers, the interval, the model and the lights of a file, from its sidecar."""
    if "lights" not in sidecar:
        return "denoised"
    lights = ", ".join(f"{count} {light}" for light, count in sidecar["lights"].items())
    passed = f" ({sidecar['passed']} passed through unchanged)" if sidecar["passed"] else ""
    gathers = f"{sidecar['gathers']} gathers at {sidecar['interval']}"
    return f"{gathers}, model {sidecar['model']}; harm gate: {lights}{passed}"
