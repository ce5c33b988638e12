"""List the elements of a DICOM file that identify a person, and write a copy without them."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TypeAlias, final

import numpy as np
import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID, SecondaryCaptureImageStorage

from scionwood import ReadError, atomic_path, call_in_child, check_target, reading, writing
from scionwood_biomed.readers.dicom_file import open_file
from scionwood_biomed.readers.dicom_keywords import IDENTITY

_BURNED = {"US", "SC", "ES", "XC", "GM", "OT", "XA", "RF", "NM", "ECG"}
"""Modalities whose devices often write names into the pixels."""

_OVERLAYS = (0x5000, 0x50FF), (0x6000, 0x60FF)
"""Groups of curves and overlays, which may hold drawn text."""

_META = "SourceApplicationEntityTitle", "PrivateInformation", "PrivateInformationCreatorUID"

_STANDARD = "1.2.840.10008."
"""Prefix of the UIDs that DICOM defines; they name kinds of things, never persons."""


@final
@dataclass
class Findings:
    """The identifying content of a file.

    Attributes:
        path: the file.
        identity: paths of the filled elements that tell who or when, such as `PatientID`.
        private: number of private elements, whose meaning only the vendor knows.
        overlays: number of elements of curves and overlays.
        burned_in: why the pixels may contain text; empty if nothing suggests it.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_biomed.api import Findings
        >>> Findings(Path("scan.dcm"), identity=["PatientID"]).clean
        False
    """

    path: Path
    identity: list[str] = field(default_factory=list)
    private: int = 0
    overlays: int = 0
    burned_in: str = ""

    @property
    def clean(self) -> bool:
        """Whether the file has no identifying content."""
        return not (self.identity or self.private or self.overlays or self.burned_in)


def inspect(path: str | Path) -> Findings:
    """List the elements of a file that identify a person; no value is returned.

    Args:
        path: a DICOM file.

    Raises:
        ReadError: the file is not a DICOM image, or is damaged.

    Source: the basic profile of DICOM PS3.15 Annex E, limited to the keywords of `IDENTITY`.
    """
    path = Path(path)
    return Findings(path, *call_in_child(_content, path))


_Content: TypeAlias = tuple[list[str], int, int, str]
"""What `Findings` lists: identity, private, overlays and burned_in."""


def _content(path: Path) -> _Content:
    return _content_of(_load(path))


def _content_of(dataset: Dataset) -> _Content:
    identity, private, overlays = [], 0, 0
    for place, element in _elements(dataset):
        if element.tag.is_private:
            private += 1
        elif _is_overlay(element):
            overlays += 1
        elif _identifies(element):
            identity.append(place)
    return identity, private, overlays, burned_in(dataset)


def deidentify(
    path: str | Path, target: str | Path, *, salt: str, overwrite: bool = False
) -> Findings:
    """Write a copy without private elements and without elements that identify a person.

    Names, dates, times and the keywords of `IDENTITY` are removed. UIDs are replaced; equal UIDs
    and salts give equal replacements, so that the slices of a series stay together. PatientID and
    PatientName become a keyed hash. The pixels are not changed: text in them stays, and the
    findings say if it is likely.

    Args:
        path: a DICOM file.
        target: file to write.
        salt: key of the hashes; keep it as secret as the data.
        overwrite: replace `target` if it exists.

    Returns:
        The identifying content of the original file.

    Raises:
        ReadError: the file is not a DICOM image, is damaged, or the salt is empty.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the target cannot be written.

    Source: the basic profile of DICOM PS3.15 Annex E, limited to the keywords of `IDENTITY`.
    """
    if not salt:
        rule = "hashes without a secret can be reversed by trial"
        raise ReadError("an empty salt", rule, "Give a secret salt")
    path, target = Path(path), Path(target)
    check_target(target, overwrite)
    content, copy = call_in_child(_copy, path, salt)
    with writing(target), atomic_path(target, overwrite=overwrite) as part:
        part.write_bytes(copy.tobytes())
    return Findings(path, *content)


def _copy(path: Path, salt: str) -> tuple[_Content, np.ndarray]:
    """Return the content of a file, and the bytes of a copy without it."""
    dataset = _load(path)
    content = _content_of(dataset)
    subject = _digest(str(dataset.get("PatientID", "")), salt)[:16]
    _clean(dataset, salt)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")
    for name in _META:
        if name in dataset.file_meta:
            delattr(dataset.file_meta, name)
    dataset.PatientID = dataset.PatientName = subject
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Scionwood: a subset of the PS3.15 basic profile"
    copy = BytesIO()
    with reading(path, "DICOM"):
        dataset.save_as(copy)
    return content, np.frombuffer(copy.getbuffer(), np.uint8)


def remapped(uid: str, salt: str) -> UID:
    """Return the replacement of a UID; equal UIDs and salts give equal replacements.

    Args:
        uid: any UID.
        salt: key of the hash.

    Returns:
        A UID of the form `2.25.` followed by a number of at most 128 bits (ITU-T X.667).
    """
    return UID(f"2.25.{int(_digest(uid, salt)[:32], 16)}")


def burned_in(dataset: Dataset) -> str:
    """Return why the pixels may contain text; empty if nothing suggests it.

    Args:
        dataset: the elements of a file, or the header that a reader kept.
    """
    stated = str(dataset.get("BurnedInAnnotation", "")).upper()
    if stated == "YES":
        return "the file states that text is burned in"
    if stated == "NO":
        return ""
    modality = str(dataset.get("Modality", ""))
    if dataset.get("SOPClassUID") == SecondaryCaptureImageStorage:
        return "a secondary capture that does not state that it is free of text"
    if modality in _BURNED:
        return f"{modality} images often contain text, and the file does not state that it has none"
    return ""


def _load(path: Path) -> Dataset:
    with reading(path, "DICOM"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns about odd but readable headers
        open_file(path, "")  # checks the declared sizes
        dataset = pydicom.dcmread(path)
        dataset.walk(lambda *_: None)  # decodes every element, so that damage is noticed here
    return dataset


def _elements(dataset: Dataset, prefix: str = "") -> Iterator[tuple[str, DataElement]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for element in dataset:
            place = prefix + (element.keyword or str(element.tag))
            yield place, element
            if element.VR == "SQ":
                for index, item in enumerate(element.value):
                    yield from _elements(item, f"{place}[{index}].")


def _identifies(element: DataElement) -> bool:
    if element.VR != "SQ" and not element.value and element.value != 0:
        return False
    if element.VR == "UI":
        values = [element.value] if isinstance(element.value, str) else element.value
        return any(not str(value).startswith(_STANDARD) for value in values)
    return element.VR in ("PN", "DA", "TM", "DT") or element.keyword in IDENTITY


def _is_overlay(element: DataElement) -> bool:
    return any(low <= element.tag.group <= high for low, high in _OVERLAYS)


def _clean(dataset: Dataset, salt: str) -> None:
    dataset.remove_private_tags()
    for element in list(dataset):
        if element.VR == "UI" and element.value:
            values = [element.value] if isinstance(element.value, str) else list(element.value)
            other = [v if v.startswith(_STANDARD) else remapped(v, salt) for v in values]
            element.value = other[0] if len(other) == 1 else other
        elif _is_overlay(element) or _identifies(element):
            del dataset[element.tag]
        elif element.VR == "SQ":
            for item in element.value:
                _clean(item, salt)


def _digest(text: str, salt: str) -> str:
    return hashlib.blake2b(text.encode(), key=salt.encode()[:64], digest_size=16).hexdigest()
