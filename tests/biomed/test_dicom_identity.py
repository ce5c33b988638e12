"""Identifying elements are listed without their values, and are absent from a copy."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from scionwood import OutputExistsError, ReadError
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_biomed.readers.dicom_identity import IDENTITY, deidentify, inspect, remapped

SMALL = Path(str(get_testdata_file("CT_small.dcm")))

KEYWORDS = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientWeight",
    "InstitutionName",
    "InstitutionAddress",
    "ReferringPhysicianName",
    "PhysiciansOfRecord",
    "OperatorsName",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "ContentDate",
    "StudyTime",
    "AccessionNumber",
    "StationName",
]


def test_inspect_lists_private_and_identifying_elements():
    findings = inspect(SMALL)
    assert findings.private == 179
    assert {"PatientID", "PatientName", "InstitutionName", "StudyDate"} <= set(findings.identity)
    assert "SOPClassUID" not in findings.identity
    assert not findings.clean


def test_deidentified_copy_has_the_same_pixels_and_no_identity(tmp_path):
    target = tmp_path / "out.dcm"
    deidentify(SMALL, target, salt="pepper")
    dataset, before = pydicom.dcmread(target), pydicom.dcmread(SMALL)
    left = inspect(target)
    assert left.private == left.overlays == 0
    for name in set(KEYWORDS) - {"PatientName", "PatientID"}:
        assert not dataset.get(name)  # DICOM demands some of them, empty
    assert str(before.PatientID) not in (str(dataset.PatientID), str(dataset.PatientName))
    assert not {name.split(".")[-1] for name in left.identity} & (IDENTITY - {"PatientID"})
    assert dataset.PixelData == before.PixelData
    raw = target.read_bytes()
    for name in ("PatientID", "InstitutionName", "StudyInstanceUID", "StudyDate"):
        assert str(before[name].value).encode() not in raw


def test_slices_of_a_series_stay_together(tmp_path):
    for number in range(2):
        deidentify(SMALL, tmp_path / f"{number}.dcm", salt="pepper")
    (record,) = DicomReader(tmp_path)
    assert record.data.shape[0] == 2


def test_replaced_uids_depend_on_the_salt_alone():
    assert remapped("1.2.3", "a") == remapped("1.2.3", "a") != remapped("1.2.3", "b")
    assert remapped("1.2.3", "a").is_valid


def test_elements_inside_sequences_are_cleaned_too(tmp_path):
    dataset = pydicom.dcmread(SMALL)
    item = pydicom.Dataset()
    item.PatientName, item.ReferencedSOPInstanceUID = "Doe^Jane", "1.2.3"
    dataset.SourceImageSequence = [item]
    dataset.save_as(tmp_path / "in.dcm")
    assert "SourceImageSequence[0].PatientName" in inspect(tmp_path / "in.dcm").identity
    deidentify(tmp_path / "in.dcm", tmp_path / "out.dcm", salt="pepper")
    (item,) = pydicom.dcmread(tmp_path / "out.dcm").SourceImageSequence
    assert "PatientName" not in item
    assert item.ReferencedSOPInstanceUID == remapped("1.2.3", "pepper")


@pytest.mark.parametrize(
    ("stated", "modality", "risk"),
    [("YES", "CT", True), ("NO", "US", False), ("", "US", True), ("", "CT", False)],
)
def test_reports_whether_pixels_may_contain_text(stated, modality, risk, tmp_path):
    dataset = pydicom.dcmread(SMALL)
    dataset.BurnedInAnnotation, dataset.Modality = stated, modality
    dataset.save_as(tmp_path / "a.dcm")
    assert bool(inspect(tmp_path / "a.dcm").burned_in) == risk


def test_refuses_to_overwrite_and_refuses_an_empty_salt(tmp_path):
    target = tmp_path / "out.dcm"
    target.write_text("precious")
    with pytest.raises(OutputExistsError):
        deidentify(SMALL, target, salt="pepper")
    assert target.read_text() == "precious"
    with pytest.raises(ReadError, match="salt"):
        deidentify(SMALL, tmp_path / "other.dcm", salt="")
