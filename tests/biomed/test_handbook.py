"""The page "Your own scans": its commands run as they are written, on scans of pydicom."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pydicom
import pytest
from page_walk import follow
from pydicom.data import get_testdata_file

from scionwood_deid.mapping import read_mapping

PAGE = "fields/biomed/your-own-file.md"
FILES = {
    "CT": ("CT_small.dcm", "77654033/CT2/17106", "77654033/CT2/17136", "98892001/CT2N/6293"),
    "MR": ("MR_small.dcm", "98892003/MR1/4919", "98892003/MR1/5641", "98892003/MR2/4950"),
}
"""Test files of pydicom by modality."""


def scans(folder: Path) -> None:
    """Copy real scans to a folder, each with the ending `.dcm`; one patient has CT and MR."""
    folder.mkdir()
    root = Path(str(get_testdata_file("CT_small.dcm"))).parent
    for name in (name for names in FILES.values() for name in names):
        path = root / name if name.endswith(".dcm") else root / "dicomdirtests" / name
        shutil.copy(path, folder / f"{name.removesuffix('.dcm').replace('/', '-')}.dcm")
    third = pydicom.dcmread(root / "MR_small.dcm")
    third.PatientID, third.SOPInstanceUID = "another", pydicom.uid.generate_uid()
    third.PixelData = third.PixelData[::-1]  # the same image would be refused
    third.save_as(folder / "another.dcm")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_reader_of_the_page_gets_clean_copies_an_audit_and_a_run(tmp_path):
    scans(tmp_path / "scans")
    run = follow(PAGE, tmp_path)
    entries = read_mapping(tmp_path / "clean-private/mapping.csv")
    assert len(entries) == 9
    for name, entry in entries.items():
        before = pydicom.dcmread(tmp_path / "scans" / name)
        after = pydicom.dcmread(tmp_path / "clean-reviewed" / entry.target)
        assert after.PatientIdentityRemoved == "YES"
        assert after.PatientID != before.PatientID
        assert not after.StudyDate
        assert after.PixelData == before.PixelData
    with (tmp_path / "images.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == set(FILES)
    assert "subjects in training and test" in run.stdout
    assert "not a diagnosis" in run.stdout
