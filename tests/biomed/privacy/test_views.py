"""What a person sees of pixels, and where a text detector says "text, look"."""

import sys
from importlib.util import find_spec

import numpy as np
import pydicom
import pytest
from case_table import table
from PIL import Image, ImageDraw
from pydicom.data import get_testdata_file

from scionwood import ReadError
from scionwood_biomed import DeidentifyOptions, deidentify, inspect
from scionwood_deid.pictures import pictures_of
from scionwood_deid.text_detector import obstacle

from .named import named, write


@table("kind", ["CR", "CR of MONOCHROME1", "colour of CR"])
def test_a_name_one_grey_step_above_its_ground_is_visible(kind, tmp_path):
    """As a person sees it: the strokes differ from their ground by at least 40 of 255."""
    dataset = named(kind)
    plain = dataset.pixel_array.copy()
    plain[:30] = 1000 if plain.dtype == np.uint16 else 100
    marks = (
        np.abs(dataset.pixel_array[:30].astype(int) - int(dataset.pixel_array[25, 0].flat[0])) > 40
    )
    marks[18:] = False
    plain[:30] = plain[:30] + marks
    dataset.PixelData = plain.tobytes()
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    pictures = pictures_of(tmp_path / "a.dcm", [0], 1600)
    ink = marks if marks.ndim == 2 else marks[..., 0]
    shown = pictures.spread[0, :30, :, 0].astype(int)
    assert ink.sum() > 100
    assert abs(shown[ink].mean() - shown[~ink].mean()) > 40
    assert abs(np.diff([pictures.window[0, :30, :, 0][part].mean() for part in (ink, ~ink)])) < 3


def test_large_pictures_are_made_smaller_and_say_so(tmp_path):
    write(tmp_path / "a.dcm", "CR", frames=2)
    pictures = pictures_of(tmp_path / "a.dcm", [1], 100)
    assert pictures.shape == (2, 120, 200)
    assert pictures.window.shape == (1, 60, 100, 3)
    assert pictures.scale == 2


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
    from scionwood_deid import text_detector

    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    text_detector._networks.cache_clear()
    try:
        assert "is not installed" in obstacle()
        with pytest.raises(ReadError, match="pip install rapidocr onnxruntime"):
            inspect(scan, detect_text=True)
    finally:
        text_detector._networks.cache_clear()


@pytest.mark.skipif(find_spec("rapidocr") is None, reason="the extra `pixels` is not installed")
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
