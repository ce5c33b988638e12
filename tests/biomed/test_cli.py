from __future__ import annotations

import json
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file

from scionwood.authoring import weights_digest
from scionwood.cli import main

SMALL = Path(str(get_testdata_file("CT_small.dcm")))


def test_deidentify_check_prints_names_of_elements_but_no_values(tmp_path, capsys):
    copy = tmp_path / "ct.dcm"
    copy.write_bytes(SMALL.read_bytes())
    assert main(["biomed", "deidentify-check", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert main(["biomed", "deidentify-check", str(tmp_path), "--exit-zero"]) == 0
    assert capsys.readouterr().out == output
    assert "PatientID" in output
    assert "private elements" in output
    assert str(pydicom.dcmread(SMALL).PatientName) not in output
    assert copy.read_bytes() == SMALL.read_bytes()


def test_deidentified_copy_has_only_hashes_of_identity(tmp_path, capsys):
    target = tmp_path / "clean.dcm"
    command = ["biomed", "deidentify", str(SMALL), str(target), "--salt", "secret"]
    assert main([*command, "--pixels-viewed"]) == 0
    capsys.readouterr()
    assert main(["biomed", "deidentify-check", str(target), "--json"]) == 0
    (findings,) = json.loads(capsys.readouterr().out)
    assert not any(value for name, value in findings.items() if name not in ("path", "pixels"))
    assert pydicom.dcmread(target).PatientID != pydicom.dcmread(SMALL).PatientID


def test_refuses_a_folder_without_dicom(tmp_path, capsys):
    assert main(["biomed", "deidentify-check", str(tmp_path)]) != 0
    assert "no DICOM file" in capsys.readouterr().err


def test_keeps_an_existing_target(tmp_path, capsys):
    target = tmp_path / "there.dcm"
    target.write_bytes(b"mine")
    assert main(["biomed", "deidentify", str(SMALL), str(target), "--salt", "secret"]) != 0
    assert target.read_bytes() == b"mine"
    assert "exists" in capsys.readouterr().err


def test_refuses_a_confidence_that_is_not_a_probability(run, capsys):
    folder, _ = run
    arguments = ["classify", str(SMALL), "--run", str(folder), "--confidence", "2"]
    assert main(["biomed", *arguments]) != 0
    assert "probability" in capsys.readouterr().err


def test_an_answer_names_the_run_that_gave_it(run, capsys):
    folder, _ = run
    assert main(["biomed", "classify", str(SMALL), "--run", str(folder), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["run"], record["digest"]) == (folder.name, weights_digest(folder))
