"""What in a DICOM file says who somebody is, and a copy without it."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID, SecondaryCaptureImageStorage

from scionwood import OutputExistsError, ReadError, atomic_path
from scionwood_biomed.readers.bounds import reading
from scionwood_biomed.readers.dicom_file import open_file

IDENTITY = frozenset(
    [
        "AccessionNumber",
        "AcquisitionComments",
        "AdditionalPatientHistory",
        "AdmissionID",
        "AdmittingDiagnosesDescription",
        "Allergies",
        "BranchOfService",
        "CassetteID",
        "CommentsOnThePerformedProcedureStep",
        "ContrastBolusAgent",
        "CountryOfResidence",
        "CurrentPatientLocation",
        "DerivationDescription",
        "DetectorID",
        "DeviceSerialNumber",
        "DeviceUID",
        "DistributionAddress",
        "EthnicGroup",
        "FrameComments",
        "GantryID",
        "GeneratorID",
        "IdentifyingComments",
        "ImageComments",
        "InstitutionAddress",
        "InstitutionName",
        "InstitutionalDepartmentName",
        "InsurancePlanIdentification",
        "IssuerOfPatientID",
        "LastMenstrualDate",
        "MedicalAlerts",
        "MedicalRecordLocator",
        "MilitaryRank",
        "Occupation",
        "OperatorIdentificationSequence",
        "OrderPlacerLocation",
        "OriginalAttributesSequence",
        "OtherPatientIDs",
        "OtherPatientIDsSequence",
        "PatientAddress",
        "PatientAge",
        "PatientBirthDate",
        "PatientBirthTime",
        "PatientComments",
        "PatientID",
        "PatientInsurancePlanCodeSequence",
        "PatientPrimaryLanguageCodeSequence",
        "PatientReligiousPreference",
        "PatientSex",
        "PatientSexNeutered",
        "PatientSize",
        "PatientState",
        "PatientTelephoneNumbers",
        "PatientTransportArrangements",
        "PatientWeight",
        "PerformedLocation",
        "PerformedProcedureStepDescription",
        "PerformedProcedureStepID",
        "PerformedStationAETitle",
        "PersonAddress",
        "PersonTelephoneNumbers",
        "PhysicianOfRecord",
        "PlateID",
        "PregnancyStatus",
        "ProtocolName",
        "ReferencedPatientSequence",
        "ReferringPhysicianAddress",
        "ReferringPhysicianTelephoneNumbers",
        "RegionOfResidence",
        "RequestAttributesSequence",
        "RequestedProcedureComments",
        "RequestedProcedureDescription",
        "RequestedProcedureID",
        "RequestingService",
        "ResponsibleOrganization",
        "ScheduledProcedureStepDescription",
        "ScheduledStationAETitle",
        "ScheduledStationName",
        "SeriesDescription",
        "ServiceEpisodeDescription",
        "ServiceEpisodeID",
        "SmokingStatus",
        "SourceApplicationEntityTitle",
        "SpecialNeeds",
        "StationName",
        "StudyComments",
        "StudyDescription",
        "StudyID",
        "TextComments",
        "TimezoneOffsetFromUTC",
        "UniqueDeviceIdentifierSequence",
        "VisitComments",
    ]
)
"""Keywords that the basic profile removes or empties, beside all names, dates, times and UIDs."""

_BURNED = {"US", "SC", "ES", "XC", "GM", "OT", "XA", "RF", "NM", "ECG"}
"""Modalities whose devices commonly write names into the pixels."""

_OVERLAYS = (0x5000, 0x50FF), (0x6000, 0x60FF)
"""Groups of curves and overlays, which may hold drawn text."""

_META = "SourceApplicationEntityTitle", "PrivateInformation", "PrivateInformationCreatorUID"

_STANDARD = "1.2.840.10008."
"""UIDs that DICOM itself defines name kinds of things, never persons."""


@final
@dataclass
class Findings:
    """What was found in a file.

    Attributes:
        path: the file.
        identity: keywords of elements that are filled and say who or when, with their place.
        private: the number of private elements, whose meaning nobody else knows.
        overlays: elements of curves and overlays.
        burned_in: why text may be written into the pixels; empty where nothing speaks for it.
    """

    path: Path
    identity: list[str] = field(default_factory=list)
    private: int = 0
    overlays: int = 0
    burned_in: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.identity or self.private or self.overlays or self.burned_in)


def inspect(path: Path) -> Findings:
    """List what a file says of a person; nothing is changed, and no value is told.

    Args:
        path: a DICOM file.

    Raises:
        ReadError: it is no DICOM image, or damaged.

    Source: the basic profile of DICOM PS3.15 Annex E, as far as `IDENTITY` lists it.
    """
    dataset, found = _load(path), Findings(Path(path))
    for where, element in _elements(dataset):
        if element.tag.is_private:
            found.private += 1
        elif _is_overlay(element):
            found.overlays += 1
        elif _identifies(element):
            found.identity.append(where)
    found.burned_in = burned_in(dataset)
    return found


def deidentify(path: Path, target: Path, *, salt: str, overwrite: bool = False) -> Findings:
    """Write a copy without private elements and without what identifies a person.

    Names, dates, times and the keywords of `IDENTITY` go; UIDs become others, the same for the same
    UID and salt, so that slices of a series stay together; PatientID and PatientName become a keyed
    hash. Pixels are not touched: text in them stays, and the findings say where it is likely.

    Args:
        path: a DICOM file.
        target: where to write.
        salt: of the hashes; keep it as secret as the data.
        overwrite: replace `target` if it exists.

    Returns:
        What was found in the file before.

    Raises:
        ReadError: it is no DICOM image, damaged, or the salt is empty.
        OutputExistsError: `target` exists and `overwrite` is false.

    Source: the basic profile of DICOM PS3.15 Annex E, as far as `IDENTITY` lists it.
    """
    if not salt:
        raise ReadError("an empty salt", "its hashes could be tried out", "Give a secret one")
    if Path(target).exists() and not overwrite:
        raise OutputExistsError(str(target), "it exists already", "Choose another name")
    found, dataset = inspect(path), _load(path)
    subject = _digest(str(dataset.get("PatientID", "")), salt)[:16]
    _clean(dataset, salt)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")
    for name in _META:
        if name in dataset.file_meta:
            delattr(dataset.file_meta, name)
    dataset.PatientID = dataset.PatientName = subject
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Scionwood: a subset of the PS3.15 basic profile"
    with atomic_path(Path(target), overwrite=overwrite) as part:
        dataset.save_as(part)
    return found


def remapped(uid: str, salt: str) -> UID:
    """Another UID for this one, the same under the same salt.

    Args:
        uid: any.
        salt: of the hash.

    Returns:
        A UID of the form `2.25.` and a number of up to 128 bits (ITU-T X.667).
    """
    return UID(f"2.25.{int(_digest(uid, salt)[:32], 16)}")


def burned_in(dataset: Dataset) -> str:
    """Why text may be written into the pixels; empty where nothing speaks for it.

    Args:
        dataset: of a file, or the header that a reader kept of it.
    """
    said = str(dataset.get("BurnedInAnnotation", "")).upper()
    if said == "YES":
        return "the file says that text is burned in"
    if said == "NO":
        return ""
    modality = str(dataset.get("Modality", ""))
    if dataset.get("SOPClassUID") == SecondaryCaptureImageStorage:
        return "a secondary capture, which does not say that it is free of text"
    if modality in _BURNED:
        return f"{modality} images often carry text, and the file does not say that it has none"
    return ""


def _load(path: Path) -> Dataset:
    with reading(Path(path), "DICOM"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's remarks on odd but readable headers
        open_file(Path(path), "")  # its checks of sizes
        dataset = pydicom.dcmread(path)
        dataset.walk(lambda *_: None)  # decodes every element, so that damage shows here
    return dataset


def _elements(dataset: Dataset, prefix: str = "") -> Iterator[tuple[str, DataElement]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for element in dataset:
            where = prefix + (element.keyword or str(element.tag))
            yield where, element
            if element.VR == "SQ":
                for index, item in enumerate(element.value):
                    yield from _elements(item, f"{where}[{index}].")


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
