"""Commands that can be mapped: their positional parameters are (source, target) or (target)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

from scionwood.cli.command import parse_command
from scionwood.cli.words import command_words, meanings
from scionwood.errors import ReadError
from scionwood.plugins import discovery
from scionwood.runs.layout import weights_digest
from scionwood.runs.reference import find_run
from scionwood_batch.errors import BatchError
from scionwood_batch.jobs import Job

_MAP_OPTIONS = ("--force", "--resume")  # options that map itself gives


@dataclass(frozen=True)
class Lifted:
    """A command that can be mapped.

    Attributes:
        name: `plugin/command`.
        function: the command.
        reads: whether it reads a source; else it only writes a target.
        options: its options, with underscores.
    """

    name: str
    function: Callable[..., None]
    reads: bool
    options: frozenset[str]

    def argv(self, job: Job, options: Sequence[str], *, replace: bool) -> list[str]:
        """Return the command line of a job.

        A job that was killed leaves parts. `--resume` continues them, and `--force` discards them.

        Args:
            job: the job.
            options: the options of all jobs.
            replace: whether the target may exist.
        """
        extra = []
        if "resume" in self.options and not replace:
            extra = ["--resume"]
        elif "force" in self.options:
            extra = ["--force"]
        paths = [path for path in (job.source, job.target) if path is not None]
        return [*map(_word, paths), *job.words(options), *extra]

    def parse(self, argv: Sequence[str]) -> dict[str, Any]:
        """Check a command line as the command itself would, and return the value of each word."""
        prog = f"scionwood {self.name.replace('/', ' ')}"
        arguments = parse_command(self.function, prog, argv)
        classes = [value for value in arguments.values() if is_dataclass(value)]
        return arguments | {
            name: value for options in classes for name, value in vars(options).items()
        }


def lift(command: str) -> Lifted:
    """Find a command, and check that it can be mapped.

    Args:
        command: `plugin/command`.

    Raises:
        PluginError: there is no such command.
        BatchError: its positional parameters are others.
    """
    full = command.replace("-", "_")
    function = discovery.load("commands", full)
    words = command_words(function)
    positional = {name: word for name, word in words.items() if word.positional}
    options = frozenset(words.keys() - positional.keys())
    shape = tuple(
        word.meaning or ("path" if word.hint is Path else "") for word in positional.values()
    )
    if shape in {("input", "output"), ("path", "path")}:
        return Lifted(full, function, True, options)
    if shape == ("output",) or (shape == ("path",) and "force" in options):
        return Lifted(full, function, False, options)
    takes = ", ".join(positional) or "no path"
    rule = f"it takes ({takes}), not one input and one output, or one output"
    raise BatchError(command, rule, "Call it in a loop of your own")


def check_options(lifted: Lifted, options: Sequence[str], jobs: Sequence[Job]) -> None:
    """Refuse options that map gives itself, and jobs that do not fit the command.

    Raises:
        BatchError: an option or the kind of jobs does not fit.
    """
    for word in options:
        if word in _MAP_OPTIONS:
            raise BatchError(word, "map decides this for each file", "Give --force before the --")
    reads = {job.source is not None for job in jobs}
    if reads == {True} and not lifted.reads:
        raise BatchError(lifted.name, "it reads no source", "Use: --over seed=0:1000")
    if reads == {False} and lifted.reads:
        raise BatchError(lifted.name, "it reads a source", "Name the sources")
    for name in {name for job in jobs if job.source is None for name in job.fields}:
        if name not in lifted.options:
            near = discovery.did_you_mean(name, lifted.options)
            remedy = near or f"It has: {', '.join(sorted(lifted.options))}"
            raise BatchError(f"over {name!r}", f"{lifted.name} has no such option", remedy)


def check_outputs(lifted: Lifted, arguments: Sequence[Mapping[str, Any]]) -> None:
    """Refuse an option that names one output for all jobs.

    Args:
        lifted: the command.
        arguments: the arguments of two jobs.

    Raises:
        BatchError: both would write the same further file.
    """
    for name, meaning in meanings(lifted.function).items():
        values = {str(row[name]) for row in arguments if row.get(name) is not None}
        if meaning == "output" and len(arguments) > 1 and len(values) == 1:
            option = f"--{name.replace('_', '-')} {values.pop()}"
            field = "{stem}" if lifted.reads else "the field of --over"
            raise BatchError(option, "all jobs would write to it", f"Use {field} in it")


def also_read(lifted: Lifted, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return what a job reads besides its source, by parameter.

    It is the hash of the weights of a run, and the stamp of a file that an option names.
    """
    roles = meanings(lifted.function)
    runs = [name for name in arguments if name == "run" or roles.get(name) == "run"]
    run_paths = {name: arguments[name] for name in runs if arguments[name] is not None}
    read = {name: weights_digest(find_run(run, quiet=True)) for name, run in run_paths.items()}
    for name in lifted.options & {name for name, role in roles.items() if role == "input"}:
        value = arguments.get(name)
        files = value if isinstance(value, list | tuple) else [value]
        if stamps := [stamp_of(Path(file)) for file in files if file and Path(file).exists()]:
            read[name] = str(stamps)
    return dict(sorted(read.items()))


def stamp_of(source: Path) -> tuple[int, int]:
    """Return the size of a file in bytes and its time of change in ns; for a folder, of all in it.

    Raises:
        ReadError: it does not exist.
    """
    if not source.exists():
        raise ReadError(str(source), "there is no such file", "Check the path")
    files = [source, *(source.rglob("*") if source.is_dir() else ())]
    facts = [path.stat() for path in files]
    return sum(stat.st_size for stat in facts), max(stat.st_mtime_ns for stat in facts)


def key(lifted: Lifted, job: Job, options: Sequence[str], others: Mapping[str, str]) -> str:
    """Hash what a result depends on, besides its source; 16 hexadecimal digits.

    Args:
        lifted: the command.
        job: the job.
        options: the options of all jobs.
        others: what else the job reads; see `also_read`.
    """
    words = [part for word in job.words(options) for part in _split(word)]
    text = json.dumps([lifted.name, words, dict(others)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _split(word: str) -> list[str]:
    # `--tile=64` and `--tile 64` are the same option.
    return word.split("=", 1) if word.startswith("--") else [word]


def _word(path: Path) -> str:
    """Write a path such that it cannot be read as an option."""
    text = str(path)
    return f"./{text}" if text.startswith("-") else text
