"""Structured reports: codes, numbers and words of imaging stay, and nothing else of their text."""

import pydicom
import pytest
from case_table import table
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from scionwood import ReadError
from scionwood_biomed import DeidentifyOptions, deidentify, inspect

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom, about odd headers

ENCAPSULATED = "1.2.840.10008.5.1.4.1.1.104."


def code(value, scheme, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def content(kind, **fields):
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", kind
    item.ConceptNameCodeSequence = code("121071", "DCM", "Finding")
    for name, value in fields.items():
        setattr(item, name, value)
    return item


@pytest.fixture
def report(tmp_path):
    """A report whose third level names the patient, a physician, a date, and a number."""
    dataset = pydicom.dcmread(get_testdata_file("reportsi.dcm"))
    dataset.PatientName, dataset.PatientID = "Head^Lucia", "84719305"
    dataset.SOPInstanceUID = generate_uid()
    numbers = Dataset()
    numbers.NumericValue, numbers.MeasurementUnitsCodeSequence = "12.5", code("mm", "UCUM", "mm")
    deepest = [
        content("TEXT", TextValue="Lucia Head, by Dr. Moreau: HEAD CT with contrast, 84719305"),
        content("PNAME", PersonName="Moreau^Anne"),
        content("DATE", Date="19610312"),
        content("NUM", MeasuredValueSequence=Sequence([numbers])),
        content("TEXT", TextValue="Brain axial by Weissmann"),
    ]
    middle = content("CONTAINER", ContentSequence=Sequence(deepest))
    dataset.ContentSequence = Sequence([content("CONTAINER", ContentSequence=Sequence([middle]))])
    dataset.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    return tmp_path / "report.dcm"


def test_a_report_is_refused_unless_it_is_asked_for(report, tmp_path):
    with pytest.raises(ReadError, match=r"structured report.*--reports"):
        deidentify(report, tmp_path / "copy.dcm", DeidentifyOptions(salt="pepper"))


def test_words_of_imaging_codes_and_numbers_stay(report, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("Brain\nWeissmann\n")
    copy = tmp_path / "copy.dcm"
    options = DeidentifyOptions(salt="pepper", reports=True, names=names)
    deidentify(report, copy, options)
    dataset = pydicom.dcmread(copy)
    (outer,) = dataset.ContentSequence
    text, person, day, number, other = outer.ContentSequence[0].ContentSequence
    assert "CT" in text.TextValue.split()  # a term
    assert "contrast" in text.TextValue.split()
    assert "head" not in text.TextValue.casefold()  # the patient's name, and a word of imaging
    assert other.TextValue == "axial"  # Brain is on the list of names
    assert person.PersonName == "REMOVED"
    assert day.Date == "19000101"
    assert number.MeasuredValueSequence[0].NumericValue == 12.5
    assert text.ConceptNameCodeSequence[0].CodeMeaning == "Finding"
    assert not any(word in str(dataset) for word in ("Lucia", "Moreau", "84719305", "Weissmann"))
    assert inspect(copy).lines == []
    assert dataset.PatientIdentityRemoved == "YES"
    codes = [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]
    assert "113104" in codes


def test_the_verifier_sees_text_that_a_copy_of_a_report_may_not_hold(report, tmp_path):
    deidentify(report, tmp_path / "copy.dcm", DeidentifyOptions(salt="pepper", reports=True))
    dataset = pydicom.dcmread(tmp_path / "copy.dcm")
    item = dataset.ContentSequence[0].ContentSequence[0].ContentSequence[0]
    item.TextValue = "seen by Dr. Moreau"
    dataset.save_as(tmp_path / "copy.dcm")
    assert any("TextValue: no list" in line for line in inspect(tmp_path / "copy.dcm").lines)


@table(("kind", "name"), [("1", "PDF"), ("2", "CDA document"), ("3", "model of a body")])
def test_documents_are_refused_by_name(kind, name, tmp_path):
    dataset = pydicom.dcmread(get_testdata_file("reportsi.dcm"))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ENCAPSULATED + kind
    dataset.save_as(tmp_path / "document.dcm")
    with pytest.raises(ReadError, match=f"an encapsulated {name}"):
        deidentify(tmp_path / "document.dcm", tmp_path / "c.dcm", DeidentifyOptions(salt="pepper"))
