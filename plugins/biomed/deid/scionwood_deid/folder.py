"""De-identify a folder: names of files, several processes, and going on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import final

from scionwood_deid.copying import copied_of, findings_of, kind_of, with_text
from scionwood_deid.findings import Findings
from scionwood_deid.look import NOT_LOOKED
from scionwood_deid.mapping import Entry
from scionwood_deid.nifti_copy import copy_nifti
from scionwood_deid.order import Order
from scionwood_sandbox import (
    ReadError,
    RuleError,
    atomic_path,
    call_in_child,
    check_links,
    one_child,
    reading,
    writing,
)

_BATCH = 8
"""Files that a process takes at a time."""


@final
@dataclass(frozen=True)
class Portion:
    """A part of a folder for one process.

    Attributes:
        folder: the folder of the sources.
        target: the folder of the copies.
        order: how.
        names: the sources, relative to the folder.
    """

    folder: Path
    target: Path
    order: Order
    names: tuple[str, ...] = field(default_factory=tuple)


def find_files(folder: Path) -> list[str]:
    """Return all files below a folder, by relative names in order.

    Args:
        folder: the folder.

    Raises:
        ReadError: a link leads out of the folder, or it holds no file.
    """
    with reading(folder, "folder"):
        check_links(folder, "folder")
        names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    if not names:
        raise ReadError(str(folder), "it holds no file", "Give another folder")
    return names


def check_apart(folder: Path, target: Path, private: Path) -> None:
    """Refuse folders that lie in each other: sources, copies, and the mapping.

    Args:
        folder: the sources.
        target: the copies.
        private: the mapping and the report.

    Raises:
        ReadError: one of them lies in another.
    """
    paths = {"the folder": folder, "its copies": target, "the mapping": private}
    for name, path in paths.items():
        for other, root in paths.items():
            if name != other and path.resolve().is_relative_to(root.resolve()):
                rule = f"{name} would lie inside of {other}"
                raise ReadError(str(path), rule, "Choose folders that lie apart")


def copy_all(
    folder: Path, target: Path, names: Sequence[str], order: Order, jobs: int
) -> Iterator[Entry]:
    """Copy files, and yield an entry for each as soon as it is done.

    Args:
        folder: the folder of the sources.
        target: the folder of the copies.
        names: the sources, relative to the folder.
        order: how.
        jobs: number of processes.
    """
    name_iterator = iter(names)
    parts = iter(lambda: tuple(islice(name_iterator, _BATCH)), ())
    portions = [Portion(folder, target, order, part) for part in parts]
    if jobs == 1 or len(portions) < 2:
        for portion in portions:
            yield from copy_some(portion)
        return
    with ProcessPoolExecutor(min(jobs, len(portions)), get_context("spawn")) as pool:
        futures = [pool.submit(_listed, portion) for portion in portions]
        try:
            for future in as_completed(futures):
                yield from future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def copy_some(portion: Portion) -> Iterator[Entry]:
    """Copy the files of a portion; an error of one file is its entry, and stops no other."""
    with one_child(portion.folder):
        for name in portion.names:
            path = portion.folder / name
            status = path.stat()
            entry = Entry(name, status.st_size, status.st_mtime_ns, portion.order.mark())
            try:
                yield _copied(path, portion, entry)
            except RuleError as error:
                yield entry.refused(error.rule)


def _listed(portion: Portion) -> list[Entry]:
    return list(copy_some(portion))


def _copied(path: Path, portion: Portion, entry: Entry) -> Entry:
    kind, key = kind_of(path), portion.order.key
    if kind == "other":
        return entry.refused("it is neither DICOM nor NIfTI")
    if kind == "NIfTI":
        volume = call_in_child(copy_nifti, path)
        ending = ".nii.gz" if path.name.lower().endswith(".gz") else ".nii"
        place = Path("nifti") / f"{key.name(entry.source)}{ending}"
        note = "NIfTI states no subject: list it yourself"
        risk = "" if portion.order.pixels.viewed else NOT_LOOKED
        copied_entry = entry.copied(str(place), volume.after, risk, note)
        return _stored(portion, volume.data.tobytes(), copied_entry)
    copied, detector_line = copied_of(path, portion.order, "copy.dcm")
    patient, study, series, instance = copied.uids
    parts = (copied.subject, key.name(study), key.name(series), f"{key.name(instance)}.dcm")
    place = Path(*parts)
    _, after = findings_of(path, portion.target / place, copied, detector_line)
    copied_entry = entry.copied(str(place), after.header, after.burned_in, "").of(
        patient, copied.subject, study, series, instance
    )
    return _stored(portion, copied.data.tobytes(), copied_entry)


def _stored(portion: Portion, data: bytes, entry: Entry) -> Entry:
    """Write a copy, unless the same one is there; another one there means a second source."""
    target = portion.target / entry.target
    if target.exists() and target.read_bytes() != data:
        return entry.refused("another file has its SOPInstanceUID, and different content")
    if not target.exists():
        with writing(target), atomic_path(target, overwrite=False) as part:
            part.write_bytes(data)
    pixels = portion.order.pixels
    if entry.pixels and pixels.detect_text and not pixels.blank_text:
        with one_child(portion.target):
            return replace(
                entry, pixels=with_text(Findings(target, burned_in=entry.pixels)).burned_in
            )
    return entry
