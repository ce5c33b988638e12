"""Files and folders that take their content from elsewhere are refused by their structure."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from scionwood import ReadError
from scionwood.authoring import check_hdf5, check_inside, check_links


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "secret.bin"
    path.parent.mkdir()
    path.write_bytes(b"the canary sings")
    return path


def test_a_path_must_end_inside_the_folder_after_its_links(tmp_path, secret):
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(secret)
    (root / "folder").symlink_to(secret.parent)
    for path in (root / "link", root / "folder/secret.bin", root / "../elsewhere/x", secret):
        with pytest.raises(ReadError, match=r"scans: it leads to .*, outside of .*Copy the file"):
            check_inside(path, root, "scans")
        check_inside(path, root, "scans", allow=str(secret.parent))
    check_inside(root / "a/../b", root, "scans")
    sibling = tmp_path / "root-2"  # the name of the folder is a prefix, which is not enough
    with pytest.raises(ReadError, match="outside of"):
        check_inside(sibling / "a", root, "scans")


def test_links_within_a_folder_and_a_folder_that_is_a_link_are_allowed(tmp_path):
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "deep/a").write_text("a")
    (root / "b").symlink_to("deep/a")
    (root / "loop").symlink_to("loop")  # reading it fails by itself
    (tmp_path / "name").symlink_to(root)
    check_links(tmp_path / "name", "Zarr")


@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_out_of_a_folder_is_named(tmp_path, secret, absolute):
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    link = root / "deep/chunk"
    link.symlink_to(secret if absolute else os.path.relpath(secret, link.parent))
    with pytest.raises(ReadError) as caught:
        check_links(root, "Zarr")
    assert caught.value.value == str(link)
    assert str(secret) in caught.value.rule
    check_links(root, "Zarr", allow=str(secret.parent))


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path):
    with pytest.raises(FileNotFoundError):
        check_links(tmp_path / "absent", "Zarr")


def _external(file: h5py.File, secret: Path) -> None:
    file["deep/link"] = h5py.ExternalLink(str(secret), "/x")


def _dangling(file: h5py.File, secret: Path) -> None:
    file["deep/link"] = h5py.ExternalLink("no-such-file.h5", "/x")


def _raw(file: h5py.File, secret: Path) -> None:
    file.create_dataset("deep/raw", (16,), "u1", external=[(str(secret), 0, 16)])


def _virtual(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "x", shape=(4,))
    file.create_virtual_dataset("deep/view", layout)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_external, "link 'deep/link' points to the file '.*secret.bin'"),
        (_dangling, "link 'deep/link' points to the file 'no-such-file.h5'"),
        (_raw, "dataset 'deep/raw' is stored in other files"),
        (_virtual, "dataset 'deep/view' is stored in other files"),
    ],
)
def test_hdf5_that_reads_other_files_is_refused(tmp_path, secret, change, message):
    path = tmp_path / "waves.h5"
    with h5py.File(path, "w") as file:
        file["own"] = np.zeros(4)
        file["deep/soft"] = h5py.SoftLink("/own")
        change(file, secret)
    with h5py.File(path) as file, pytest.raises(ReadError, match=f"DAS: {message}.*one file"):
        check_hdf5(path, file, "DAS")


@pytest.mark.parametrize("name", ["DIMENSION_LIST", "REFERENCE_LIST"])
def test_hdf5_with_addresses_in_place_of_axes_is_refused(tmp_path, name):
    """HDF5 took the text for a length and an address, and the process died."""
    path = tmp_path / "axes.h5"
    with h5py.File(path, "w") as file:
        file["data"], file["x"] = np.zeros(4), np.arange(4)
        file["x"].make_scale("x")
        file["data"].dims[0].attach_scale(file["x"])
    with h5py.File(path, "r+") as file:
        check_hdf5(path, file)
        item = file["data" if name == "DIMENSION_LIST" else "x"]
        del item.attrs[name]
        item.attrs[name] = np.bytes_(b"\x01" * 16 + b"an address")
    with h5py.File(path) as file, pytest.raises(ReadError, match=f"{name} .* no list of axes"):
        check_hdf5(path, file)


def test_hdf5_of_nested_groups_is_refused_before_they_are_all_visited(tmp_path):
    path = tmp_path / "deep.h5"
    with h5py.File(path, "w") as file:
        file.create_group("/".join(["a"] * 60))
    with h5py.File(path) as file:
        check_hdf5(path, file)
    with h5py.File(path, "r+") as file:
        file.create_group("/".join(["a"] * 2000))
    with h5py.File(path) as file, pytest.raises(ReadError, match="nested more than 64 deep"):
        check_hdf5(path, file)


def test_hdf5_with_links_inside_the_file_passes(tmp_path):
    path = tmp_path / "waves.h5"
    with h5py.File(path, "w") as file:
        file["own"] = np.zeros(4)
        file["soft"], file["dangling"] = h5py.SoftLink("/own"), h5py.SoftLink("/absent")
        file["hard"] = file["own"]
    with h5py.File(path) as file:
        check_hdf5(path, file)
