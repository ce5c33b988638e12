"""De-identify one DICOM file, and verify the copy before anything is written."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import final

import numpy as np
import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import UID

from scionwood_deid.choices import Profile
from scionwood_deid.cleaning import Cleaner
from scionwood_deid.images.dicom_file import checked_header
from scionwood_deid.look import DETECTED, FINDINGS, LOOKED, NOT_LOOKED, has_pixels
from scionwood_deid.order import Order
from scionwood_deid.pixels import Box, blank, clear_spare_bits, mask_of, regions_of
from scionwood_deid.profile import TEMPORAL, codes
from scionwood_deid.seeds import words_of_persons
from scionwood_deid.tables import EDITION, Level, level_of
from scionwood_deid.traces import traces
from scionwood_deid.unseen import clear_unseen
from scionwood_deid.verifying import Content, content_of, values_of
from scionwood_sandbox import ReadError, reading

METHOD = f"Scionwood, basic profile of PS3.15 {EDITION}"
IMPLEMENTATION = UID("2.25.170141183460469231731687303715884105")

_UNDEFINED = 0xFFFFFFFF
"""The length of an element whose end a delimiter marks."""

_REPORT = "1.2.840.10008.5.1.4.1.1.88."
_REFUSED = {
    "1.2.840.10008.5.1.4.1.1.104.1": "an encapsulated PDF",
    "1.2.840.10008.5.1.4.1.1.104.2": "an encapsulated CDA document",
    "1.2.840.10008.5.1.4.1.1.104.": "an encapsulated model of a body",
    "1.2.840.10008.5.1.4.1.1.9.4.": "a recording of sound, which may hold a voice",
    "1.2.840.10008.1.3.10": "a directory of a medium, whose files get other names",
}


@final
@dataclass(frozen=True)
class Copied:
    """A copy that was verified.

    Attributes:
        data: (byte,) uint8, the bytes of the copy.
        before: what the source held.
        after: what the verifier finds in the copy.
        traces: where the verifier finds values of the source.
        uids: the patient, study, series and instance of the source.
        subject: the pseudonym of the patient.
        removed: whether the copy states that the identity is removed.
    """

    data: np.ndarray
    before: Content
    after: Content
    traces: list[str]
    uids: tuple[str, str, str, str]
    subject: str
    removed: bool


def load(path: Path) -> Dataset:
    """Read a DICOM file whole, with the checks of its declared sizes.

    Args:
        path: the file.

    Raises:
        ReadError: it is not DICOM, or is damaged.
    """
    with reading(path, "DICOM"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns about odd but readable headers
        checked_header(path)
        dataset = pydicom.dcmread(path)
        _check_end(path, dataset)
        dataset.walk(lambda *_: None)  # decodes every element, so that damage is noticed here
    return dataset


def inspect_file(path: Path) -> Content:
    """List what a DICOM file holds and a copy may not.

    Args:
        path: the file.

    Raises:
        ReadError: it is not DICOM, or is damaged.
    """
    dataset = load(path)
    with reading(path, "DICOM"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return content_of(dataset)


def copy_file(
    path: Path, order: Order, name: str, boxes: Collection[Box] = (), detected: bool = False
) -> Copied:
    """Return a verified copy of a file without what identifies a person.

    Args:
        path: a DICOM file.
        order: how.
        name: name of the copy's file, which is searched for values of the source.
        boxes: regions to blank in all frames, beside those of the order.
        detected: whether a text detector looked at the pixels; the copy states it, and still NO.

    Raises:
        ReadError: the file is damaged, or of a kind that this does not copy.
    """
    source = load(path)
    level = _level(path, source, order.profile)
    with reading(path, "DICOM"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = content_of(source)
        masks = regions_of(source, order.pixels)
        if boxes:
            masks.append(mask_of(path, source, boxes))
        if masks:
            blank(source, masks)
        copy = _cleaned(source, level, order, blanked=bool(masks))
        data = bytes_of(copy)
        back = pydicom.dcmread(BytesIO(data))
        after, left = content_of(back), traces(source, back, name)
        if order.pixels.viewed:
            after = replace(after, burned_in="")
        removed = after.clean and not left and not after.burned_in
        stamp(copy, clean=after.clean and not left, looked=order.pixels.viewed, detected=detected)
        data = bytes_of(copy)
    names = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    patient, study, series, instance = (str(source.get(name, "") or "") for name in names)
    uids, subject = (patient, study, series, instance), order.key.subject(patient_of(source))
    return Copied(np.frombuffer(data, np.uint8), before, after, left, uids, subject, removed)


def patient_of(dataset: Dataset) -> str:
    """Return what stands for the patient of an object: PatientID, or the study without one."""
    patient = str(dataset.get("PatientID", "") or "").strip()
    return patient or f"study {dataset.get('StudyInstanceUID', '')}"


def _level(path: Path, source: Dataset, profile: Profile) -> Level:
    """Return the definition of an object, and refuse what this does not copy."""
    kind = str(source.get("SOPClassUID", "") or source.file_meta.get("MediaStorageSOPClassUID", ""))
    if not kind:
        rule = "DICOM: it does not state its SOP class"
        raise ReadError(str(path), rule, "Export it again as a complete object")
    if kind.startswith(_REPORT) and not profile.reports:
        rule = "DICOM: it is a structured report"
        raise ReadError(str(path), rule, "Give --reports to keep its codes, numbers and terms")
    for prefix, reason in _REFUSED.items():
        if kind.startswith(prefix):
            raise ReadError(
                str(path), f"DICOM: it is {reason}", "Leave it out, or clean it by hand"
            )
    level = level_of(kind)
    if level is None:
        rule = f"DICOM: no definition of its kind {UID(kind).name or 'without a name'} is known"
        raise ReadError(str(path), rule, "Leave it out, or convert it to a standard object")
    _check_pixels(path, source)
    for where, name in (
        (source, "SOPClassUID"),
        (source, "SOPInstanceUID"),
        (source.file_meta, "TransferSyntaxUID"),
    ):
        if not where.get(name):
            remedy = "Export it again as a complete object with file meta information"
            raise ReadError(str(path), f"DICOM: it does not state its {name}", remedy)
    return level


def _check_end(path: Path, dataset: Dataset) -> None:
    """Refuse a file that ends inside of its last element, which pydicom shortens silently."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if not dataset or syntax is None or syntax.is_deflated:
        return
    last = dataset.get_item(max(dataset.keys()))
    if not isinstance(last, RawDataElement) or last.length == _UNDEFINED:
        return
    left = path.stat().st_size - last.value_tell - last.length
    if left:
        name = keyword_for_tag(last.tag) or str(last.tag)
        rule = (
            f"it ends inside of {name}"
            if left < 0
            else f"{left} bytes behind {name} are no element"
        )
        raise ReadError(str(path), f"DICOM: {rule}", "Copy it again: it may be truncated")


def _check_pixels(path: Path, source: Dataset) -> None:
    """Refuse an image whose pixels end too early."""
    syntax = source.file_meta.get("TransferSyntaxUID")
    if "PixelData" not in source or syntax is None or syntax.is_encapsulated:
        return
    declared, inside = get_expected_length(source), len(source.PixelData)
    if source.PhotometricInterpretation == "YBR_FULL_422" and inside >= declared // 2 * 3:
        rule = "DICOM: its colours are not halved, as YBR_FULL_422 says"
        raise ReadError(str(path), rule, "Correct PhotometricInterpretation to YBR_FULL")
    if inside < declared:
        rule = f"DICOM: it declares {declared:,} bytes of pixels and has {inside:,}"
        raise ReadError(str(path), rule, "Copy it again: it is truncated")


def _cleaned(source: Dataset, level: Level, order: Order, *, blanked: bool) -> Dataset:
    """Return the copy, with what it states about itself."""
    patient, key, profile = patient_of(source), order.key, order.profile
    person_words = {*order.names, *words_of_persons(source)}
    copy = Cleaner(key, profile, patient, person_words).copy(source, level)
    options = sorted(profile.options) + ["pixels"] * blanked
    if level.type_of("PatientID") is not None:
        copy.PatientID = copy.PatientName = key.subject(patient)
        copy.PatientIdentityRemoved, copy.DeidentificationMethod = "NO", METHOD
        copy.DeidentificationMethodCodeSequence = codes(options)
    if level.type_of("LongitudinalTemporalInformationModified") is not None:
        copy.LongitudinalTemporalInformationModified = TEMPORAL[profile.dates]
    meta = copy.file_meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = copy.SOPClassUID
    meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
    meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    meta.ImplementationClassUID = IMPLEMENTATION
    copy.preamble = bytes(128)
    clear_unseen(copy)
    clear_spare_bits(copy)
    return copy


def stamp(copy: Dataset, *, clean: bool, looked: bool, detected: bool = False) -> None:
    """State in a copy whether the identity is removed, and why or why not.

    An object without an image needs no look. What the source says about text in its pixels does
    not stay, unless the object must say something.

    Args:
        copy: a copy by the Basic Profile; it is changed.
        clean: whether the verifier finds nothing in it, its pixels left aside.
        looked: whether a person looked at its pixels, and found no text or had it blanked.
        detected: whether a text detector looked at them, which does not count as a look.
    """
    image = has_pixels(copy)
    if "PatientIdentityRemoved" in copy:
        is_deidentified = clean and (looked or not image)
        copy.PatientIdentityRemoved = "YES" if is_deidentified else "NO"
        unseen = DETECTED if detected else NOT_LOOKED
        reason = FINDINGS if not clean else LOOKED if looked else unseen
        method = str(values_of(copy["DeidentificationMethod"])[0])
        copy.DeidentificationMethod = [method, reason] if image or not clean else method
    level = level_of(str(copy.get("SOPClassUID", "")))
    kind = level.type_of("BurnedInAnnotation") if level else None
    if image and looked and kind is not None:
        copy.BurnedInAnnotation = "NO"
    elif kind == "3" and copy.get("BurnedInAnnotation") == "NO":
        del copy.BurnedInAnnotation


def bytes_of(copy: Dataset) -> bytes:
    """Return a data set as the bytes of a file."""
    out = BytesIO()
    copy.save_as(out, enforce_file_format=True)
    return out.getvalue()
