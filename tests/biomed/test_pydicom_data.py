"""The images of pydicom-data: radiographs, CT, MR, ultrasound and colour of many vendors.

`make install` installs the package; it is 34 MB, and none of it is in this repository.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut, pixel_array

from scionwood import ReadError
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_deid import frame_item, to_display

SPEC = find_spec("data_store")
pytestmark = pytest.mark.skipif(
    SPEC is None, reason="pydicom-data is not installed: `make install` installs it"
)
FOLDER = Path(str(SPEC.origin)).parent / "data" if SPEC else Path()
CINE = "color3d_jpeg_baseline.dcm"
"""120 JPEG frames of 640 x 480, which take as long as all other files together."""

NAMED = {
    "OT-PAL-8-face.dcm": "File Meta Information",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "holds no image",
}


def decoded(path):
    """Return the shapes of the series of a file, or the reason why it cannot be read."""
    try:
        records = list(DicomReader(path))
    except ReadError as error:
        return str(error)
    assert all(np.isfinite(record.data).all() for record in records)
    return [record.data.shape for record in records]


@pytest.mark.parametrize("largest", [200_000, pytest.param(1 << 30, marks=pytest.mark.slow)])
def test_all_files_decode_except_two_that_are_refused_with_a_reason(largest):
    files = sorted(path for path in FOLDER.iterdir() if path.name != CINE)
    assert len(files) == 67
    chosen = [path for path in files if path.stat().st_size < largest or path.name in NAMED]
    results = {path.name: decoded(path) for path in chosen}
    refused = {name: message for name, message in results.items() if isinstance(message, str)}
    assert refused.keys() == NAMED.keys()
    for name, message in refused.items():
        assert name in message
        assert NAMED[name] in message


@pytest.mark.slow
def test_a_cine_in_colour_decodes_frame_by_frame():
    assert decoded(FOLDER / CINE) == [(120, 480, 640, 3)]


@pytest.mark.parametrize("name", ["RG1_UNCR.dcm", "RG3_UNCR.dcm"])
def test_radiographs_in_monochrome1_are_shown_inverted(name):
    dataset = pydicom.dcmread(FOLDER / name)
    assert dataset.PhotometricInterpretation == "MONOCHROME1"
    reader = DicomReader(FOLDER / name)
    (record,) = reader
    shown = to_display(record.data, reader.series[0].first.header)[0, ..., 0]
    stored = apply_modality_lut(dataset.pixel_array, dataset)
    centre, width = float(dataset.WindowCenter), float(dataset.WindowWidth)
    window = (stored - (centre - 0.5)) / (width - 1) + 0.5  # LINEAR, PS3.3 C.11.2.1.2.1
    np.testing.assert_allclose(shown, 1 - window.clip(0, 1), atol=1e-5)
    assert shown[stored == stored.max()].max() < 0.12 < 0.8 < shown[stored == stored.min()].min()


def test_radiograph_is_equal_in_two_transfer_syntaxes():
    plain, lossless = (
        DicomReader(FOLDER / f"RG3_{end}.dcm").read(0).data for end in ("UNCR", "J2KR")
    )
    np.testing.assert_array_equal(plain, lossless)


def test_red_of_native_ybr_is_red():
    data = DicomReader(FOLDER / "SC_ybr_full_uncompressed.dcm").read(0).data
    assert np.rint(255 * data[0, 5, 50]).tolist() == [254, 0, 0]


@pytest.mark.parametrize("name", ["emri_small.dcm", "eCT_Supplemental.dcm"])
def test_an_enhanced_multi_frame_file_has_the_values_of_pydicom(name):
    dataset = pydicom.dcmread(FOLDER / name)
    reader = DicomReader(FOLDER / name)
    (record,) = reader
    stored = pixel_array(dataset)
    assert len(record.data) == dataset.NumberOfFrames
    for place, frame in enumerate(reader.series[0].order):
        item = frame_item(dataset, frame, "PixelValueTransformationSequence") or dataset
        slope, intercept = item.get("RescaleSlope", 1), item.get("RescaleIntercept", 0)
        expected = stored[frame] * float(slope) + float(intercept)
        np.testing.assert_allclose(record.data[place, ..., 0], expected, rtol=1e-6)
