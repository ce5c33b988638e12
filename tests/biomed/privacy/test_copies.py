"""Copies of real files keep their pixels, conform to their definition, and trace to no source."""

import contextlib
import json
from importlib.resources import files as resources
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from case_table import table
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence

from scionwood import OutputExistsError, ReadError
from scionwood_biomed import DeidentifyOptions, Profile, deidentify, inspect
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_deid import OptionError
from scionwood_deid.dicom_copy import copy_file
from scionwood_deid.keys import Key, make_key
from scionwood_deid.order import Order
from scionwood_deid.pixels import PixelPolicy
from scionwood_deid.profile import CODES
from scionwood_deid.unseen import lines_of

SMALL = Path(str(get_testdata_file("CT_small.dcm")))
KEY = Key("a secret of the tests")
STANDARD = json.loads((resources("scionwood_deid.standard") / "objects.json").read_text("utf-8"))

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom, about odd headers


def missing(dataset):
    """Return attributes of mandatory modules that lack: type 1 without a value, type 2 at all."""
    name = STANDARD["classes"].get(str(dataset.get("SOPClassUID", "")), "")
    filled = {e.keyword for e in dataset if not e.is_empty}
    there = {e.keyword for e in dataset}
    wanted = {
        (keyword, kind)
        for number, usage in STANDARD["objects"].get(name, [])
        for keyword, (kind, *_) in STANDARD["nodes"][number].items()
        if usage == "M"
    }
    lacking = {keyword for keyword, kind in wanted if kind == "1" and keyword not in filled}
    return lacking | {keyword for keyword, kind in wanted if kind == "2" and keyword not in there}


def copied(path, *, pixels=None, **options):
    policy = pixels or PixelPolicy(viewed=True)
    made = copy_file(path, Order(KEY, Profile(**options), policy), "copy.dcm")
    return made, pydicom.dcmread(BytesIO(made.data.tobytes()))


def changed(path, edit):
    dataset = pydicom.dcmread(SMALL)
    edit(dataset)
    dataset.save_as(path)
    return path


def items(**values):
    item = pydicom.Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return Sequence([item])


def real_files(largest):
    found = [path for path in sorted(SMALL.parent.rglob("*")) if path.is_file()]
    return [path for path in found if 1000 < path.stat().st_size < largest]


@pytest.mark.parametrize(
    ("largest", "copies"), [(8_000, 25), pytest.param(9_000_000, 90, marks=pytest.mark.slow)]
)
def test_copies_of_real_files_conform_and_hold_the_same_pixels(largest, copies):
    made, refused, cleared = 0, {}, 0
    for path in real_files(largest):
        try:
            result, back = copied(path)
        except ReadError as error:
            refused[path.name] = error.rule
            continue
        source = pydicom.dcmread(path)
        made += 1
        assert missing(back) <= missing(source), path
        assert result.traces == [], path
        assert result.removed, (path, result.after)
        if "PixelData" not in source or "Overlay" in str(source.dir()):
            continue
        if back.PixelData != source.PixelData:  # a comment of the program that compressed them
            cleared += 1
            assert lines_of(source), path
            assert lines_of(back) == [], path
            with contextlib.suppress(RuntimeError):  # no decoder takes this source
                shown = source.pixel_array
                np.testing.assert_array_equal(back.pixel_array, shown, str(path))
    assert made >= copies
    assert cleared <= 12
    assert "structured report" in refused["test-SR.dcm"]
    assert all("it " in rule or "no definition" in rule for rule in refused.values())


SECRETS = {
    "nested": lambda d: setattr(d, "ReferencedStudySequence", items(PatientName="SECRET^NAME")),
    "private": lambda d: d.private_block(0x99, "SECRET", create=True).add_new(1, "LO", "SECRET"),
    "unknown": lambda d: d.add_new(0x00101FFF, "UN", b"SECRET"),
    "known as UN": lambda d: d.add_new(0x00081030, "UN", b"SECRET"),
    "preamble": lambda d: setattr(d, "preamble", b"SECRET" + bytes(122)),
    "padding": lambda d: d.add_new(0xFFFCFFFC, "OB", b"SECRET"),
    "meta": lambda d: setattr(d.file_meta, "SendingApplicationEntityTitle", "SECRET"),
    "overlay": lambda d: d.add_new(0x60001500, "LO", "SECRET"),
    "curve": lambda d: d.add_new(0x50000040, "LO", "SECRET"),
    "icon": lambda d: setattr(d, "IconImageSequence", items(PixelData=b"SECRET", BitsAllocated=8)),
    "graphics": lambda d: setattr(d, "GraphicAnnotationSequence", items(GraphicLayer="SECRET")),
    "content": lambda d: setattr(d, "ContentSequence", items(TextValue="SECRET")),
    "code": lambda d: setattr(d, "AnatomicRegionSequence", items(CodeValue="SECRET")),
    "meaning": lambda d: setattr(
        d,
        "AnatomicRegionSequence",
        items(CodeValue="T-D1100", CodingSchemeDesignator="SRT", CodeMeaning="SECRET"),
    ),
    "ImageType": lambda d: setattr(d, "ImageType", ["ORIGINAL", "PRIMARY", "SECRET"]),
    "Manufacturer": lambda d: setattr(d, "Manufacturer", "SECRET"),
    "kernel": lambda d: setattr(d, "ConvolutionKernel", "SECRET"),
    "window": lambda d: setattr(d, "WindowCenterWidthExplanation", "SECRET"),
}  # fmt: skip


@table("place", SECRETS)
def test_a_secret_in_a_side_channel_is_found_and_removed(place, tmp_path):
    path = changed(tmp_path / "in.dcm", SECRETS[place])
    assert b"SECRET" in path.read_bytes()
    made, back = copied(path)
    assert made.removed
    assert b"SECRET" not in made.data.tobytes()
    SECRETS[place](back)
    back.save_as(tmp_path / "again.dcm")
    found = inspect(tmp_path / "again.dcm")
    assert len(found.lines) >= 1


def test_bits_outside_of_the_samples_are_cleared(tmp_path):
    def hide(dataset):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
        pixels = np.frombuffer(dataset.PixelData, "<u2") & 0xFFF
        dataset.PixelData = (pixels | 0x8000).tobytes()

    path = changed(tmp_path / "in.dcm", hide)
    assert any("bits" in line for line in inspect(path).channels)
    _, back = copied(path)
    pixels = np.frombuffer(back.PixelData, "<u2")
    np.testing.assert_array_equal(
        pixels, np.frombuffer(pydicom.dcmread(path).PixelData, "<u2") & 0xFFF
    )


def test_traces_tell_a_value_that_the_tables_would_let_through(tmp_path):
    """A patient called like a word of imaging is no trace; a UID or a name elsewhere is one."""
    from scionwood_deid.traces import traces

    source = pydicom.dcmread(SMALL)
    _, copy = copied(SMALL)
    assert traces(source, copy, "copy.dcm") == []
    copy.AcquisitionTimeSynchronized = "N"
    copy.ImageComments = f"x {source.PatientName}"
    copy.SynchronizationFrameOfReferenceUID = source.StudyInstanceUID
    assert set(traces(source, copy)) == {"ImageComments", "SynchronizationFrameOfReferenceUID"}
    assert traces(source, copied(SMALL)[1], f"{source.PatientID}.dcm") == ["the name of the file"]


def test_dates_move_by_one_offset_of_the_subject(tmp_path):
    path = changed(tmp_path / "in.dcm", lambda d: setattr(d, "SeriesDate", "20040126"))
    made, back = copied(path, dates="shift")
    source = pydicom.dcmread(path)
    moved = {
        (pydicom.valuerep.DA(source[n].value) - pydicom.valuerep.DA(back[n].value)).days
        for n in ("StudyDate", "SeriesDate", "ContentDate")
    }
    assert moved == {KEY.days(str(source.PatientID))}
    assert back.StudyTime == source.StudyTime
    assert back.LongitudinalTemporalInformationModified == "MODIFIED"
    assert "PatientBirthDate" not in back or not back.PatientBirthDate
    assert made.removed


@table(
    ("options", "kept", "code"),
    [
        ({"keep": ("device",)}, "StationName", "device"),
        ({"keep": ("patient",)}, "PatientAge", "patient"),
        ({"keep": ("institution",)}, "InstitutionName", "institution"),
        ({"keep": ("uids",)}, "StudyInstanceUID", "uids"),
        ({"dates": "keep"}, "StudyDate", "dates"),
    ],
)
def test_an_option_keeps_its_attributes_and_states_its_code(options, kept, code):
    made, back = copied(SMALL, **options)
    source = pydicom.dcmread(SMALL)
    assert back[kept].value == source[kept].value
    assert kept not in copied(SMALL)[1] or copied(SMALL)[1][kept].value != source[kept].value
    stated = {item.CodeValue for item in back.DeidentificationMethodCodeSequence}
    assert stated == {CODES["basic"][0], CODES[code][0]}
    assert made.removed


def test_descriptions_keep_words_of_imaging_and_a_study_without_patient_has_its_pseudonym(tmp_path):
    def describe(dataset):
        dataset.SeriesDescription = "T1 AXIAL 5mm Herr Pietrzak 0171 2345"

    made, back = copied(changed(tmp_path / "in.dcm", describe), descriptions=True)
    assert back.SeriesDescription == "T1 AXIAL 5mm"
    assert made.removed
    subjects = set()
    for number, uid in enumerate(("1.2.3", "1.2.3", "1.2.4")):

        def edit(dataset, uid=uid):
            dataset.PatientID, dataset.StudyInstanceUID = "", uid

        _, back = copied(changed(tmp_path / f"{number}.dcm", edit))
        subjects.add(str(back.PatientID))
    assert len(subjects) == 2


def test_a_key_is_a_file_of_the_user_and_is_never_replaced(tmp_path):
    key = tmp_path / "key"
    with pytest.raises(ReadError, match=r"key: there is no such key file. Make one"):
        deidentify(SMALL, tmp_path / "a.dcm", DeidentifyOptions(key=key))
    make_key(key)
    assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OutputExistsError):
        make_key(key)
    deidentify(SMALL, tmp_path / "a.dcm", DeidentifyOptions(key=key))
    deidentify(SMALL, tmp_path / "b.dcm", DeidentifyOptions(key=key))
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()
    key.write_text("short")
    with pytest.raises(ReadError, match="16 bytes or more"):
        deidentify(SMALL, tmp_path / "c.dcm", DeidentifyOptions(key=key))
    for given in ({}, {"salt": ""}, {"salt": "a", "key": key}):
        with pytest.raises(ReadError, match="salt"):
            deidentify(SMALL, tmp_path / "c.dcm", DeidentifyOptions(**given))
    assert not (tmp_path / "c.dcm").exists()


def test_slices_of_a_series_stay_together_and_the_copy_is_clean(tmp_path):
    for number in range(2):
        deidentify(SMALL, tmp_path / f"{number}.dcm", DeidentifyOptions(salt="pepper"))
        lines = inspect(tmp_path / f"{number}.dcm").lines
        assert lines == ["text in the pixels: pixels not looked at"]
    with pytest.raises(OutputExistsError):
        deidentify(SMALL, tmp_path / "0.dcm", DeidentifyOptions(salt="pepper"))
    (record,) = DicomReader(tmp_path)
    assert record.data.shape[0] == 2


def test_pseudonyms_ignore_case_and_blanks_and_depend_on_the_secret():
    assert KEY.subject("P0a") == KEY.subject(" p0A ") != Key("other").subject("P0a")
    assert KEY.uid("1.2.3") == KEY.uid("1.2.3") != Key("other").uid("1.2.3")
    assert KEY.uid("1.2.3").is_valid
    assert "secret" not in repr(KEY)
    for options, name in (
        ({"dates": "hide"}, "dates 'hide'"),
        ({"keep": ("nurse",)}, "keep 'nurse'"),
    ):
        with pytest.raises(OptionError, match=name):
            Profile(**options)
