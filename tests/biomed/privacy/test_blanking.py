"""Text in pixels is blanked in all frames, looked at again, and never taken for a person's look."""

from importlib.util import find_spec

import numpy as np
import pydicom
import pytest
from case_table import table
from pydicom.uid import RLELossless

from scionwood_biomed import DeidentifyOptions, deidentify
from scionwood_deid.seeds import plain, resembles, seeds_of

from .named import NAME, named, reads_name, write

READS = all(find_spec(name) for name in ("rapidocr", "onnxruntime", "cv2"))
reads = pytest.mark.skipif(not READS, reason="the extra `pixels` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom, about odd headers
OPTIONS = DeidentifyOptions(salt="pepper", blank_text=True)


def ybr(dataset):
    """Store colours as brightness and two differences."""
    dataset.PhotometricInterpretation = "YBR_FULL"
    grey = np.frombuffer(dataset.PixelData, np.uint8).reshape(-1, 3)[:, 0]
    dataset.PixelData = np.stack([grey, 0 * grey + 128, 0 * grey + 128], -1).tobytes()


def rle(dataset):
    """Compress the frames."""
    dataset.compress(RLELossless)


@reads
@pytest.mark.slow
@table(
    ("kind", "options", "change"),
    [
        ("CT", {}, None),
        ("CR of MONOCHROME1", {"bits": 8}, None),
        ("US that says NO", {"bits": 8, "frames": 6}, rle),
        ("colour of CR", {}, ybr),
    ],
    ids=["16 bits", "MONOCHROME1", "compressed frames", "YBR"],
)
def test_a_name_is_blanked_in_all_frames_and_the_copy_says_who_looked(
    kind, options, change, tmp_path
):
    dataset = named(kind, **options)
    if change:
        change(dataset)
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert reads_name(tmp_path / "a.dcm")
    _, after = deidentify(tmp_path / "a.dcm", tmp_path / "b.dcm", OPTIONS)
    assert not reads_name(tmp_path / "b.dcm")
    assert "like the header" in after.burned_in
    copy = pydicom.dcmread(tmp_path / "b.dcm")
    assert copy.PatientIdentityRemoved == "NO"
    assert copy.DeidentificationMethod[1] == "pixels looked at by a text detector alone"
    assert "113101" in [item.CodeValue for item in copy.DeidentificationMethodCodeSequence]
    body = copy.pixel_array.reshape(-1, *copy.pixel_array.shape[-3:])
    assert np.ptp(body[..., 60:, :, :] if copy.SamplesPerPixel == 3 else copy.pixel_array) > 20


@reads
@pytest.mark.slow
def test_an_image_that_no_decoder_takes_is_not_called_looked_at(tmp_path):
    dataset = named("CR", bits=8)
    dataset.compress(RLELossless)
    dataset.PixelData = dataset.PixelData[:40] + bytes(len(dataset.PixelData) - 40)
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    _, after = deidentify(tmp_path / "a.dcm", tmp_path / "b.dcm", OPTIONS)
    assert "no text detector looked" in after.burned_in
    assert pydicom.dcmread(tmp_path / "b.dcm").DeidentificationMethod[1] == "pixels not looked at"


def test_the_header_gives_names_identities_and_dates_in_the_forms_of_a_screen(tmp_path):
    seeds = seeds_of(write(tmp_path / "a.dcm", "CR"))
    assert plain("Quinlevan") in seeds
    assert all(resembles(text, seeds) for text in (NAME, "QU1NLEVAM, J.", "ID 84719305"))
    assert not any(resembles(text, seeds) for text in ("FOV 240 mm", "Jane", "AXIAL T1 TSE"))


@table("text", ["12.03.1961", "03/12/1961", "1961-03-12", "12-MAR-1961", "born Mar 12, 1961"])
def test_a_date_is_found_in_the_usual_orders(text, tmp_path):
    dataset = named("CR")
    dataset.PatientBirthDate = "19610312"
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert resembles(text, seeds_of(tmp_path / "a.dcm"))
