"""A text detector may say "text, look"; where it cannot run, that is said."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw
from pydicom.data import get_testdata_file

from scionwood import ReadError
from scionwood_biomed import DeidentifyOptions, deidentify, inspect
from scionwood_biomed.privacy.text_detector import obstacle

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom, about odd headers


@pytest.fixture
def scan(tmp_path):
    """A CT slice of 256 x 256 with a name in its upper left corner."""
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    body = np.kron(dataset.pixel_array.astype(np.float32), np.ones((2, 2)))
    picture = Image.fromarray((255 * body / body.max()).astype(np.uint8))
    ImageDraw.Draw(picture).text((8, 8), "RAHMAN KARIM 1961", fill=255)
    values = np.asarray(picture).astype(np.int16)
    dataset.Rows, dataset.Columns = values.shape
    dataset.PixelData = values.tobytes()
    dataset.save_as(tmp_path / "scan.dcm")
    return tmp_path / "scan.dcm"


def test_without_the_extra_the_search_is_refused_by_name(scan, monkeypatch):
    from scionwood_biomed.privacy import text_detector

    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    text_detector._networks.cache_clear()
    try:
        assert "is not installed" in obstacle()
        with pytest.raises(ReadError, match="pip install rapidocr onnxruntime"):
            inspect(scan, detect_text=True)
    finally:
        text_detector._networks.cache_clear()


@pytest.mark.skipif(find_spec("rapidocr") is None, reason="the extra `ocr` is not installed")
@pytest.mark.parametrize("readers", ["inline", "service"])
def test_the_detector_says_look_and_never_that_there_is_no_name(
    readers, scan, tmp_path, monkeypatch
):
    monkeypatch.setenv("SCIONWOOD_READERS", readers)
    plain = get_testdata_file("CT_small.dcm")
    assert inspect(scan).burned_in == "pixels not looked at"
    line = inspect(scan, detect_text=True).burned_in
    assert "a text detector sees text in frame 0 at x" in line
    x, y = (int(part.split()[1]) for part in line.partition(" at ")[2].split(", ")[:2])
    assert (x, y) <= (12, 12)
    assert inspect(plain, detect_text=True).burned_in.endswith("1 of 1 frames: no proof")
    deidentify(scan, tmp_path / "copy.dcm", DeidentifyOptions(salt="pepper", detect_text=True))
    assert pydicom.dcmread(tmp_path / "copy.dcm").PatientIdentityRemoved == "NO"
