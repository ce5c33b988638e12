"""Jobs: which file each source becomes."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter

from scionwood.errors import ReadError
from scionwood_batch.errors import BatchError
from scionwood_batch.manifest import MANIFEST

SOURCE_FIELDS = ("stem", "name", "suffix", "parent")
"""Fields of a pattern: of `in/a.sgy` they are `a`, `a.sgy`, `.sgy` and `in`."""

_STORES = ("zarr.json", ".zgroup", ".zarray")  # a folder with one of them is one source


@dataclass(frozen=True)
class Job:
    """One call of a command.

    Attributes:
        target: the file or folder that it writes.
        source: what it reads; None if the command reads nothing.
        fields: the values of the fields that patterns in the options may name.
        options: options of this job alone, such as `--seed=3`.

    Example:
        >>> from pathlib import Path
        >>> job = scionwood_batch.Job(Path("designs/0003.zarr"), options=("--seed=3",))
        >>> job.words(["--n=8"])
        ['--n=8', '--seed=3']
    """

    target: Path
    source: Path | None = None
    fields: Mapping[str, str | int] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    def words(self, options: Sequence[str]) -> list[str]:
        """Return the options of this job, with the fields in them replaced."""
        return [*(_replaced(word, self.fields) for word in options), *self.options]


def jobs_for(sources: Iterable[str | Path], target: str) -> list[Job]:
    """Return a job for each source, in the order of the sources.

    Args:
        sources: files, patterns such as `in/*.sgy`, and folders. A folder stands for the files in
            it, without hidden ones and without its subfolders. A Zarr store is one source.
        target: the pattern of the results. Its fields are `{stem}`, `{name}`, `{suffix}` and
            `{parent}`, the name of the source's folder.

    Raises:
        ReadError: a source does not exist, a pattern has no match, or a folder is empty.
        BatchError: the pattern has an unknown field, or two sources would become one file.

    Example:
        >>> from pathlib import Path
        >>> Path("shots").mkdir()
        >>> Path("shots/1.sgy").touch()
        >>> jobs = scionwood_batch.jobs_for(["shots/*.sgy"], "clean/{stem}.sgy")
        >>> [job.target.as_posix() for job in jobs]
        ['clean/1.sgy']
    """
    _check_fields(target, SOURCE_FIELDS)
    unique = {os.path.realpath(path): path for word in sources for path in _expand(str(word))}
    jobs = []
    for path in unique.values():
        parts = path.stem, path.name, path.suffix, path.resolve().parent.name
        fields: dict[str, str | int] = dict(zip(SOURCE_FIELDS, parts, strict=True))
        jobs.append(Job(Path(_formatted(target, fields)), path, fields))
    check_targets(jobs)
    return jobs


def jobs_over(name: str, values: Iterable[int], target: str) -> list[Job]:
    """Return a job for each value of an option, for commands that read nothing.

    Args:
        name: the option, such as `seed`.
        values: its values.
        target: the pattern of the results, whose field is the option: `designs/{seed:04}.zarr`.

    Raises:
        BatchError: the pattern has another field, or two values would become one file.

    Example:
        >>> jobs = scionwood_batch.jobs_over("seed", range(1000), "designs/{seed:04}.zarr")
        >>> jobs[7].target.as_posix(), jobs[7].options
        ('designs/0007.zarr', ('--seed=7',))
    """
    _check_fields(target, (name,))
    option = f"--{name.replace('_', '-')}"
    jobs = [
        Job(Path(_formatted(target, {name: value})), None, {name: value}, (f"{option}={value}",))
        for value in values
    ]
    check_targets(jobs)
    return jobs


def parse_over(text: str) -> tuple[str, range]:
    """Read `seed=0:1000` or `seed=0:1000:10`; the stop is not included.

    Raises:
        BatchError: the text is something else, or the range is empty.
    """
    name, _, numbers = text.partition("=")
    if re.fullmatch(r"[A-Za-z_][\w-]*=-?\d+:-?\d+(:[1-9]\d*)?", text):
        values = range(*map(int, numbers.split(":")))
        if values:
            return name.replace("-", "_"), values
    rule = "an option, its first value and the value after its last one"
    raise BatchError(f"over {text!r}", rule, "Such as: --over seed=0:1000")


def fixed_folder(target: str) -> Path:
    """Return the folder of a pattern above its first field; the manifest is there."""
    parts = Path(target).parent.parts
    until = next((i for i, part in enumerate(parts) if "{" in part), len(parts))
    return Path(*parts[:until])


def _expand(word: str) -> Iterator[Path]:
    path = Path(word)
    if path.is_dir() and not _is_store(path):
        yield from _listed(path)
    elif path.exists():
        yield path
    elif glob.has_magic(word):
        matches = sorted(glob.glob(word, recursive=True))
        if not matches:
            raise ReadError(word, "no file matches this pattern", "Check the path")
        yield from map(Path, matches)
    else:
        raise ReadError(word, "there is no such file", "Check the path")


def _listed(folder: Path) -> list[Path]:
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in entries if path.is_file() or _is_store(path)]
    files = [path for path in files if path.name != MANIFEST]
    if not files:
        rule = "the folder has no files"
        raise ReadError(str(folder), rule, f"For its subfolders, try: '{folder / '**' / '*.sgy'}'")
    return files


def _is_store(path: Path) -> bool:
    return path.is_dir() and any((path / name).is_file() for name in _STORES)


def _check_fields(pattern: str, field_names: Sequence[str]) -> None:
    try:
        fields = [name for _, name, _, _ in Formatter().parse(pattern) if name is not None]
    except ValueError as error:
        raise BatchError(f"target {pattern!r}", str(error), "Write {{ for a brace") from error
    offered = ", ".join(f"{{{name}}}" for name in field_names)
    for name in fields:
        if name not in field_names:
            raise BatchError(f"target {pattern!r}", f"no field {{{name}}}", f"It has: {offered}")
    if not fields:
        rule = "without a field all jobs would write to one file"
        raise BatchError(f"target {pattern!r}", rule, f"Use one of: {offered}")


def _formatted(pattern: str, fields: Mapping[str, str | int]) -> str:
    try:
        return pattern.format(**fields)
    except ValueError as error:  # such as {stem:04}, which is for numbers
        raise BatchError(f"target {pattern!r}", str(error), "Correct the field's format") from error


def _replaced(word: str, fields: Mapping[str, str | int]) -> str:
    """Replace the fields of an option; other braces, as in a regular expression, stay."""
    names = "|".join(map(re.escape, fields))
    if not names:
        return word
    return re.sub(rf"\{{(?:{names})(?::[^{{}}]*)?\}}", lambda m: m[0].format(**fields), word)


def check_targets(jobs: Sequence[Job]) -> None:
    """Refuse two jobs with one target, and a target that is a source.

    Raises:
        BatchError: there are such jobs.
    """
    sources = {_place(job.source): job.source for job in jobs if job.source is not None}
    jobs_by_target: dict[str, Job] = {}
    for job in jobs:
        place = _place(job.target)
        if place in sources:
            rule = "it is a source and a target"
            raise BatchError(str(job.target), rule, "Write the results to another folder")
        if place in jobs_by_target:
            both = f"{_label(jobs_by_target[place])} and {_label(job)} would both be written to it"
            raise BatchError(str(job.target), both, _apart(job))
        jobs_by_target[place] = job


def _apart(job: Job) -> str:
    return "Use {name} or {parent} in the target" if job.source else "Use the field in full"


def _label(job: Job) -> str:
    return str(job.source) if job.source else " ".join(job.options)


def _place(path: Path) -> str:
    # As the strictest file system compares names: on macOS and Windows case does not matter.
    return os.path.realpath(path).casefold()
