"""Bytes that no viewer shows are found in strangers' copies, and are gone in ours."""

import gzip
import io
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from case_table import table
from PIL import Image, ImageCms
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence

from scionwood import ReadError
from scionwood_biomed import DeidentifyOptions, deidentify, inspect
from scionwood_deid.colour_profiles import profile_spans
from scionwood_deid.dicom_copy import copy_file
from scionwood_deid.keys import Key
from scionwood_deid.names import odd_names
from scionwood_deid.order import Order
from scionwood_deid.pixels import PixelPolicy
from scionwood_deid.terms import imaging_words
from scionwood_deid.unseen import clear_unseen, lines_of

ROOT = Path(str(get_testdata_file("CT_small.dcm"))).parent
KEY = Key("a secret of the tests")
SECRET = b"QUINLEVAN^JOHN.."

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom, about odd headers


def frames(dataset, change):
    """Change each frame of compressed pixels."""
    count = int(dataset.get("NumberOfFrames") or 1)
    held = generate_frames(dataset.PixelData, number_of_frames=count)
    dataset.PixelData = encapsulate([change(frame) for frame in held])


def segment(marker, text=SECRET):
    return marker + struct.pack(">H", len(text) + 2) + text


def comment_of_image(frame):
    comment = segment(b"\xff\x64", b"\0\1" + SECRET)
    return frame.replace(b"\xff\x52", comment + b"\xff\x52", 1)


def another_frame(dataset):
    held = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate([*held, b"\xff\xd8\xff\xfe" + SECRET])


def comment_of_tile(frame):
    """Put a comment into the head of the first tile-part of a JPEG 2000 codestream."""
    at = frame.index(b"\xff\x90")
    (length,) = struct.unpack_from(">I", frame, at + 6)
    added = segment(b"\xff\x64", b"\0\1" + SECRET)
    length = struct.pack(">I", length + len(added) if length else 0)
    head = frame[: at + 6] + length + frame[at + 10 : at + 12]
    return head + added + frame[at + 12 :]


def profile():
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", made, 128)
    for at in range(132, 132 + 12 * count, 12):
        tag, start, size = struct.unpack_from(">4sII", made, at)
        if tag in (b"desc", b"cprt"):
            made[start + size - 16 : start + size] = SECRET
    made[80:84] = SECRET[:4]
    return bytes(made)


def waveform(dataset):
    item = pydicom.Dataset()
    item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = 1, 4
    item.WaveformBitsAllocated, item.WaveformBitsStored = 16, 16
    item.WaveformData = bytes(8) + SECRET
    dataset.WaveformSequence = Sequence([item])


def palette(dataset):
    dataset.RedPaletteColorLookupTableData += SECRET


def after(text):
    return lambda d: setattr(d, "PixelData", d.PixelData + text)


CASES = {
    "behind the last pixel": ("CT_small.dcm", after(SECRET)),
    "behind it, odd": ("CT_small.dcm", after(SECRET + b"x")),
    "a frame too many": ("CT_small.dcm", after(SECRET * 2048)),
    "JPEG comment": (
        "SC_rgb_jpeg_dcmtk.dcm",
        lambda d: frames(d, lambda f: f[:2] + segment(b"\xff\xfe") + f[2:]),
    ),
    "JPEG APP1": (
        "SC_rgb_jpeg_dcmtk.dcm",
        lambda d: frames(d, lambda f: f[:2] + segment(b"\xff\xe1") + f[2:]),
    ),
    "behind EOI": ("SC_rgb_jpeg_dcmtk.dcm", lambda d: frames(d, lambda f: f + SECRET)),
    "JPEG-LS comment": (
        "MR_small_jpeg_ls_lossless.dcm",
        lambda d: frames(d, lambda f: f[:2] + segment(b"\xff\xfe") + f[2:]),
    ),
    "JPEG 2000 comment": (
        "MR_small_jp2klossless.dcm",
        lambda d: frames(d, comment_of_image),
    ),
    "JPEG 2000 tile comment": ("MR_small_jp2klossless.dcm", lambda d: frames(d, comment_of_tile)),
    "behind EOC": ("MR_small_jp2klossless.dcm", lambda d: frames(d, lambda f: f + SECRET)),
    "behind RLE": ("MR_small_RLE.dcm", lambda d: frames(d, lambda f: f + SECRET)),
    "one frame too many": (
        "SC_rgb_jpeg_dcmtk.dcm",
        another_frame,
    ),
    "ICC profile": ("SC_rgb_small_odd.dcm", lambda d: setattr(d, "ICCProfile", profile())),
    "palette": ("examples_palette.dcm", palette),
    "private pixels": (
        "CT_small.dcm",
        lambda d: d.private_block(0x7FE1, "SECRET", create=True).add_new(0x10, "OW", SECRET),
    ),
    "overlay": ("CT_small.dcm", lambda d: d.add_new(0x60003000, "OW", SECRET)),
    "variable pixels": ("CT_small.dcm", lambda d: d.add_new(0x7F000010, "OW", SECRET)),
    "coefficients": ("CT_small.dcm", lambda d: d.add_new(0x7FE00020, "OW", SECRET)),
    "waveform": ("CT_small.dcm", waveform),
}  # fmt: skip


@table("case", CASES)
def test_bytes_behind_an_image_are_found_and_go_while_its_pixels_stay(case, tmp_path):
    name, hide = CASES[case]
    source = pydicom.dcmread(ROOT / name)
    clear_unseen(source)
    source.save_as(tmp_path / "plain.dcm")
    shown = source.pixel_array
    hide(source)
    source.save_as(tmp_path / "in.dcm")
    assert SECRET[:4] in (tmp_path / "in.dcm").read_bytes()
    found = {*inspect(tmp_path / "in.dcm").header} - {*inspect(tmp_path / "plain.dcm").header}
    assert found
    made = copy_file(tmp_path / "in.dcm", Order(KEY, pixels=PixelPolicy(viewed=True)), "copy.dcm")
    back = pydicom.dcmread(io.BytesIO(made.data.tobytes()))
    assert SECRET[:4] not in made.data.tobytes()
    assert made.removed, made.after
    np.testing.assert_array_equal(back.pixel_array, shown)


def test_a_waveform_keeps_its_samples_and_loses_what_stands_behind_them():
    dataset = pydicom.dcmread(ROOT / "waveform_ecg.dcm")
    item = dataset.WaveformSequence[0]
    samples = item.WaveformData
    assert lines_of(dataset) == []
    item.WaveformData = samples + SECRET
    assert lines_of(dataset) == ["WaveformSequence[0].WaveformData: bytes behind the last value"]
    clear_unseen(dataset)
    assert item.WaveformData == samples


def test_a_profile_without_its_texts_gives_the_same_colours(tmp_path):
    made = bytearray(profile())
    spans = profile_spans(bytes(made))
    for _, start, stop in spans:
        made[start:stop] = bytes(stop - start)
    assert SECRET[:4] not in bytes(made)
    assert profile_spans(bytes(made)) == []
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
    lab = ImageCms.createProfile("LAB")
    shown = [
        np.asarray(ImageCms.profileToProfile(picture, io.BytesIO(each), lab, outputMode="LAB"))
        for each in (profile(), bytes(made))
    ]
    np.testing.assert_array_equal(*shown)
    assert [span.what for span in profile_spans(SECRET)] == ["a colour profile that cannot be read"]


def test_frames_that_cannot_be_told_apart_are_no_clean_copy(tmp_path):
    """A table of offsets may hold a text: it is left, since decoders need it, and reported."""
    dataset = pydicom.dcmread(ROOT / "SC_rgb_jpeg_dcmtk.dcm")
    value = dataset.PixelData
    (length,) = struct.unpack_from("<I", value, 4)
    table = b"\xfe\xff\x00\xe0" + struct.pack("<I", 16) + SECRET
    dataset.PixelData = table + value[8 + length :]
    dataset.save_as(tmp_path / "in.dcm")
    made = copy_file(tmp_path / "in.dcm", Order(KEY, pixels=PixelPolicy(viewed=True)), "copy.dcm")
    assert made.after.channels == ["PixelData: a table of offsets that leads to no fragment"]
    assert not made.removed


def test_drawn_comments_anywhere_in_a_frame_are_cleared(tmp_path):
    """Segments with a random marker and text, at random places before the image data."""
    rng = np.random.default_rng(7)
    plain = pydicom.dcmread(ROOT / "SC_rgb_jpeg_dcmtk.dcm")
    (frame,) = generate_frames(plain.PixelData, number_of_frames=1)
    shown = plain.pixel_array
    for _ in range(60):
        places = [2]
        while frame[places[-1] + 1] != 0xDA:
            (length,) = struct.unpack_from(">H", frame, places[-1] + 2)
            places.append(places[-1] + 2 + length)
        at = int(rng.choice(places))
        marker = bytes([0xFF, int(rng.choice([0xFE, *range(0xE1, 0xEE), 0xEF]))])
        text = bytes(rng.integers(1, 256, int(rng.integers(1, 900)), np.uint8))
        dataset = pydicom.dcmread(ROOT / "SC_rgb_jpeg_dcmtk.dcm")
        changed = frame[:at] + segment(marker, text) + frame[at:]
        changed += text * int(rng.integers(0, 2))
        cuts = sorted(rng.integers(0, len(changed), int(rng.integers(0, 3))) // 2 * 2)
        pieces = [changed[a:b] for a, b in zip([0, *cuts], [*cuts, len(changed)], strict=True)]
        items = b"".join(
            b"\xfe\xff\x00\xe0" + struct.pack("<I", len(p) + len(p) % 2) + p + bytes(len(p) % 2)
            for p in [b"", *pieces]
        )
        dataset.PixelData = items
        assert lines_of(dataset)
        clear_unseen(dataset)
        assert lines_of(dataset) == []
        assert len(text) < 8 or text not in b"".join(
            dataset.PixelData[8:].split(b"\xfe\xff\x00\xe0")
        )
        np.testing.assert_array_equal(dataset.pixel_array, shown)


def test_the_heads_of_gzip_are_read(tmp_path):
    image = nib.Nifti1Image(np.arange(24, dtype="i2").reshape(2, 3, 4), np.eye(4))
    nib.save(image, tmp_path / "a.nii")
    content = (tmp_path / "a.nii").read_bytes()
    for name, head, what in (
        ("img", b"\x08\0\0\0\0\0\x03miller.nii\0", "the name of a file in the head of gzip"),
        ("data", b"\x10\0\0\0\0\0\x03Mrs. Miller\0", "a comment in the head of gzip"),
        ("vol", b"\x04\0\0\0\0\0\x03\x06\0miller", "a field of programs in the head of gzip"),
    ):
        plain = gzip.compress(content, mtime=0)
        path = tmp_path / f"{name}.nii.gz"
        path.write_bytes(b"\x1f\x8b\x08" + head + plain[10:])
        assert what in inspect(path).channels
        deidentify(path, tmp_path / f"{name}_copy.nii.gz", DeidentifyOptions(salt="pepper"))
        assert inspect(tmp_path / f"{name}_copy.nii.gz").header == []
        assert b"iller" not in (tmp_path / f"{name}_copy.nii.gz").read_bytes()
    path.write_bytes(plain + b"Miller")
    with pytest.raises(ReadError):
        inspect(path)


@table(
    ("text", "left"),
    [
        ("MRI BRAIN 555 123 456", "MRI BRAIN"),
        ("MRI BRAIN 555-123-456", "MRI BRAIN"),
        ("BRAIN 84 T1 71 T2 93 05", "BRAIN T1 T2"),
        ("555 HEAD 123 HEAD 456", "HEAD HEAD"),
        ("CT HEAD 5mm 3", "CT HEAD 5mm 3"),
        ("T1 AXIAL 90", "T1 AXIAL 90"),
    ],
)
def test_numbers_in_groups_do_not_stay_in_descriptions(text, left):
    assert imaging_words(text) == left
    assert imaging_words(left) == left


def test_a_number_in_groups_is_traced_however_it_is_written(tmp_path):
    from scionwood_deid.traces import traces

    source = pydicom.dcmread(ROOT / "CT_small.dcm")
    source.PatientID = "555 123 456"
    source.save_as(tmp_path / "in.dcm")
    made = copy_file(tmp_path / "in.dcm", Order(KEY), "copy.dcm")
    back = pydicom.dcmread(io.BytesIO(made.data.tobytes()))
    for written in ("555123456", "555-123-456", "x 555 123 456"):
        back.ImageComments = written
        assert traces(source, back) == ["ImageComments"]
    back.ImageType = ["ORIGINAL", "PRIMARY", "55", "51", "23", "45", "6"]
    assert traces(source, back)
    back.save_as(tmp_path / "again.dcm", enforce_file_format=True)
    assert any("ImageType" in line for line in inspect(tmp_path / "again.dcm").header)


@table(
    ("name", "odd"),
    [
        ("QUINLEVAN_JOHN/S0/IM0001", ["folder"]),
        ("scans/84719305.dcm", ["file"]),
        ("scans/555 123 456.nii.gz", ["file"]),
        ("2024-03-12/CT/IM1", ["folder"]),
        ("1.2.840.113619.2.1.dcm", ["file"]),
        ("miller/anna.dcm", ["file", "folder"]),
        ("sub-01/ses-01/anat/sub-01_T1w.nii.gz", []),
        ("ac7471a15ff43c82/9b979cea0ff8d07b/8025f02f240aaef4/d92d544405c153bf.dcm", []),
    ],
)
def test_names_of_files_and_folders_are_judged(name, odd):
    lines = odd_names(Path(name))
    assert [line.partition(" holds")[0].removeprefix("the name of ") for line in lines] == [
        {"file": "the file", "folder": "a folder"}[each] for each in odd
    ]
