"""Whole slides: pixel size of tiles, tissue, and splits by patient."""

import importlib
import sys

import numpy as np
import pytest
import tifffile
from case_table import table

from scionwood import ReadError, RecipeError, WriteError
from scionwood_biomed.data.images import Images
from scionwood_biomed.readers.opening import is_slide
from scionwood_biomed.readers.slides import SlideReader
from scionwood_biomed.readers.tissue import otsu, saturated, slices_with_tissue

from .scans import BONE, air, body

GLASS, STAIN = (242, 240, 241), (180, 90, 150)


def slide(path, pixels=None, mpp=0.5, levels=3, compression="deflate", size=1024, **options):
    """Write a pyramid whose left half is stained; each level halves the previous one."""
    if pixels is None:
        pixels = np.full((size, size, 3), GLASS, np.uint8)
        pixels[:, : size // 2] = STAIN
    common = {
        "tile": (256, 256),
        "photometric": "rgb",
        "compression": compression,
        "resolutionunit": "CENTIMETER" if mpp else "NONE",
    } | options
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for level in range(levels):
            writer.write(
                pixels[:: 2**level, :: 2**level],
                subifds=levels - 1 if level == 0 else None,
                subfiletype=int(level > 0),
                resolution=(1e4 / mpp / 2**level,) * 2 if mpp else None,
                **common,
            )
    return path


def bars(period, size=2048):
    """Return stained bars with a known period in pixels of the finest level."""
    dark = (np.arange(size) // (period // 2)) % 2 == 0
    pixels = np.full((size, size, 3), STAIN, np.uint8)
    pixels[:, dark] = (100, 30, 120)
    return pixels


@table("mpp", [0.5, 0.7, 1.0, 1.3, 2.0])
def test_tile_has_the_requested_pixel_size_within_one_percent(mpp, tmp_path):
    # A period has 128 pixels of 0.5 um, which is 64 um.
    reader = SlideReader(slide(tmp_path / "a.tiff", bars(128)), mpp=mpp, size=224)
    record = reader.read(0)
    assert record.data.shape == (224, 224, 3)
    line = record.data[112, :, 0]
    edges = np.flatnonzero((line[1:] > 0.55) != (line[:-1] > 0.55)) + 1.0
    um = 32 * (len(edges) - 1) / (edges[-1] - edges[0])
    # Edges are known to one pixel, which is less than one percent of the whole tile.
    assert um == pytest.approx(mpp, rel=0.01 + 1 / (edges[-1] - edges[0]))
    step = np.diff(record.coords["column"])
    np.testing.assert_allclose(step, mpp, rtol=0.01)


def test_the_coarsest_level_that_is_fine_enough_is_read(tmp_path):
    pixels = np.full((1024, 1024, 3), STAIN, np.uint8)
    path = tmp_path / "a.tiff"
    common = {"tile": (256, 256), "photometric": "rgb", "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as writer:
        for level in range(3):  # each level has its own colour
            mine = pixels[:: 2**level, :: 2**level].copy()
            mine[..., 1] = 10 * level
            writer.write(
                mine,
                subifds=2 if level == 0 else None,
                subfiletype=int(level > 0),
                resolution=(2e4 / 2**level,) * 2,
                **common,
            )
    for mpp, level in ((0.5, 0), (0.9, 0), (1.0, 1), (1.9, 1), (2.0, 2)):
        tile = SlideReader(path, mpp=mpp, size=64).read(0).data
        assert np.rint(255 * tile[..., 1]).max() == 10 * level


def test_only_tiles_with_tissue_are_read(tmp_path):
    reader = SlideReader(slide(tmp_path / "a.tiff"), mpp=0.5, size=128)
    assert sorted(set(reader.places[:, 0])) == [0, 128, 256, 384]
    assert len(reader) == 4 * 8
    everything = SlideReader(tmp_path / "a.tiff", mpp=0.5, size=128, tissue=0)
    assert len(everything) == 8 * 8


def test_grey_and_black_are_not_tissue():
    pixels = np.array([[[240, 240, 240], [0, 0, 0], STAIN, [200, 190, 195]]], np.uint8)
    assert saturated(pixels, 0.06).tolist() == [[False, False, True, False]]


def test_refuses_slides_without_tissue_or_rgb_and_to_upsample(tmp_path):
    glass = slide(tmp_path / "glass.tiff", np.full((512, 512, 3), GLASS, np.uint8))
    grey = np.zeros((256, 256), np.uint16)
    options = {"tile": (256, 256), "resolution": (2e4, 2e4), "resolutionunit": 3}
    tifffile.imwrite(tmp_path / "grey.tiff", grey, **options)
    for path, mpp, rule in (
        (glass, 0.5, "has tissue"),
        (tmp_path / "grey.tiff", 0.5, "uint16 in 1 channels"),
        (slide(tmp_path / "a.tiff"), 0.25, r"pixels have 0\.5 um, and 0\.25 um are requested"),
    ):
        with pytest.raises(ReadError, match=rule):
            SlideReader(path, mpp=mpp)


def test_pixel_size_can_be_given_if_the_file_states_none(tmp_path):
    path = slide(tmp_path / "a.tiff", mpp=None)
    with pytest.raises(ReadError, match="does not state its pixel size"):
        SlideReader(path)
    assert SlideReader(path, scanned_mpp=0.25, mpp=1.0, size=64).level_mpp[1] == (0.5, 0.5)


def test_reads_the_pixel_size_of_an_aperio_slide(tmp_path):
    text = "Aperio Image Library v11.2.1\r\n1024x1024 [0,0] |AppMag = 20|MPP = 0.4990"
    path = slide(tmp_path / "a.svs", mpp=None, levels=1, description=text, metadata=None)
    assert SlideReader(path, mpp=1.0, size=64).level_mpp[0] == (0.499, 0.499)


def test_rewritten_slide_is_a_pyramid(tmp_path):
    path = slide(tmp_path / "a.tiff", levels=2)
    reader = SlideReader(path, mpp=None, size=128)
    reader.rewrite(tmp_path / "b.tiff", lambda record: np.flip(record.data, -1))
    rewritten = SlideReader(tmp_path / "b.tiff", mpp=None, size=128)
    assert rewritten.level_mpp == [(0.5, 0.5), (1.0, 1.0), (2.0, 2.0)]
    np.testing.assert_array_equal(rewritten.places, reader.places)
    np.testing.assert_array_equal(rewritten.read(5).data, np.flip(reader.read(5).data, -1))
    with pytest.raises(WriteError, match="mpp=None"):
        SlideReader(path, mpp=1.0, size=128).rewrite(tmp_path / "c.tiff", lambda r: 1 - r.data)


def test_slides_are_split_by_patient_with_a_maximum_of_tiles(tmp_path):
    rows = ["path,label,subject"]
    for patient in range(6):
        name = f"{patient}.tiff"
        slide(tmp_path / name, size=512, levels=1)
        rows.append(f"{name},{('benign', 'malignant')[patient % 2]},p{patient}")
    (tmp_path / "slides.csv").write_text("\n".join(rows) + "\n")
    data = Images(source=tmp_path / "slides.csv", mpp=0.5, tiles=3, size=64, shots=None)
    parts = data.splits()
    assert {name: len(items) for name, items in parts.items()} == {"train": 6, "val": 6, "test": 6}
    owners = [{item.subject for item in items} for items in parts.values()]
    assert sum(map(len, owners)) == 6
    image = next(iter(data.test_dataloader()))["image"]
    np.testing.assert_allclose(image[:, :, 32, 32], np.tile(np.array(STAIN) / 255, (6, 1)), 0.01)


def test_refuses_slides_in_folders_without_a_subject(tmp_path):
    (tmp_path / "benign").mkdir()
    slide(tmp_path / "benign" / "p3_a.tiff", size=512, levels=1)
    with pytest.raises(RecipeError, match="its subject is not known"):
        Images(source=tmp_path).items()
    items = Images(source=tmp_path, subject=r"(p\d+)_", tiles=4, size=64).items()
    assert [item.subject for item in items] == ["p3"] * 4
    assert len({item.part for item in items}) == 4


def test_tiled_files_are_slides_and_others_are_pictures(tmp_path):
    tifffile.imwrite(tmp_path / "picture.tif", np.zeros((64, 64, 3), np.uint8), photometric="rgb")
    assert not is_slide(tmp_path / "picture.tif")
    assert is_slide(slide(tmp_path / "slide.tif", size=256, levels=1))
    assert is_slide(tmp_path / "any.svs")
    assert not is_slide(tmp_path / "any.png")


def test_does_not_open_other_files_that_a_slide_names(tmp_path):
    """OME-XML may spread an image over files, so a name in it could make a reader open any file."""
    options = {"tile": (256, 256), "photometric": "rgb", "metadata": {"axes": "YXS"}, "ome": True}
    for name, colour in (("a", STAIN), ("b", (10, 90, 20))):
        pixels = np.full((512, 512, 3), colour, np.uint8)
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", pixels, **options)
    with tifffile.TiffFile(tmp_path / "a.ome.tif", mode="r+") as file:
        tag = file.pages[0].tags["ImageDescription"]
        other = f'><UUID FileName="{tmp_path}/b.ome.tif">urn:uuid:1</UUID></TiffData>'
        tag.overwrite(tag.value.replace('PlaneCount="1"/>', f'PlaneCount="1"{other}').encode())
    reader = SlideReader(tmp_path / "a.ome.tif", scanned_mpp=0.5)
    assert np.rint(255 * reader.read(0).data[0, 0]).tolist() == list(STAIN)


def test_missing_slide_library_names_the_package_to_install(tmp_path, monkeypatch):
    path = slide(tmp_path / "a.tiff", size=256, levels=1)
    monkeypatch.setitem(sys.modules, "tiffslide", None)
    with pytest.raises(ImportError):
        importlib.import_module("tiffslide")
    with pytest.raises(ReadError, match="pip install tiffslide"):
        SlideReader(path)


def test_leaves_out_air_in_ct_by_its_hounsfield_units():
    volume = np.stack([air(), body(BONE, radius=0.2), body(BONE), body(BONE), air()])
    assert slices_with_tissue(volume, hounsfield=True).tolist() == [2, 3]  # 6 % of the fullest
    small = np.stack([air(), body(BONE, radius=0.4), body(BONE)])
    assert slices_with_tissue(small, hounsfield=True).tolist() == [1, 2]


def test_leaves_out_noise_in_other_volumes_by_otsus_threshold():
    rng = np.random.default_rng(0)
    volume = rng.rayleigh(10, (6, 32, 32))  # what magnitude images have outside of a head
    volume[2:4, 8:24, 8:24] += 200
    assert slices_with_tissue(volume, hounsfield=False).tolist() == [2, 3]


def test_keeps_every_slice_of_a_uniform_volume():
    assert slices_with_tissue(np.zeros((3, 4, 4)), hounsfield=False).tolist() == [0, 1, 2]
    assert slices_with_tissue(np.full((3, 4, 4), -1000.0), hounsfield=True).tolist() == [0, 1, 2]


def test_the_threshold_lies_between_two_peaks():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 1, 3000), rng.normal(10, 1, 1000)])
    assert 2.5 < otsu(values) < 7.5
