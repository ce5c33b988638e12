"""Text that is burned into pixels is found by an OCR, where the extra `ocr` is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw
from pydicom.data import get_testdata_file

from scionwood import ReadError
from scionwood_biomed.api import PixelPolicy, deidentify, inspect
from scionwood_biomed.privacy import copying

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


def test_without_an_ocr_the_search_is_refused_by_name(scan, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    monkeypatch.setenv("SCIONWOOD_READERS", "inline")
    from scionwood_biomed.privacy.text_detector import _engine

    _engine.cache_clear()
    with pytest.raises(ReadError, match=r"scionwood-biomed\[ocr\]"):
        inspect(scan, detect_text=True)


@pytest.mark.slow
def test_a_copy_with_text_in_its_pixels_does_not_state_yes(scan, tmp_path):
    pytest.importorskip("rapidocr_onnxruntime")
    plain = Path(str(get_testdata_file("CT_small.dcm")))
    assert inspect(scan).burned_in == ""
    assert "an OCR sees text in frame 0 at x" in inspect(scan, detect_text=True).burned_in
    assert inspect(plain, detect_text=True).burned_in == ""
    stated = {}
    for policy in (
        PixelPolicy(detect_text=True),
        PixelPolicy(detect_text=True, viewed=True),
        PixelPolicy(
            detect_text=True,
            rules=copying_rules(tmp_path, '{ Modality.equals("CT") } (0, 0, 256, 40)'),
        ),
    ):
        copy = tmp_path / "copy.dcm"
        deidentify(scan, copy, salt="a secret of the tests", pixels=policy, overwrite=True)
        stated[policy] = pydicom.dcmread(copy).PatientIdentityRemoved
        assert copying.inspect(copy).clean
    assert list(stated.values()) == ["NO", "YES", "YES"]


def copying_rules(folder, text):
    """Return the rules of a file with this text."""
    from scionwood_biomed.privacy.pixels import read_rules

    path = folder / "rules.txt"
    path.write_text(text, "utf-8")
    return read_rules(path)
