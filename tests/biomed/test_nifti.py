"""NIfTI: orientation, scaling, and files that are damaged or hostile."""

from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from case_table import table

from scionwood import ReadError
from scionwood_biomed.readers.nifti import NiftiReader


def saved(path, values, affine, dtype=None):
    nib.save(nib.Nifti1Image(values, affine, dtype=dtype), path)
    return path


def same_corners(reader, stored, affine):
    """Whether the first volume is RAS, with the corners of what is stored at their places."""
    (record, *_) = reader
    assert "".join(nib.aff2axcodes(reader.affine)) == "RAS"
    for corner in product(*((0, n - 1) for n in stored.shape)):
        world = affine @ (*corner, 1)
        there = (np.linalg.inv(reader.affine) @ world)[:3]
        place = tuple(int(i) for i in np.rint(there))
        assert np.abs(reader.affine @ (*place, 1) - world).max() < 1e-4  # mm
        assert record.data[place] == pytest.approx(stored[corner])
    return record


@table("codes", ["LAS", "LPS", "RAS", "PIR", "SLA"])
def test_every_orientation_becomes_ras_with_its_corners_where_they_were(codes, tmp_path):
    values = np.arange(24, dtype="f4").reshape(2, 3, 4)
    turn = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(codes), values.shape)
    affine = np.diag([1.5, 2, 3, 1]) @ turn
    affine[:3, 3] += (-20, 4, 7)
    reader = NiftiReader(saved(tmp_path / "a.nii", values, affine))
    record = same_corners(reader, values, affine)
    assert all((np.diff(record.coords[axis]) > 0).all() for axis in reader.dims)


@pytest.mark.parametrize("name", ["example4d.nii.gz", "anatomical.nii"])
def test_real_files_in_las_become_ras_with_their_corners_where_they_were(name):
    path = Path(nib.__file__).parent / "tests" / "data" / name
    stored = nib.load(path)
    assert "".join(nib.aff2axcodes(stored.affine)) == "LAS"
    values = stored.get_fdata()
    first = values[..., 0] if stored.ndim == 4 else values
    same_corners(NiftiReader(path), first, stored.affine)


@table("codes", ["RAS", "LAS", "PIR"])
def test_a_plane_is_a_volume_of_one_slice(codes, tmp_path):
    values = np.arange(12, dtype="i2").reshape(3, 4)
    turn = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(codes), (3, 4, 1))
    reader = NiftiReader(saved(tmp_path / "a.nii", values, turn))
    assert reader.shape == reader.read(0).data.shape
    same_corners(reader, values[..., None], turn)
    reader.rewrite(tmp_path / "b.nii", lambda record: record.data + 1)
    np.testing.assert_array_equal(nib.load(tmp_path / "b.nii").get_fdata(), values + 1)


def test_slope_and_intercept_are_applied(tmp_path):
    path = saved(tmp_path / "a.nii", np.arange(8, dtype="i2").reshape(2, 2, 2), np.eye(4))
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([0.5, 10], "<f4").tobytes()  # scl_slope, scl_inter
    path.write_bytes(raw)
    data = NiftiReader(path).read(0).data
    assert data.ravel().tolist() == [10, 10.5, 11, 11.5, 12, 12.5, 13, 13.5]


def test_series_has_one_record_per_time(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 4, 5, 6)).astype("f4")
    reader = NiftiReader(saved(tmp_path / "a.nii.gz", values, np.diag([-1, 1, 1, 1.0])))
    assert len(reader) == 6
    for time, record in enumerate(reader):
        assert record.key == {"time": time}
        np.testing.assert_array_equal(record.data, values[::-1, :, :, time])


def test_a_file_in_micrometres_has_coordinates_in_millimetres(tmp_path):
    image = nib.Nifti1Image(np.zeros((2, 3, 4), "f4"), np.diag([50, 50, 50, 1.0]))
    image.header.set_xyzt_units("micron")
    nib.save(image, tmp_path / "a.nii")
    reader = NiftiReader(tmp_path / "a.nii")
    assert reader.read(0).coords["y"].tolist() == pytest.approx([0, 0.05, 0.1])
    assert np.allclose(np.diag(reader.affine), [0.05, 0.05, 0.05, 1])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [">f8", "<i4"])
def test_a_copy_keeps_the_bits_of_values_that_did_not_change(kind, suffix, tmp_path):
    path, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    values = (2**30 + np.arange(60) / 7).astype(kind).reshape(3, 4, 5)
    saved(path, values, np.diag([-1, -2, 3, 1.0]), dtype=kind)

    def change(record):
        record.data[0, 0, 0] = 5
        return record.data

    NiftiReader(path).rewrite(target, change)
    copy = np.asanyarray(nib.load(target).dataobj)
    assert (copy != values).sum() == 1
    assert copy[-1, -1, 0] == 5


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_rewriting_keeps_the_header_and_the_orientation(suffix, tmp_path):
    path, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    values = np.arange(60, dtype="i2").reshape(3, 4, 5)
    saved(path, values, np.diag([-1, -2, 3, 1.0]))
    NiftiReader(path).rewrite(target, lambda record: 2 * record.data)
    rewritten = nib.load(target)
    np.testing.assert_array_equal(np.asarray(rewritten.dataobj), 2 * values)
    assert rewritten.header == nib.load(path).header


@pytest.mark.parametrize("dtype", ["c8", [("R", "u1"), ("G", "u1"), ("B", "u1")]])
def test_refuses_values_that_are_not_real_numbers(dtype, tmp_path):
    saved(tmp_path / "a.nii", np.zeros((2, 2, 2), dtype), np.eye(4))
    with pytest.raises(ReadError, match="neither integers nor real"):
        NiftiReader(tmp_path / "a.nii")


def test_refuses_other_formats_of_nibabel(tmp_path):
    nib.save(nib.MGHImage(np.zeros((2, 2, 2), "f4"), np.eye(4)), tmp_path / "a.mgz")
    with pytest.raises(ReadError, match="not a NIfTI"):
        NiftiReader(tmp_path / "a.mgz")


def test_refuses_more_voxels_than_the_file_holds(tmp_path):
    path = saved(tmp_path / "a.nii", np.zeros((4, 4, 4), "f4"), np.eye(4))
    raw = bytearray(path.read_bytes())
    raw[42:48] = np.array([30000] * 3, "<i2").tobytes()
    path.write_bytes(raw)
    with pytest.raises(ReadError, match="it is truncated"):
        NiftiReader(path, largest=1 << 60)


def test_refuses_an_index_outside_the_file(tmp_path):
    reader = NiftiReader(saved(tmp_path / "a.nii", np.zeros((2, 2, 2, 3), "f4"), np.eye(4)))
    for index in (-1, 3):
        with pytest.raises(IndexError, match=rf"volume {index}: a.nii has 3"):
            reader.read(index)
