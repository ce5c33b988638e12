"""The samples of a plugin: those that its readers write, and files that are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scionwood.errors import ReadError
from scionwood.plugins.discovery import resolve
from scionwood.plugins.plugin import Plugin
from scionwood_kit.fuzzing.edits import Tree

_LARGEST = 64 << 20


@dataclass(frozen=True)
class Sample:
    """Files that a reader can open.

    Attributes:
        name: `plugin/reader`, and the ending if the reader has several formats.
        reader: `plugin/reader`.
        reference: the class of the reader as `module:attribute`.
        suffix: the ending of the file.
        main: the path that the reader opens, relative to the folder of the sample.
        tree: the files.
        given: whether the file was given, and not written by the reader.
    """

    name: str
    reader: str
    reference: str
    suffix: str
    main: str
    tree: Tree
    given: bool = False

    @property
    def digest(self) -> str:
        """The start of the SHA-256 of the content of all files."""
        hasher = sha256()
        for _, content in sorted(self.tree.items()):
            hasher.update(sha256(content).digest())
        return hasher.hexdigest()[:16]

    def write(self, folder: Path) -> Path:
        """Write the files into a folder, and return the path that the reader opens."""
        for name, content in self.tree.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return folder / self.main


def references(plugin: Plugin) -> dict[str, str]:
    """Return the readers and the parsers of a plugin by `plugin/name`."""
    both = {**plugin.readers, **plugin.parsers}
    return {f"{plugin.name}/{name}": reference for name, reference in both.items()}


def samples_of(plugin: Plugin, files: Sequence[Path] = ()) -> tuple[list[Sample], list[str]]:
    """Return the samples of a plugin, and what is missing.

    Args:
        plugin: the plugin.
        files: files to damage as well, each by the readers of its ending.

    Returns:
        One sample for each format that a reader writes and reads, then those of the given files;
        and a line for each ending without a sample.

    Raises:
        ReadError: no reader has the ending of a given file, or a file is too large.
    """
    samples: list[Sample] = []
    missing: list[str] = []
    for reader, reference in references(plugin).items():
        written, faults = _written(reader, reference)
        samples += written
        missing += faults
    for file in files:
        samples += _samples_of_file(plugin, Path(file))
    return samples, missing


def written_sample(reader: str, reference: str, suffix: str) -> Sample:
    """Return the sample that a reader writes for an ending, after reading it.

    Args:
        reader: `plugin/name`.
        reference: the class as `module:attribute`.
        suffix: the ending.

    Raises:
        Exception: the sample cannot be written or read.
    """
    cls: Any = resolve(reader, reference)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"sample{suffix}"
        cls.write_sample(path)
        with cls(path) as opened:
            for _ in opened:
                pass
        tree = _tree(Path(folder), sorted(Path(folder).rglob("*")))
    return Sample(reader, reader, reference, suffix, path.name, tree)


def _written(reader: str, reference: str) -> tuple[list[Sample], list[str]]:
    by_format: dict[object, Sample] = {}
    faults: list[str] = []
    for suffix in resolve(reader, reference).suffixes:
        try:
            sample = written_sample(reader, reference, suffix)
        except Exception as error:  # one format may need an option or a package that is missing
            faults.append(f"{reader} {suffix}: no sample ({type(error).__name__}: {error})")
            continue
        # Endings of one format: the files have the same sizes and the same first bytes.
        kind = frozenset((data[:8], len(data)) for data in sample.tree.values())
        by_format.setdefault(kind, sample)
    several = len(by_format) > 1
    samples = [
        replace(s, name=f"{reader} {s.suffix}") if several else s for s in by_format.values()
    ]
    return samples, faults


def _samples_of_file(plugin: Plugin, file: Path) -> list[Sample]:
    tree = _tree(file.parent, [file] if file.is_file() else sorted(file.rglob("*")))
    if (size := sum(map(len, tree.values()))) > _LARGEST:
        rule = f"it has {size:,} bytes, and at most {_LARGEST:,} are damaged"
        raise ReadError(str(file), rule, "Give a smaller file of the same format")
    samples = []
    for reader, reference in references(plugin).items():
        ends = [end for end in resolve(reader, reference).suffixes if file.name.endswith(end)]
        if ends:
            name = f"{reader} {file.name}"
            samples.append(Sample(name, reader, reference, ends[0], file.name, tree, given=True))
    if not samples:
        rule = f"no reader of {plugin.name} has its ending"
        raise ReadError(str(file), rule, "Give a file that the plugin reads")
    return samples


def _tree(folder: Path, places: Iterable[Path]) -> dict[str, bytes]:
    """Return files by their names relative to a folder."""
    files = [place for place in places if place.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
