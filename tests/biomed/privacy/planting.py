"""Plant a value into every attribute of Table E.1-1, and count those that are still there."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom._dicom_dict import DicomDictionary
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from scionwood_deid.tables import rules

SMALL = Path(str(get_testdata_file("CT_small.dcm")))

TEXTS = ("LO", "SH", "LT", "ST", "UT", "UC")
VALUES = {
    **dict.fromkeys(TEXTS, "SECRETTEXT"),
    **{"PN": "SECRET^NAME", "UR": "http://secret.example", "AE": "SECRETAE", "CS": "SECRETCS"},
    **{"DA": "19501231", "TM": "121314", "DT": "19501231121314", "UI": "1.2.3.4.5678.999"},
    **{"AS": "066Y", "DS": "77.7", "IS": "777", "US": 777, "SS": 777, "UL": 777, "SL": 777},
    **{"FD": 77.7, "FL": 77.5, "UV": 777, "SV": 777, "AT": 0x00100010},
    **{"OB": b"SECRET", "OW": b"SECRET", "UN": b"SECRET", "OF": b"SECR", "OL": b"SECR"},
    **{"OD": b"SECRETSE", "OV": b"SECRETSE"},
}
"""A value for each representation, which no list of words holds."""

STRUCTURE = frozenset({
    "PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "SamplesPerPixel", "PhotometricInterpretation", "SOPClassUID", "SpecificCharacterSet",
    "NumberOfFrames", "PlanarConfiguration", "FloatPixelData", "DoubleFloatPixelData",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelDataProviderURL",
    "SmallestImagePixelValue", "LargestImagePixelValue", "PixelPaddingValue",
})  # fmt: skip
"""What a reader needs to decode the pixels; a value planted here would only break the file."""


def of_table() -> list[BaseTag]:
    """Return the attributes of Table E.1-1 that can be planted into a data set."""
    tags = [Tag(int(tag, 16)) for tag in rules() if "X" not in tag]
    return [t for t in tags if t.group not in (0, 2) and _plantable(t)]


def of_dictionary() -> list[BaseTag]:
    """Return the attributes of the dictionary that the table does not name."""
    named = {int(tag, 16) for tag in rules() if "X" not in tag}
    tags = [Tag(tag) for tag in DicomDictionary if tag not in named]
    return [t for t in tags if 4 < t.group < 0x5000 and t.element and _plantable(t)]


def plant(dataset: Dataset, tags: list[BaseTag]) -> dict[BaseTag, str]:
    """Set a value for each attribute; return the representation of each."""
    done = {}
    for tag in tags:
        vr = dictionary_VR(tag).split(" or ")[0]
        dataset.add_new(tag, vr, Sequence([_item()]) if vr == "SQ" else VALUES[vr])
        done[tag] = vr
    return done


def survivors(dataset: Dataset, planted: dict[BaseTag, str]) -> list[str]:
    """Return the keywords of attributes whose planted value is still in a data set."""
    return [keyword_for_tag(tag) for tag, vr in planted.items() if _survives(dataset, tag, vr)]


def sample() -> Dataset:
    """Return a CT slice."""
    return pydicom.dcmread(SMALL)


def _survives(dataset: Dataset, tag: BaseTag, vr: str) -> bool:
    if tag not in dataset or dataset[tag].is_empty:
        return False
    element = dataset[tag]
    if vr == "SQ":
        texts = [str(e.value) for item in element.value for e in item.iterall()]
        return any("SECRET" in text for text in texts)
    return str(element.value) == str(VALUES[vr])


def _plantable(tag: BaseTag) -> bool:
    return tag in DicomDictionary and keyword_for_tag(tag) not in STRUCTURE


def _item() -> Dataset:
    item = Dataset()
    item.CodeMeaning = item.TextValue = item.UnformattedTextValue = "SECRET IN AN ITEM"
    item.PatientName = "SECRET^NAME"
    return item
