"""Picture files, and the picture of any image file."""

import nibabel as nib
import numpy as np
import pytest
import tifffile
from case_table import table
from PIL import Image

from scionwood import ReadError, WriteError
from scionwood.authoring import TrainingSubset
from scionwood_biomed.data.base import fitted
from scionwood_biomed.data.images import Images
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_biomed.readers.opening import read_image, subject_of
from scionwood_biomed.readers.pictures import PictureReader


def test_sixteen_bits_are_kept(tmp_path):
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    Image.fromarray(values).save(tmp_path / "a.png")
    (record,) = PictureReader(tmp_path / "a.png")
    np.testing.assert_allclose(record.data[..., 0] * 65535, values, atol=0.01)
    PictureReader(tmp_path / "a.png").rewrite(tmp_path / "b.png", lambda record: 1 - record.data)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "b.png")), 65535 - values)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_zero_is_white_is_turned(bits, tmp_path):
    values = np.arange(24, dtype=f"uint{bits}").reshape(4, 6) * 9
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    (record,) = PictureReader(tmp_path / "a.tif")
    np.testing.assert_allclose(record.data[..., 0], 1 - values / (2**bits - 1), atol=1e-6)


@table("kind", ["int16", "int32", "uint32", "float32"])
def test_samples_of_other_kinds_are_refused_by_name(kind, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 6), kind))
    with pytest.raises(
        ReadError, match=r"its samples are (signed|real|whole) numbers of \d\d bits"
    ):
        PictureReader(tmp_path / "a.tif")


def test_channels_of_16_bits_are_refused_as_pillow_reads_8_of_them(tmp_path):
    values = np.arange(72, dtype=np.uint16).reshape(4, 6, 3) * 900
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    with pytest.raises(ReadError, match="16 bits each, of which Pillow reads 8"):
        PictureReader(tmp_path / "a.tif")


def test_further_pages_are_named(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((3, 40, 60), "uint8"), photometric="minisblack")
    with pytest.warns(UserWarning, match="a.tif: the first of its 3 pages is read"):
        (record,) = PictureReader(tmp_path / "a.tif")
    assert record.data.shape == (40, 60, 1)


def test_picture_is_rotated_by_its_exif_orientation(tmp_path):
    image = Image.new("L", (4, 2))
    image.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    image.save(tmp_path / "a.png", exif=exif)
    (record,) = PictureReader(tmp_path / "a.png")
    assert record.data.shape == (4, 2, 1)
    assert record.data[0, 1, 0] == 1


def test_refuses_to_rewrite_jpeg_with_new_values(tmp_path):
    Image.new("L", (8, 8), 100).save(tmp_path / "a.jpg")
    with pytest.raises(WriteError, match="JPEG is lossy"):
        PictureReader(tmp_path / "a.jpg").rewrite(tmp_path / "b.jpg", lambda r: 1 - r.data)
    assert not (tmp_path / "b.jpg").exists()


def test_an_axial_slice_is_seen_from_the_feet_with_the_face_up(tmp_path):
    volume = np.zeros((5, 6, 3), "f4")  # RAS
    volume[4, 5, 1] = 1  # right, front
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "a.nii")
    picture = read_image(tmp_path / "a.nii")
    assert picture.shape == (6, 5, 3)
    assert (picture[0, 0] == 1).all()


def test_picture_of_a_ct_file_uses_the_chosen_window(tmp_path):
    DicomReader.write_sample(tmp_path / "a.dcm")
    soft, bone = (read_image(tmp_path / "a.dcm", window=w) for w in ("soft_tissue", "bone"))
    assert soft.shape == bone.shape == (32, 32, 3)
    assert soft[16, 8, 0] == pytest.approx(0.4)  # water at centre 40, width 400
    assert bone[16, 8, 0] == pytest.approx(500 / 1800)


def test_refuses_an_unknown_file_ending(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(ReadError, match="no reader knows"):
        read_image(tmp_path / "a.txt")
    assert subject_of(tmp_path / "a.png") is None


def test_a_list_of_training_examples_names_their_files(tmp_path):
    for label in ("a", "b"):
        for n in range(6):
            (tmp_path / label).mkdir(exist_ok=True)
            Image.new("L", (8, 8), 20 * n).save(tmp_path / label / f"s{n}.png")
    data = Images(source=tmp_path, subject="(.*)", size=8, shots=None)
    data.setup("fit")
    loader = data.train_dataloader()
    subset = TrainingSubset.of(loader, [1])
    assert subset.names == (loader.dataset.inner.items[1].path.name,)
    assert subset.names[0].endswith(".png")


SUBJECT = r"(p\d+)/"


@pytest.fixture(params=["inline", "service"])
def folder(request, tmp_path, monkeypatch):
    """Twelve images of six subjects; one is cut, one is a bomb of a few bytes."""
    monkeypatch.setenv("SCIONWOOD_READERS", request.param)
    random = np.random.default_rng(0)
    for number in range(12):
        path = tmp_path / ("cyst", "healthy")[number % 2] / f"p{number // 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (64, 64), np.uint8)).save(path)
    cut, bomb = (next(tmp_path.rglob(f"{number}.png")) for number in (4, 7))
    cut.write_bytes(cut.read_bytes()[:900])
    head = bytearray(bomb.read_bytes())
    head[16:24] = (60_000).to_bytes(4, "big") * 2  # declared width and height
    bomb.write_bytes(bytes(head))
    return tmp_path


def test_bad_images_are_skipped_and_the_others_are_read(folder):
    data = Images(source=folder, subject=SUBJECT, on_bad_file="skip", size=64, batch_size=2)
    data.setup("fit")
    assert [path.rpartition("/")[2] for path in data.data_files.skipped] == ["4.png", "7.png"]
    assert len(data.items()) == 10
    images = [data.picture(item) for item in data.items()]
    assert {image.shape[:2] for image in images} == {(64, 64)}


def test_a_bad_image_stops_unless_the_recipe_says_skip(folder):
    data = Images(source=folder, subject=SUBJECT, size=64)
    cut = next(item for item in data.items() if item.path.name == "4.png")
    with pytest.raises(ReadError, match=r"4\.png"):
        data.picture(cut)


def test_pictures_become_squares_without_stretching():
    wide = np.zeros((50, 100, 3), np.float32)
    wide[:, 50:] = 1
    image = fitted(wide, 25)
    assert image.shape == (3, 25, 25)
    assert image[0, :, :10].max() < 0.05
    assert image[0, :, -10:].min() > 0.95
