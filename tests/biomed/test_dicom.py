"""DICOM: units, order, windows, privacy, and files that are damaged or hostile."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from case_table import table
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, apply_windowing, pixel_array
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from scionwood import ReadError, WriteError
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_deid import to_display, window_values

SMALL = Path(str(get_testdata_file("CT_small.dcm")))
OTHERS = SMALL.parent

UNREADABLE = {
    "badVR.dcm": "'1A'",
    "MR_truncated.dcm": "it declares 8,192 bytes of pixels|less than expected",
    "JPGExtended.dcm": "JPEG Extended",
    "no_meta.dcm": "File Meta Information",
    "rtplan.dcm": "no image",
    "waveform_ecg.dcm": "no image",
    "test-SR.dcm": "no image",
}


def slices(folder, positions, **changes):
    """Write one file per position, named and numbered against the order of positions."""
    for number, z in enumerate(positions):
        path = folder / f"{99 - number}.dcm"
        DicomReader.write_sample(path)
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient = [0, 0, z]
        dataset.InstanceNumber = len(positions) - number
        pixels = np.full((32, 32), 1024 + round(10 * z), "<u2")
        dataset.PixelData = pixels.tobytes()
        for name, value in changes.items():
            setattr(dataset, name, value)
        dataset.save_as(path)
    return folder


def edited(tmp_path, edit):
    path = tmp_path / "edited.dcm"
    DicomReader.write_sample(path)
    dataset = pydicom.dcmread(path)
    edit(dataset)
    dataset.save_as(path)
    return path


def test_ct_is_read_in_hounsfield_units():
    with DicomReader(SMALL) as reader:
        (record,) = reader
    assert (record.data.min(), record.data.max(), np.median(record.data)) == (-896, 1167, 2)
    assert reader.units["data"] == "HU"


def test_ct_in_a_soft_tissue_window_is_black_below_and_white_above():
    reader = DicomReader(SMALL)
    values = reader.read(0).data
    shown = to_display(values, reader.series[0].first.header, "soft_tissue")
    assert (shown[values <= -160] == 0).all()
    assert (shown[values >= 240] == 1).all()
    inside = (values > -160) & (values < 240)
    np.testing.assert_allclose(shown[inside], (values[inside] + 160) / 400, atol=1e-6)


def test_a_window_maps_its_edges_to_black_and_white():
    shown = window_values(np.array([-500, -160, 40, 240, 900.0]), 40, 400)
    assert shown.tolist() == [0, 0, 0.5, 1, 1]


@table(
    ("function", "center", "width"),
    [(None, 40, 400), ("LINEAR", 40.5, 1), ("LINEAR_EXACT", 40, 400), ("SIGMOID", 40, 400)],
)
def test_the_window_of_a_file_has_its_function(function, center, width, tmp_path):
    def edit(dataset):
        dataset.WindowCenter, dataset.WindowWidth = center, width
        if function:
            dataset.VOILUTFunction = function

    path = edited(tmp_path, edit)
    reader, dataset = DicomReader(path), pydicom.dcmread(path)
    values = np.linspace(-300, 300, 601, dtype=np.float32).reshape(1, 1, -1, 1)
    wanted = apply_windowing(values, dataset) + 1024  # pydicom's range is -1024 to 3071
    shown = to_display(values, reader.series[0].first.header)
    np.testing.assert_allclose(shown, wanted / 4095, atol=1e-6)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_lookup_table_of_many_entries_maps_to_the_range_of_its_bits(syntax, tmp_path):
    little, table = syntax == ExplicitVRLittleEndian, np.arange(4096) // 32  # half of 8 bits
    lut = Dataset()
    lut.LUTDescriptor, lut["LUTDescriptor"].VR = [4096, -1024, 8], "SS"
    lut.add_new("LUTData", "OW", table.astype("<u2" if little else ">u2").tobytes())
    path = tmp_path / "lut.dcm"
    DicomReader.write_sample(path)
    dataset = pydicom.dcmread(path)
    del dataset.WindowCenter, dataset.WindowWidth
    dataset.VOILUTSequence = [lut]
    if not little:
        dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    encoding = {"implicit_vr": False, "little_endian": little}
    pydicom.dcmwrite(path, dataset, **encoding, force_encoding=True)
    reader = DicomReader(path)
    values = reader.read(0).data
    wanted = table[(values + 1024).astype(int)] / 255
    file = reader.series[0].first
    for header in (file.header, Dataset.from_json(dict(file.elements))):
        np.testing.assert_allclose(to_display(values, header), wanted, atol=1e-6)


def test_refuses_a_window_in_hu_for_other_modalities():
    reader = DicomReader(OTHERS / "MR_small.dcm")
    with pytest.raises(ReadError, match="this is MR"):
        to_display(reader.read(0).data, reader.series[0].first.header, "lung")


def test_monochrome1_is_shown_inverted(tmp_path):
    path = edited(tmp_path, lambda d: setattr(d, "PhotometricInterpretation", "MONOCHROME1"))
    inverted, plain = DicomReader(path), tmp_path / "plain.dcm"
    DicomReader.write_sample(plain)
    straight = DicomReader(plain)
    np.testing.assert_allclose(
        to_display(inverted.read(0).data, inverted.series[0].first.header),
        1 - to_display(straight.read(0).data, straight.series[0].first.header),
        atol=1e-6,
    )


def test_slices_are_sorted_by_position_and_not_by_instance_number(tmp_path):
    (record,) = DicomReader(slices(tmp_path, [7.5, -5, 2.5, 0]))
    assert record.coords["slice"].tolist() == [-5, 0, 2.5, 7.5]
    assert record.data[:, 0, 0, 0].tolist() == [-50, 0, 25, 75]


def test_groups_files_by_patient_orientation_and_series(tmp_path):
    for name, changes in {
        "a": {},
        "b": {"PatientID": "another"},
        "c": {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
        "d": {"SeriesInstanceUID": "1.2.3"},
    }.items():
        (tmp_path / name).mkdir()
        slices(tmp_path / name, [0, 5], **changes)
    records = list(DicomReader(tmp_path))
    assert [record.data.shape for record in records] == [(2, 32, 32, 1)] * 4
    assert len({record.key["subject"] for record in records}) == 2


def test_enhanced_multi_frame_files_use_the_position_and_slope_of_each_frame(tmp_path):
    def frames(dataset):
        dataset.NumberOfFrames = 2
        dataset.PixelData *= 2
        groups = []
        for z, slope in ((3, 2.0), (1, 1.0)):
            place, values, item = Dataset(), Dataset(), Dataset()
            place.ImagePositionPatient = [0, 0, z]
            values.RescaleSlope, values.RescaleIntercept = slope, -1024
            values.RescaleType = "HU"
            item.PlanePositionSequence = Sequence([place])
            item.PixelValueTransformationSequence = Sequence([values])
            groups.append(item)
        dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)

    (record,) = DicomReader(edited(tmp_path, frames))
    assert record.coords["slice"].tolist() == [1, 3]
    np.testing.assert_allclose(record.data[1] + 1024, 2 * (record.data[0] + 1024))


def test_records_hold_no_identifying_field():
    dataset = pydicom.dcmread(SMALL)
    reader = DicomReader(SMALL)
    (record,) = reader
    text = f"{record.key} {reader.series} {reader.units}"
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID"):
        assert str(dataset.get(name)) not in text
    assert "InstitutionName" not in reader.series[0].first.header


def test_the_subject_is_a_hash_with_the_salt_or_missing(tmp_path):
    first, second, salted = (
        DicomReader(SMALL, salt=salt).read(0).key["subject"] for salt in ("", "", "pepper")
    )
    assert first == second != salted
    path = edited(tmp_path, lambda dataset: setattr(dataset, "PatientID", " "))
    assert "subject" not in DicomReader(path).read(0).key


@table("name", UNREADABLE)
def test_unreadable_files_are_named_with_the_reason(name):
    with pytest.raises(ReadError, match=f"{name}.*({UNREADABLE[name]})"):
        list(DicomReader(OTHERS / name))


def test_a_folder_lists_skipped_files_and_needs_an_image(tmp_path):
    with pytest.raises(ReadError, match="no DICOM image"):
        DicomReader(tmp_path)
    slices(tmp_path, [0, 1])
    (tmp_path / "notes.txt").write_text("scanned on a Tuesday")
    reader = DicomReader(tmp_path)
    assert len(reader) == 1
    assert [path.name for path in reader.skipped] == ["notes.txt"]


def test_reads_a_deflated_file():
    path = OTHERS / "image_dfl.dcm"
    assert path.stat().st_size < 512 * 512
    assert DicomReader(path).read(0).data.shape == (1, 512, 512, 1)


def test_rewrite_keeps_bytes_of_unchanged_files_and_rounds_changed_values(tmp_path):
    target = tmp_path / "out.dcm"
    DicomReader(SMALL).rewrite(target, lambda record: record.data)
    assert target.read_bytes() == SMALL.read_bytes()
    DicomReader(SMALL).rewrite(target, lambda record: record.data + 0.6, overwrite=True)
    np.testing.assert_array_equal(
        DicomReader(target).read(0).data, DicomReader(SMALL).read(0).data + 1
    )
    assert pydicom.dcmread(target).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_a_copy_keeps_the_bits_of_pixels_that_did_not_change(tmp_path):
    def edit(dataset):
        dataset.BitsAllocated = dataset.BitsStored = 32
        dataset.HighBit = 31
        pixels = 2**30 + np.arange(32 * 32, dtype="<u4")
        dataset.PixelData = pixels.tobytes()

    def change(record):
        record.data[0, 3, 4] = 76
        return record.data

    path, target = edited(tmp_path, edit), tmp_path / "out.dcm"
    DicomReader(path).rewrite(target, change)
    before, copy = (pydicom.dcmread(p).pixel_array for p in (path, target))
    assert (before != copy).sum() == 1
    assert copy[3, 4] == 1100


def test_refuses_to_rewrite_colour(tmp_path):
    reader = DicomReader(OTHERS / "examples_rgb_color.dcm")
    with pytest.raises(WriteError, match="colour"):
        reader.rewrite(tmp_path / "out.dcm", lambda record: 1 - record.data)
    assert not (tmp_path / "out.dcm").exists()


COLOURED = (
    "SC_rgb_rle.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "SC_rgb_dcmtk_+eb+cy+s2.dcm",
    "examples_ybr_color.dcm",
    "examples_palette.dcm",
)


@table("name", COLOURED)
def test_colours_are_those_of_pydicom(name):
    path = OTHERS / name
    dataset = pydicom.dcmread(path)
    expected, bits = pixel_array(dataset), dataset.BitsStored
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        expected = apply_color_lut(expected, dataset)[..., :3]
        bits = dataset.RedPaletteColorLookupTableDescriptor[2]
    data = DicomReader(path).read(0).data
    np.testing.assert_allclose(data, expected.reshape(data.shape) / (2**bits - 1), atol=1e-6)
