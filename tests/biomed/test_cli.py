from __future__ import annotations

import json
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file

from scionwood.cli import main

SMALL = Path(str(get_testdata_file("CT_small.dcm")))


def test_the_check_names_fields_and_tells_no_value(tmp_path, capsys):
    copy = tmp_path / "ct.dcm"
    copy.write_bytes(SMALL.read_bytes())
    assert main(["biomed", "deidentify-check", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "PatientID" in said
    assert "private elements" in said
    assert str(pydicom.dcmread(SMALL).PatientName) not in said
    assert copy.read_bytes() == SMALL.read_bytes()


def test_a_copy_without_identity_passes_the_check_but_for_its_hashes(tmp_path, capsys):
    target = tmp_path / "clean.dcm"
    assert main(["biomed", "deidentify", str(SMALL), str(target), "--salt", "secret"]) == 0
    capsys.readouterr()
    assert main(["biomed", "deidentify-check", str(target), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["private"] == 0
    assert "InstitutionName" not in found["identity"]
    assert pydicom.dcmread(target).PatientID != pydicom.dcmread(SMALL).PatientID


def test_a_folder_without_dicom_is_an_error(tmp_path, capsys):
    assert main(["biomed", "deidentify-check", str(tmp_path)]) != 0
    assert "no DICOM file" in capsys.readouterr().err


def test_an_existing_target_stays(tmp_path, capsys):
    target = tmp_path / "there.dcm"
    target.write_bytes(b"mine")
    assert main(["biomed", "deidentify", str(SMALL), str(target), "--salt", "secret"]) != 0
    assert target.read_bytes() == b"mine"
    assert "exists" in capsys.readouterr().err


def test_a_confidence_that_is_no_probability_is_refused(tmp_path, capsys):
    arguments = ["classify", str(SMALL), "--run", str(tmp_path), "--confidence", "2"]
    assert main(["biomed", *arguments]) != 0
    assert "probability" in capsys.readouterr().err
