"""Refuse one image under two subjects: it would be in training and in test."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import pydicom

from scionwood import RecipeError
from scionwood.authoring import call_in_child, one_child, reading
from scionwood_biomed.data.items import Item
from scionwood_biomed.data.splits import subject_key
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_deid import checked_header

_REMEDY = "Correct the subjects or remove one, or set `duplicates: allow`"


def refuse_shared(items: Sequence[Item], folder: Path) -> None:
    """Refuse files that are the same image and have different subjects.

    Two DICOM files are the same image if they have the same SOPInstanceUID, or the same stored
    pixels. Other files are the same image if they have the same bytes. Pictures of archives and
    tiles of slides are not compared.

    Args:
        items: the images.
        folder: the folder that holds them.

    Raises:
        RecipeError: naming both files.
        ReadError: a DICOM file is damaged.
    """
    owners: dict[str, tuple[Path, str]] = {}
    with one_child(folder):
        for item in items:
            if item.part is not None:
                continue
            who = subject_key(item.subject)
            for kind, mark in _marks(item.path):
                other, owner = owners.setdefault(mark, (item.path, who))
                if owner != who:
                    rule = f"it has the {kind} of {other}, which has another subject"
                    raise RecipeError(str(item.path), rule, _REMEDY)


def _marks(path: Path) -> Iterable[tuple[str, str]]:
    if path.name.lower().endswith(DicomReader.suffixes):
        return call_in_child(marks_of_dicom, path)
    with reading(path, "image"):
        return [("bytes", _digest(path.read_bytes()))]


def marks_of_dicom(path: Path) -> list[tuple[str, str]]:
    """Return what makes a DICOM file the same image as another: its kind, and a hash.

    Args:
        path: the file.

    Raises:
        ReadError: it is damaged.
    """
    with reading(path, "DICOM"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns about odd but readable headers
        checked_header(path)
        dataset = pydicom.dcmread(path)
        marks = []
        if uid := str(dataset.get("SOPInstanceUID", "")).strip():
            marks.append(("SOPInstanceUID", _digest(uid.encode())))
        if "PixelData" in dataset:
            shape = f"{dataset.get('Rows')} {dataset.get('Columns')} ".encode()
            # The same bytes in another shape are another picture, as two empty images of 2 x 8 and
            # 4 x 4 are.
            marks.append(("pixels", _digest(shape + bytes(dataset.PixelData))))
    return marks


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
