"""A copy of an image states YES only after a look at its pixels that is recorded."""

import csv
import re

import nibabel as nib
import numpy as np
import pydicom
import pytest

from scionwood import OutputExistsError, ReadError
from scionwood.cli import main
from scionwood_biomed import DeidentifyOptions, deidentify, inspect
from scionwood_deid.look import parse_boxes, read_looks, who_looks
from scionwood_deid.reviewing import Review

from .named import KINDS, reads_name, write

NOT_LOOKED = "pixels not looked at"
BOX = "0 0 200 24"

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom, about odd headers


def states(path):
    dataset = pydicom.dcmread(path)
    return dataset.PatientIdentityRemoved, str(dataset.DeidentificationMethod[1])


def review(*words):
    return main(["biomed", "review", *map(str, words)])


def check(path):
    return main(["biomed", "deidentify-check", str(path)])


def decide(folder, decisions, **columns):
    """Write a table of decisions."""
    names = [*dict.fromkeys(["file", "decision", *columns])]
    with (folder / "table.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, names)
        table.writeheader()
        for name, decision in decisions.items():
            more = {column: values.get(name, "") for column, values in columns.items()}
            table.writerow({"file": name, "decision": decision, **more})
    return folder / "table.csv"


@pytest.fixture
def clean(tmp_path):
    """Copies of four kinds of images; two have several frames, one is in colour."""
    (tmp_path / "scans").mkdir()
    write(tmp_path / "scans/1.dcm", "CR of MONOCHROME1")
    write(tmp_path / "scans/2.dcm", "US that says NO", frames=3, bits=8)
    write(tmp_path / "scans/3.dcm", "colour of CR")
    write(tmp_path / "scans/4.dcm", "CT, DOSE_INFO")
    words = [str(tmp_path / "scans"), str(tmp_path / "clean"), "--salt", "pepper"]
    assert main(["biomed", "deidentify", *words]) == 0
    return tmp_path / "clean"


def images(folder):
    return [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*.dcm"))]


def test_no_kind_of_image_states_yes_without_a_look(tmp_path):
    assert len(KINDS) == 17
    copies = tmp_path / "copies"
    copies.mkdir()
    for number, kind in enumerate(KINDS):
        path, copy = write(tmp_path / f"{number}.dcm", kind), copies / f"{number}.dcm"
        assert reads_name(path), kind
        deidentify(path, copy, DeidentifyOptions(salt="pepper"))
        assert states(copy) == ("NO", NOT_LOOKED), kind
        image = pydicom.dcmread(copy)
        assert image.get("BurnedInAnnotation", "") != "NO" or kind == "DX that says NO"
        assert inspect(copy).burned_in.startswith(NOT_LOOKED), kind
        image.PatientIdentityRemoved = "YES"  # as an earlier version would have stamped it
        image.save_as(copy)
        assert check(copy) == 1, kind
    table = decide(tmp_path, dict.fromkeys(images(copies), "keep"))
    assert review(copies, "--decisions", table, "--who", "A. Reader") == 0
    reviewed = tmp_path / "copies-reviewed"
    for name in images(copies):
        assert states(reviewed / name) == ("YES", "pixels looked at"), name
    assert check(reviewed) == 0


def test_keep_blank_and_drop_go_into_a_new_folder_with_a_record(clean, capsys):
    before = {name: (clean / name).read_bytes() for name in images(clean)}
    first, second, third, fourth = images(clean)
    decisions = {first: "keep", second: "blank", third: "blank", fourth: "drop"}
    regions = {second: BOX, third: f"{BOX}; 0 100 5 5"}
    table = decide(clean.parent, decisions, regions=regions)
    assert review(clean, "--decisions", table, "--who", "A. Reader") == 0
    assert "4 of 4 images are decided" in capsys.readouterr().out
    kept = clean.with_name("clean-reviewed")
    assert images(kept) == [first, second, third]
    assert [reads_name(kept / name) for name in images(kept)] == [True, False, False]
    assert {name: (clean / name).read_bytes() for name in images(clean)} == before
    looks = read_looks(kept / "review.csv")
    assert {name: look.decision for name, look in looks.items()} == decisions
    assert looks[third].boxes == f"{BOX}; 0 100 5 5"
    for look in looks.values():
        assert look.who == "A. Reader"
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", look.when)
        assert look.how == "table"
    for name in images(kept):
        assert states(kept / name) == ("YES", "pixels looked at")
        codes = {
            i.CodeValue for i in pydicom.dcmread(kept / name).DeidentificationMethodCodeSequence
        }
        assert ("113101" in codes) == (decisions[name] == "blank")
    assert check(kept) == 0


def test_a_later_change_of_the_pixels_or_of_the_record_voids_the_look(clean):
    table = decide(clean.parent, dict.fromkeys(images(clean), "keep"))
    assert review(clean, "--decisions", table) == 0
    kept = clean.with_name("clean-reviewed")
    assert check(kept) == 0
    record = (kept / "review.csv").read_text()
    for name in images(kept):
        held = (kept / name).read_bytes()
        dataset = pydicom.dcmread(kept / name)
        pixels = bytearray(dataset.PixelData)
        pixels[len(pixels) // 2] ^= 1  # one bit
        dataset.PixelData = bytes(pixels)
        dataset.save_as(kept / name)
        assert inspect(kept / name).burned_in.startswith(NOT_LOOKED)
        assert check(kept) == 1
        (kept / name).write_bytes(held)
    dataset = pydicom.dcmread(kept / name)
    dataset.Rows, dataset.Columns = dataset.Columns, dataset.Rows
    dataset.save_as(kept / name)
    assert check(kept / name) == 1
    (kept / name).write_bytes(held)
    assert check(kept) == 0
    for changed in ("", record.replace("keep", "drop"), "file,who\nscan.dcm,Miller\n"):
        (kept / "review.csv").write_text(changed)
        assert check(kept) == 1
    (kept / "review.csv").unlink()
    assert check(kept) == 1


def test_a_look_does_not_clear_what_the_verifier_found(tmp_path):
    """The stamp of a copy carries the reason, so that a review without the source knows it."""
    path = write(tmp_path / "in.dcm", "CR")
    dataset = pydicom.dcmread(path)
    dataset.PatientName = "Bodypart^Zzyzzx"
    dataset.save_as(path)
    (tmp_path / "copies").mkdir()
    deidentify(path, tmp_path / "copies/zzyzzx.dcm", DeidentifyOptions(salt="pepper"))
    assert states(tmp_path / "copies/zzyzzx.dcm") == ("NO", "the verifier found something")
    table = decide(tmp_path, {"zzyzzx.dcm": "keep"})
    assert review(tmp_path / "copies", "--decisions", table) == 0
    kept = tmp_path / "copies-reviewed/zzyzzx.dcm"
    assert states(kept) == ("NO", "the verifier found something")
    dataset.save_as(tmp_path / "copies/zzyzzx.dcm")  # a source is no copy at all
    assert review(tmp_path / "copies", tmp_path / "other", "--decisions", table) == 0
    assert "PatientIdentityRemoved" not in pydicom.dcmread(tmp_path / "other/zzyzzx.dcm")


def test_a_declared_look_is_recorded_as_such(tmp_path):
    path = write(tmp_path / "in.dcm", "US without a modality")
    (tmp_path / "copies").mkdir()
    copy = tmp_path / "copies/scan.dcm"
    deidentify(path, copy, DeidentifyOptions(salt="pepper", pixels_viewed=True))
    (look,) = read_looks(tmp_path / "copies/review.csv").values()
    assert (look.how, look.who) == ("declared", who_looks(None))
    assert states(copy) == ("YES", "pixels looked at")
    assert check(copy) == 0


@pytest.mark.slow
def test_sheets_show_every_frame_and_a_filled_table_is_carried_out(clean, capsys, monkeypatch):
    from PIL import Image

    monkeypatch.setenv("SCIONWOOD_READERS", "service")
    sheets = clean.with_name("sheets")
    assert review(clean, "--sheets", sheets) == 0
    assert review(clean, "--sheets", sheets) != 0
    with (sheets / "decisions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["frames"] for row in rows} == {"1", "3"}
    assert {row["sheet"] for row in rows} == {"0001.png", "0002.png"}
    assert all(row["decision"] == "" for row in rows)
    assert all(row["texts"] for row in rows)  # what a detector saw, or why none ran
    for path in sheets.glob("*.png"):
        with Image.open(path) as picture:
            assert picture.width > 400
    for row in rows:
        row["decision"] = "blank" if row["frames"] == "3" else "keep"
        row["regions"] = BOX
    with (sheets / "decisions.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    assert review(clean, "--decisions", sheets / "decisions.csv") == 0
    capsys.readouterr()
    assert check(clean.with_name("clean-reviewed")) == 0
    kept = clean.with_name("clean-reviewed")
    assert sorted(reads_name(kept / name) for name in images(kept)) == [False, True, True, True]


def test_a_table_that_is_wrong_changes_nothing(clean, capsys):
    first, second, *_ = images(clean)
    for decisions, columns, message in (
        ({first: "keep", "no.dcm": "keep"}, {}, "line 3: .* has no image no.dcm"),
        ({first: "keep", second: "hide"}, {}, "'hide' is none of keep, blank, drop"),
        ({first: "blank"}, {"regions": {first: "1 2 3"}}, "a region is four whole numbers"),
        ({first: "keep"}, {"pixels": {first: "0" * 64}}, "the pixels have changed"),
    ):
        table = decide(clean.parent, decisions, **columns)
        assert review(clean, "--decisions", table) != 0
        assert re.search(message, capsys.readouterr().err)
        assert not clean.with_name("clean-reviewed").exists()
    table = decide(clean.parent, {first: "blank"}, regions={first: "500 0 10 10"})
    assert review(clean, "--decisions", table) != 0
    assert "lies outside of 200 x 120 pixels" in capsys.readouterr().err
    table = decide(clean.parent, {first: "blank"})
    assert review(clean, "--decisions", table) != 0
    assert "no region to blank" in capsys.readouterr().err


def test_a_review_goes_on_where_it_stopped_and_a_decision_can_be_taken_back(clean):
    target = clean.with_name("kept")
    first, second, *_ = images(clean)
    one = Review(clean, target, "A", "page")
    one.decide(first, "keep")
    one.decide(second, "blank", parse_boxes(BOX))
    two = Review(clean, target, "B", "page")
    assert len(two.open_names()) == 2
    assert two.shown(second) == target / second
    two.reopen(first)
    assert not (target / first).exists()
    assert len(Review(clean, target, "B", "page").open_names()) == 3
    dataset = pydicom.dcmread(clean / second)
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(clean / second)
    with pytest.raises(ReadError, match="lie apart"):
        Review(clean, clean / "kept", "A", "page")


def test_what_cannot_be_shown_can_only_be_dropped(clean):
    name = images(clean)[0]
    content = (clean / name).read_bytes()
    (clean / name).write_bytes(content[: len(content) // 2])
    looks = Review(clean, clean.with_name("kept"), "A", "page")
    assert looks.images[0].frames == 0
    with pytest.raises(ReadError, match="nobody can look at it"):
        looks.decide(name, "keep")
    looks.decide(name, "drop")
    assert not (clean.with_name("kept") / name).exists()


def test_volumes_are_looked_at_too(tmp_path, capsys):
    values = np.arange(60 * 50 * 4, dtype="f4").reshape(60, 50, 4)
    (tmp_path / "copies").mkdir()
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "copies/scan.nii.gz")
    assert check(tmp_path / "copies") == 1
    table = decide(tmp_path, {"scan.nii.gz": "blank"}, regions={"scan.nii.gz": "10 20 30 5"})
    assert review(tmp_path / "copies", "--decisions", table) == 0
    kept = nib.load(tmp_path / "copies-reviewed/scan.nii.gz")
    after = values.copy()
    after[10:40, 20:25] = 0
    np.testing.assert_array_equal(kept.get_fdata(), after)
    assert check(tmp_path / "copies-reviewed") == 0
    capsys.readouterr()


def test_names_of_people_and_regions_are_checked():
    assert parse_boxes(" 1 2  3 4 ;; 5 6 7 8;") == [(1, 2, 3, 4), (5, 6, 7, 8)]
    for text in ("1 2 3", "1 2 0 4", "a b c d", "-1 0 5 5", "1.5 0 5 5"):
        with pytest.raises(ReadError, match="four whole numbers"):
            parse_boxes(text)
    assert who_looks(" A. Reader ") == "A. Reader"
    for text in ("", "a" * 65, "a\nb"):
        with pytest.raises(ReadError, match="--who NAME"):
            who_looks(text)


def test_the_folder_of_sheets_is_never_replaced(clean, tmp_path):
    from scionwood_deid.sheets import Sheets
    from scionwood_deid.tables_of_decisions import write_sheets

    (tmp_path / "sheets").mkdir()
    with pytest.raises(OutputExistsError):
        write_sheets(Sheets(Review(clean, tmp_path / "kept", "A", "table")), tmp_path / "sheets")
