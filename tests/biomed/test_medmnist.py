"""MedMNIST archives: their splits, their names, and what is refused."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from scionwood import ReadError, RecipeError
from scionwood_biomed.backbones import clip
from scionwood_biomed.data.images import Images
from scionwood_biomed.evaluation.audit import audit
from scionwood_biomed.readers.medmnist import SPLITS, MedMnistReader


def archive(path, shape=(28, 28), counts=(6, 2, 2), labels=None, seed=0):
    """An archive in MedMNIST's layout; labels 0 and 1 take turns."""
    rng, arrays = np.random.default_rng(seed), {}
    for split, count in zip(SPLITS, counts, strict=True):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        given = np.arange(count)[:, None] % 2 if labels is None else labels(count)
        arrays[f"{split}_labels"] = given.astype(np.uint8)
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return arrays


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3)], ids=["grey", "colour"])
def test_pictures_come_split_after_split_as_they_are_stored(shape, tmp_path):
    arrays = archive(tmp_path / "a.npz", shape)
    reader = MedMnistReader(tmp_path / "a.npz")
    stored = np.concatenate([arrays[f"{split}_images"] for split in SPLITS])
    found = np.stack([record.data for record in reader])
    assert found.shape == (10, 28, 28, (len(shape) == 3 and 3) or 1)
    np.testing.assert_array_equal(np.rint(255 * found).reshape(stored.shape), stored)
    assert reader.splits == ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    assert reader.labels.tolist() == [0, 1] * 5


def test_of_volumes_the_slice_in_the_middle_or_all_are_read(tmp_path):
    arrays = archive(tmp_path / "a.npz", (9, 28, 28))
    middle = MedMnistReader(tmp_path / "a.npz")
    every = MedMnistReader(tmp_path / "a.npz", slices="all")
    assert len(middle) == 10
    assert len(every) == 90
    np.testing.assert_array_equal(
        np.rint(255 * middle.read(7).data[..., 0]), arrays["val_images"][1, 4]
    )
    np.testing.assert_array_equal(
        np.rint(255 * every.read(9 * 7 + 8).data[..., 0]), arrays["val_images"][1, 8]
    )
    assert every.read(9 * 7 + 8).key == {"split": "val", "image": 1, "label": 1, "slice": 8}


def test_other_pictures_are_written_beside_the_same_labels(tmp_path):
    arrays = archive(tmp_path / "a.npz", (5, 28, 28))
    reader = MedMnistReader(tmp_path / "a.npz")
    reader.rewrite(tmp_path / "b.npz", lambda record: 1 - record.data)
    with np.load(tmp_path / "b.npz") as found:
        for name, values in arrays.items():
            wanted = values.copy()
            if name.endswith("images"):
                wanted[:, 2] = 255 - wanted[:, 2]
            np.testing.assert_array_equal(found[name], wanted)


def test_without_subjects_the_data_is_refused_until_that_is_said(tmp_path):
    archive(tmp_path / "pneumoniamnist.npz")
    with pytest.raises(RecipeError, match="subject: unknown"):
        Images(source=tmp_path / "pneumoniamnist.npz").items()


def test_the_splits_of_the_file_are_kept_with_a_warning(tmp_path):
    archive(tmp_path / "pneumoniamnist_28.npz", counts=(8, 4, 2))
    data = Images(source=tmp_path / "pneumoniamnist_28.npz", subject="unknown", shots=2, size=32)
    with pytest.warns(UserWarning, match="may be in two"):
        parts = data.splits()
    assert {name: len(items) for name, items in parts.items()} == {"train": 4, "val": 4, "test": 2}
    assert data.names() == ["normal", "pneumonia"]
    batch = next(iter(data.test_dataloader()))
    assert batch["image"].shape == (2, 3, 32, 32)
    assert batch["label"].tolist() == [0, 1]


def test_slices_of_one_volume_stay_in_one_split(tmp_path):
    archive(tmp_path / "vesselmnist3d.npz", (4, 28, 28))
    data = Images(
        source=tmp_path / "vesselmnist3d.npz", subject="unknown", slices="all", shots=None
    )
    with pytest.warns(UserWarning, match="its own splits"):
        parts = data.splits()
    assert {name: len({i.subject for i in items}) for name, items in parts.items()} == {
        "train": 6,
        "val": 2,
        "test": 2,
    }


def test_an_unknown_name_needs_the_names_of_its_classes(tmp_path):
    archive(tmp_path / "ours.npz")
    nameless = Images(source=tmp_path / "ours.npz", subject="unknown")
    with (
        pytest.warns(UserWarning, match="in two of them"),
        pytest.raises(RecipeError, match="class_names"),
    ):
        nameless.items()
    named = Images(source=tmp_path / "ours.npz", subject="unknown", class_names=["cyst", "tumour"])
    with pytest.warns(UserWarning, match="in two of them"):
        assert named.names() == ["cyst", "tumour"]


@pytest.mark.filterwarnings("ignore:.*may be in two")
def test_subjects_that_nobody_knows_cannot_be_audited(tmp_path):
    archive(tmp_path / "pneumoniamnist.npz")
    with pytest.raises(RecipeError, match="subjects of these images are unknown"):
        audit(Images(source=tmp_path / "pneumoniamnist.npz", subject="unknown", size=64), clip())


def test_a_table_cannot_name_a_file_that_has_labels_of_its_own(tmp_path):
    archive(tmp_path / "a.npz")
    (tmp_path / "items.csv").write_text("path,label,subject\na.npz,cyst,p1\n")
    with pytest.raises(RecipeError, match="labels of its own"):
        Images(source=tmp_path / "items.csv").items()


def test_a_source_that_is_not_there_is_named(tmp_path):
    for name in ("absent", "absent.csv", "absent.npz", "absent.tar"):
        with pytest.raises(ReadError, match=name):
            Images(source=tmp_path / name, subject="unknown").items()


def test_several_labels_an_image_are_refused(tmp_path):
    archive(tmp_path / "chestmnist.npz", labels=lambda count: np.zeros((count, 14)))
    with pytest.raises(ReadError, match="14 labels per image"):
        MedMnistReader(tmp_path / "chestmnist.npz")


def test_values_that_are_no_bytes_and_missing_arrays_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", train_images=np.zeros((2, 4, 4)), train_labels=np.zeros(2, int))
    with pytest.raises(ReadError, match="train_images are float64"):
        MedMnistReader(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", train_images=np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(ReadError, match="no array train_labels"):
        MedMnistReader(tmp_path / "b.npz")


def test_a_pickle_in_an_archive_is_not_loaded(tmp_path):
    arrays = archive(tmp_path / "a.npz")
    arrays["test_labels"] = np.array([{"label": 1}, None], dtype=object)
    np.savez(tmp_path / "b.npz", **arrays)
    with pytest.raises(ReadError, match="Python objects"):
        MedMnistReader(tmp_path / "b.npz")


def test_an_array_that_declares_more_than_the_archive_holds_is_refused(tmp_path):
    archive(tmp_path / "a.npz")
    header = io.BytesIO()
    huge = {"descr": "|u1", "fortran_order": False, "shape": (1 << 20, 1 << 20)}
    np.lib.format.write_array_header_1_0(header, huge)
    with (
        zipfile.ZipFile(tmp_path / "a.npz") as before,
        zipfile.ZipFile(tmp_path / "b.npz", "w") as after,
    ):
        for name in before.namelist():
            content = before.read(name)
            if name == "train_images.npy":
                content = header.getvalue() + bytes(64)
            after.writestr(name, content)
    with pytest.raises(ReadError, match="declares 1,099,511,627,776 bytes"):
        MedMnistReader(tmp_path / "b.npz")


def test_more_images_than_are_allowed_are_refused_before_they_are_read(tmp_path):
    archive(tmp_path / "a.npz")
    with pytest.raises(ReadError, match="7,840 bytes, more than `largest`"):
        MedMnistReader(tmp_path / "a.npz", largest=5000)
