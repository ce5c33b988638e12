"""A folder of a PACS medium: files of all kinds, resume, processes, a mapping, and the check."""

import csv
import gzip
import json
import os
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from case_table import table
from pydicom.data import get_testdata_file

from scionwood.cli import main
from scionwood_deid.mapping import read_mapping

ROOT = Path(str(get_testdata_file("CT_small.dcm"))).parent
MEDIUM = ROOT / "dicomdirtests"
FILES = {
    "DICOMDIR": MEDIUM / "DICOMDIR",
    "A/17106": MEDIUM / "77654033/CT2/17106",
    "A/17136": MEDIUM / "77654033/CT2/17136",
    "B/4919": MEDIUM / "98892003/MR1/4919",
    "ultrasound": ROOT / "examples_ybr_color.dcm",
    "report.dcm": ROOT / "test-SR.dcm",
    "broken.dcm": ROOT / "MR_truncated.dcm",
}


@pytest.fixture
def scans(tmp_path):
    """A folder without endings, with a directory, a report, a text, a NIfTI and a damaged file."""
    folder = tmp_path / "scans"
    for name, path in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / name)
    (folder / "broken.dcm").write_bytes((folder / "broken.dcm").read_bytes()[:903])
    (folder / "notes.txt").write_text("Mrs. Miller, on a Tuesday")
    volume(folder / "t1.nii.gz")
    return folder


def volume(path):
    image = nib.Nifti1Image(np.arange(24, dtype="i2").reshape(2, 3, 4), np.diag([2, 2, 3, 1]))
    image.header["descrip"], image.header["aux_file"] = b"Miller^Anna 1950", b"miller.txt"
    image.header["db_name"], image.header["intent_name"] = b"miller", b"miller"
    image.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"Miller^Anna"))
    nib.save(image, path)
    return path


def run(*words):
    return main(["biomed", "deidentify", *map(str, words)])


def check(path):
    """Return the exit status of the check."""
    return main(["biomed", "deidentify-check", str(path)])


def rows(folder):
    with (folder / "mapping.csv").open(newline="", errors="surrogateescape") as file:
        return {row["source"]: row for row in csv.DictReader(file)}


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_medium_is_copied_or_listed_file_by_file(scans, tmp_path, capsys):
    out, private = tmp_path / "out", tmp_path / "out-private"
    assert run(scans, out, "--key", tmp_path / "key", "--make-key") == 0
    printed = capsys.readouterr().out
    assert "0 verified copies, 5 with pixels to look at, 0 with findings; 4 files not" in printed
    assert "edition 2026c" in printed
    assert "structured report" in printed
    mapping = rows(private)
    refused = {name for name, row in mapping.items() if row["status"] == "refused"}
    assert refused == {"DICOMDIR", "report.dcm", "broken.dcm", "notes.txt"}
    assert len(mapping) == 9
    source = pydicom.dcmread(scans / "A/17106")
    assert mapping["A/17106"]["patient"] == source.PatientID
    assert (private / "mapping.csv").stat().st_mode & 0o077 == 0
    page = (private / "report.html").read_text("utf-8")
    assert "notes.txt" in page
    assert "2026c" in page
    words = "|".join(map(re.escape, (source.PatientID, "17106", "Miller", "miller")))
    identifies = re.compile(rf"(?<!\d)(?:{words})(?!\d)")  # a new UID may hold its digits by chance
    for path, data in tree(out).items():
        content = gzip.decompress(data) if path.suffix == ".gz" else data
        assert not identifies.search(str(path))
        assert not identifies.search(content.decode("latin-1"))
    assert not [path for path in out.rglob("*") if "mapping" in path.name]
    assert check(out) == 1
    lines = [
        line for line in capsys.readouterr().out.splitlines() if ".dcm" in line or ".nii" in line
    ]
    assert len(lines) == 5
    assert all("text in the pixels: pixels not looked at" in line for line in lines)
    assert sum("US images often contain text" in line for line in lines) == 1


@pytest.mark.slow
def test_two_processes_give_the_same_copies_as_one(scans, tmp_path):
    for number in range(8):  # so that there are several batches
        dataset = pydicom.dcmread(scans / "A/17106")
        dataset.SOPInstanceUID = f"1.2.3.{number}"
        dataset.save_as(scans / f"more{number}")
    assert run(scans, tmp_path / "a", "--salt", "pepper") == 0
    assert run(scans, tmp_path / "b", "--salt", "pepper", "--jobs", 2) == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    one, two = (read_mapping(tmp_path / f"{name}-private/mapping.csv") for name in "ab")
    assert one == two


def test_a_run_that_was_cut_off_goes_on(scans, tmp_path, capsys):
    key = tmp_path / "key"
    assert run(scans, tmp_path / "a", "--key", key, "--make-key") == 0
    copies, whole = tree(tmp_path / "a"), read_mapping(tmp_path / "a-private/mapping.csv")
    mapping = tmp_path / "a-private/mapping.csv"
    lines = mapping.read_text().splitlines(keepends=True)
    mapping.write_text("".join(lines[:5]) + lines[5][:20])  # a crash in the middle of a line
    assert run(scans, tmp_path / "c", "--key", key, "--private", tmp_path / "a-private") != 0
    assert "Give --resume" in capsys.readouterr().err
    (tmp_path / "a" / whole["A/17106"].target).unlink()
    assert run(scans, tmp_path / "a", "--key", key, "--resume") == 0
    assert tree(tmp_path / "a") == copies
    assert read_mapping(mapping) == whole
    before = mapping.read_bytes()
    assert run(scans, tmp_path / "a", "--key", key, "--resume") == 0
    assert mapping.read_bytes() == before


def test_other_options_copy_anew_and_strange_names_and_twins_are_mapped(scans, tmp_path):
    strange = os.fsdecode(b"\xff\xfe") + "scan"
    shutil.move(scans / "A/17136", scans / strange)
    twin = pydicom.dcmread(scans / "A/17106")
    twin.SeriesNumber = 77
    twin.save_as(scans / "twin")
    assert run(scans, tmp_path / "out", "--salt", "pepper") == 0
    before = rows(tmp_path / "out-private")
    assert before["A/17106"]["status"] == "copied"
    assert "another file has its SOPInstanceUID" in before["twin"]["note"]
    again = ("--salt", "pepper", "--resume", "--dates", "shift")
    assert run(scans, tmp_path / "out", *again) == 0
    after = read_mapping(tmp_path / "out-private/mapping.csv")
    assert {name: entry.status for name, entry in after.items()} == {
        name: row["status"] for name, row in before.items()
    }
    assert after[strange].status == "copied"
    copy = pydicom.dcmread(tmp_path / "out" / after["A/17106"].target)
    assert copy.StudyDate
    assert len([path for path in tree(tmp_path / "out") if path.suffix == ".dcm"]) == 4


@table(
    ("words", "message"),
    [
        (["scans/out", "--salt", "a"], "its copies would lie inside of the folder"),
        (
            ["out", "--salt", "a", "--private", "out/p"],
            "the mapping would lie inside of its copies",
        ),
        (["out"], "pseudonyms need one secret"),
        (["out", "--key", "nope"], "nope: there is no such key file"),
        (["out", "--make-key"], "Give --key FILE"),
        (["out", "--salt", "a", "--jobs", "0"], "it must be 1 or more"),
    ],
)
def test_bad_calls_are_refused_and_write_nothing(
    words, message, scans, tmp_path, monkeypatch, capsys
):
    shutil.copytree(scans, tmp_path / "scans")
    monkeypatch.chdir(tmp_path)
    assert run("scans", *words) != 0
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scans"]


def test_the_check_reports_a_report_and_what_it_cannot_read(scans, tmp_path, capsys):
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(scans / "report.dcm", folder / "sr")
    assert check(folder) == 1
    assert "VerifyingObserver" in capsys.readouterr().out
    shutil.copy(ROOT / "badVR.dcm", folder / "sr")
    assert check(folder) == 1
    assert "not checked" in capsys.readouterr().out


def test_a_volume_keeps_voxels_and_affine_and_loses_its_text(tmp_path, capsys):
    path = volume(tmp_path / "a.nii")
    path.write_bytes(path.read_bytes() + b"Miller")
    assert check(path) == 1
    printed = capsys.readouterr().out
    places = ("descrip", "aux_file", "db_name", "intent_name", "extensions", "behind the voxels")
    assert all(place in printed for place in places)
    assert run(path, tmp_path / "b.nii", "--salt", "pepper") == 0
    assert b"iller" not in (tmp_path / "b.nii").read_bytes()
    before, after = nib.load(path), nib.load(tmp_path / "b.nii")
    np.testing.assert_array_equal(before.get_fdata(), after.get_fdata())
    np.testing.assert_array_equal(before.affine, after.affine)
    capsys.readouterr()
    assert check(tmp_path / "b.nii") == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{tmp_path / 'b.nii'}  text in the pixels: pixels not looked at"
    ]


def test_regions_are_blanked_by_rules_and_by_the_regions_of_ultrasound(tmp_path):
    source = ROOT / "examples_ybr_color.dcm"
    rules = tmp_path / "rules.script"
    rules.write_text(
        '// names stand above\n{ Modality.equals("US") * !Manufacturer.contains("Nobody") }\n'
        "(0, 0, 640, 50) (600,400,10,10)\n"
    )
    out = tmp_path / "out.dcm"
    assert run(source, out, "--salt", "a", "--pixel-rules", rules) == 0
    copy = pydicom.dcmread(out)
    assert copy.PatientIdentityRemoved == "NO"  # a rule is no look
    codes = {item.CodeValue for item in copy.DeidentificationMethodCodeSequence}
    assert codes == {"113100", "113101"}
    shown, before = copy.pixel_array, pydicom.dcmread(source).pixel_array
    assert not shown[:, :50].any()
    assert not shown[:, 400:410, 600:610].any()
    np.testing.assert_array_equal(shown[:, 50:400], before[:, 50:400])
    stated = pydicom.dcmread(source)
    assert "SequenceOfUltrasoundRegions" in stated
    assert run(source, tmp_path / "b.dcm", "--salt", "a", "--ultrasound-regions") == 0
    item, shown = (
        stated.SequenceOfUltrasoundRegions[0],
        pydicom.dcmread(tmp_path / "b.dcm").pixel_array,
    )
    assert not shown[:, : item.RegionLocationMinY0].any()
    assert shown[:, item.RegionLocationMinY0 : item.RegionLocationMaxY1].any()


def test_a_file_of_rules_that_is_not_understood_is_refused(tmp_path, capsys):
    rules = tmp_path / "rules.script"
    for text, message in {
        '{ Modality.equals("US") + Modality.equals("CT") } (1,2,3,4)': "is no comparison",
        "(1,2,3,4)": "a condition in braces",
        "": "it holds no rule",
    }.items():
        rules.write_text(text)
        assert (
            run(ROOT / "CT_small.dcm", tmp_path / "o", "--salt", "a", "--pixel-rules", rules) != 0
        )
        assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_the_check_names_places_and_no_values(scans, tmp_path, capsys):
    held = tree(scans)
    command = ["biomed", "deidentify-check", str(scans / "A")]
    assert main(command) == 1
    output = capsys.readouterr().out
    assert "private elements" in output
    assert main([*command, "--exit-zero"]) == 0
    assert capsys.readouterr().out == output
    assert main([*command, "--json"]) == 1
    printed = capsys.readouterr().out
    name = str(pydicom.dcmread(scans / "A/17106").PatientName)
    assert name not in printed + output
    assert all("PatientName" in each["identity"] for each in json.loads(printed))
    assert tree(scans) == held
    (tmp_path / "empty").mkdir()
    assert check(tmp_path / "empty") == 2
    assert "no DICOM file" in capsys.readouterr().err


def test_a_copy_that_was_looked_at_has_no_findings(tmp_path, capsys):
    source, target = ROOT / "CT_small.dcm", tmp_path / "clean.dcm"
    assert run(source, target, "--salt", "secret", "--pixels-viewed") == 0
    capsys.readouterr()
    assert main(["biomed", "deidentify-check", str(target), "--json"]) == 0
    (findings,) = json.loads(capsys.readouterr().out)
    assert not any(value for name, value in findings.items() if name not in ("path", "pixels"))
    assert pydicom.dcmread(target).PatientID != pydicom.dcmread(source).PatientID
    before = target.read_bytes()
    assert run(source, target, "--salt", "secret") != 0
    assert "exists" in capsys.readouterr().err
    assert target.read_bytes() == before
