"""De-identify or check one file of any kind that this handles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from scionwood_deid.blanking import blanked_copy
from scionwood_deid.dicom_copy import Copied, copy_file, inspect_file
from scionwood_deid.findings import Findings
from scionwood_deid.look import (
    NAME,
    NOT_LOOKED,
    Look,
    find_look,
    look_of,
    read_looks,
    who_looks,
    write_looks,
)
from scionwood_deid.names import odd_names
from scionwood_deid.nifti_copy import copy_nifti, inspect_nifti, is_nifti
from scionwood_deid.order import Order
from scionwood_deid.pictures import frames_in, pictures_of
from scionwood_deid.text_detector import chosen, text_in
from scionwood_sandbox import ReadError, atomic_path, call_in_child, check_target, writing

Kind = Literal["DICOM", "NIfTI", "other"]
_SIDE = 1600
"""Longest side of the pictures that a text detector sees, in pixels."""


def kind_of(path: Path) -> Kind:
    """Return the kind of a file: DICOM by its content, NIfTI by its ending.

    Args:
        path: any file.
    """
    if is_nifti(path):
        return "NIfTI"
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:
        return "other"
    has_name = path.name.lower().endswith((".dcm", ".dicom")) or path.name.upper() == "DICOMDIR"
    # Without a preamble, as before 1993: the first element is of group 0002 or 0008.
    bare = head[:2] in (b"\x02\0", b"\x08\0") and head[3:4] == b"\0" and len(head) == 132
    return "DICOM" if has_name or bare or head[128:] == b"DICM" else "other"


def inspect(
    path: str | Path,
    *,
    detect_text: bool = False,
    folder: Path | None = None,
    known: dict[Path, dict[str, Look]] | None = None,
) -> Findings:
    """List what a DICOM or NIfTI file holds and a copy may not; no value is returned.

    Pixels count as looked at if a record beside the file, or in a folder above it, has a look at
    them as they are now.

    Args:
        path: the file.
        detect_text: let a text detector look at pixels that nobody looked at (extra `pixels`).
        folder: the folder that is shared; the names below it are judged. `None` judges the name of
            the file alone.
        known: folder to its record of looks; what is read is added.

    Raises:
        ReadError: the file is neither, or is damaged, or the detector is not installed.

    Source: DICOM PS3.15 Annex E, edition 2026c.

    Example:
        >>> "PatientID" in inspect(scan).identity
        True
    """
    path = Path(path)
    kind = kind_of(path) if path.exists() else "DICOM"
    if kind == "other":
        raise ReadError(str(path), "it is neither DICOM nor NIfTI", "Leave it out")
    if kind == "NIfTI":
        channels, pixels = call_in_child(inspect_nifti, path)
        findings = Findings(path, burned_in=NOT_LOOKED, channels=channels, pixels=pixels)
    else:
        findings = Findings(path, **vars(call_in_child(inspect_file, path)))
    shared_name = Path(path.name) if folder is None else path.relative_to(folder)
    findings = replace(findings, channels=[*findings.channels, *odd_names(shared_name)])
    if not findings.pixels:
        return findings
    if find_look(path, findings.pixels, {} if known is None else known):
        return replace(findings, burned_in="")
    return with_text(findings) if detect_text else findings


def with_text(findings: Findings) -> Findings:
    """Return findings with what a text detector sees in the pixels; it has no last word.

    Args:
        findings: the findings of an image.

    Raises:
        ReadError: the detector is not installed, or the pixels cannot be decoded.
    """
    numbers = chosen(call_in_child(frames_in, findings.path))
    pictures = call_in_child(pictures_of, findings.path, numbers, _SIDE)
    line = f"a text detector sees none in {len(numbers)} of {pictures.shape[0]} frames: no proof"
    for number, picture in zip(numbers, pictures.window, strict=True):
        for text in text_in(picture):
            x, y, width, height = (round(side * pictures.scale) for side in text.box)
            where = f"at x {x}, y {y}, width {width}, height {height}"
            line = f"a text detector sees text in frame {number} {where}"
    return replace(findings, burned_in=f"{findings.burned_in}; {line}")


def declare(folder: Path, files: Sequence[Path], who: str) -> None:
    """Record that a person says to have looked at the pixels of copies before they were made.

    Args:
        folder: the folder of the copies, and of the record.
        files: the copies.
        who: the person.

    Raises:
        ReadError: the record that is there, or a copy, is damaged.
        WriteError: the record cannot be written.
    """
    looks = read_looks(folder / NAME)
    for path in files:
        pixels = inspect(path).pixels
        if pixels:
            name = path.relative_to(folder).as_posix()
            looks[name] = look_of(name, pixels, "keep", (), who, "declared", "none ran")
    if looks:
        write_looks(folder / NAME, looks)


def write_copy(
    path: Path, target: Path, order: Order, *, overwrite: bool = False
) -> tuple[Findings, Findings]:
    """Write a de-identified copy of one file.

    Args:
        path: a DICOM or NIfTI file.
        target: the file to write.
        order: how.
        overwrite: replace `target` if it exists.

    Returns:
        What the original file contained, and what the verifier finds in the copy.

    Raises:
        ReadError: the file is damaged, or of a kind that is not copied; nothing is written.
        OutputExistsError: `target` exists and `overwrite` is false.
    """
    check_target(target, overwrite)
    if kind_of(path) == "NIfTI":
        volume = call_in_child(copy_nifti, path)
        burned_in = "" if order.pixels.viewed else NOT_LOOKED
        before = Findings(path, burned_in=NOT_LOOKED, channels=volume.before, pixels=volume.pixels)
        after = Findings(target, burned_in=burned_in, channels=volume.after, pixels=volume.pixels)
        data = volume.data
    else:
        copied, detector_line = copied_of(path, order, target.name)
        before, after = findings_of(path, target, copied, detector_line)
        data = copied.data
    with writing(target), atomic_path(target, overwrite=overwrite) as part:
        part.write_bytes(data.tobytes())
    if order.pixels.viewed:
        declare(target.parent, [target], who_looks(None))
    elif order.pixels.detect_text and not order.pixels.blank_text and after.pixels:
        after = with_text(after)
    return before, after


def copied_of(path: Path, order: Order, name: str) -> tuple[Copied, str]:
    """Return a verified copy of a DICOM file, and how a text detector looked at it.

    Args:
        path: the file.
        order: how.
        name: name of the copy's file, which is searched for values of the source.

    Raises:
        ReadError: the file is damaged, or of a kind that is not copied.
    """
    if order.pixels.blank_text:
        return blanked_copy(path, order, name)
    return call_in_child(copy_file, path, order, name), ""


def findings_of(
    path: Path, target: Path, copied: Copied, detector_line: str = ""
) -> tuple[Findings, Findings]:
    """Return what a source and its copy hold, and how a text detector looked at the copy."""
    before = Findings(path, **vars(copied.before))
    before = replace(before, channels=[*before.channels, *odd_names(Path(path.name))])
    after = Findings(target, **vars(copied.after), traces=copied.traces)
    if detector_line and after.burned_in:
        after = replace(after, burned_in=f"{after.burned_in}; {detector_line}")
    return before, after
