"""MedMNIST archives: splits, class names, and refused archives."""

import io
import zipfile

import numpy as np
import pytest

from scionwood import ReadError, RecipeError
from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.data.images import Images
from scionwood_biomed.evaluation.audit import audit
from scionwood_biomed.readers.medmnist import SPLITS, MedMnistReader


def archive(path, shape=(28, 28), counts=(6, 2, 2), labels=None, seed=0):
    """Write an archive in the layout of MedMNIST, with alternating labels 0 and 1."""
    rng, arrays = np.random.default_rng(seed), {}
    for split, count in zip(SPLITS, counts, strict=True):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        given = np.arange(count)[:, None] % 2 if labels is None else labels(count)
        arrays[f"{split}_labels"] = given.astype(np.uint8)
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return arrays


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3)], ids=["grey", "colour"])
def test_pictures_are_read_split_by_split_as_stored(shape, tmp_path):
    arrays = archive(tmp_path / "a.npz", shape)
    reader = MedMnistReader(tmp_path / "a.npz")
    stored = np.concatenate([arrays[f"{split}_images"] for split in SPLITS])
    pictures = np.stack([record.data for record in reader])
    assert pictures.shape == (10, 28, 28, (len(shape) == 3 and 3) or 1)
    np.testing.assert_array_equal(np.rint(255 * pictures).reshape(stored.shape), stored)
    assert reader.splits == ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    assert reader.labels.tolist() == [0, 1] * 5


def test_reads_the_middle_slice_or_all_slices_of_volumes(tmp_path):
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


def test_rewrite_changes_pictures_and_keeps_labels(tmp_path):
    arrays = archive(tmp_path / "a.npz", (5, 28, 28))
    reader = MedMnistReader(tmp_path / "a.npz")
    reader.rewrite(tmp_path / "b.npz", lambda record: 1 - record.data)
    with np.load(tmp_path / "b.npz") as rewritten:
        for name, values in arrays.items():
            wanted = values.copy()
            if name.endswith("images"):
                wanted[:, 2] = 255 - wanted[:, 2]
            np.testing.assert_array_equal(rewritten[name], wanted)


@pytest.mark.filterwarnings("ignore:.*may be in two")
def test_refuses_data_without_subjects_unless_declared_unknown(tmp_path):
    source = tmp_path / "pneumoniamnist.npz"
    archive(source)
    with pytest.raises(RecipeError, match="subject: unknown"):
        Images(source=source).items()
    with pytest.raises(RecipeError, match="subjects of these images are unknown"):
        audit(Images(source=source, subject="unknown", size=64), ClipBackbone())


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


def test_refuses_an_unknown_archive_without_class_names(tmp_path):
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


def test_refuses_a_table_that_names_a_labelled_archive(tmp_path):
    archive(tmp_path / "a.npz")
    (tmp_path / "items.csv").write_text("path,label,subject\na.npz,cyst,p1\n")
    with pytest.raises(RecipeError, match="labels of its own"):
        Images(source=tmp_path / "items.csv").items()


def test_missing_source_is_named(tmp_path):
    for name in ("absent", "absent.csv", "absent.npz", "absent.tar"):
        with pytest.raises(ReadError, match=name):
            Images(source=tmp_path / name, subject="unknown").items()


def test_refuses_arrays_that_are_no_labelled_pictures(tmp_path):
    arrays = archive(tmp_path / "chestmnist.npz", labels=lambda count: np.zeros((count, 14)))
    arrays |= {f"{split}_labels": np.zeros(len(arrays[f"{split}_images"]), int) for split in SPLITS}
    floats = {"train_images": np.zeros((2, 4, 4)), "train_labels": np.zeros(2, int)}
    pickled = arrays | {"test_labels": np.array([{"label": 1}, None], dtype=object)}
    np.savez(tmp_path / "floats.npz", **floats)
    np.savez(tmp_path / "unlabelled.npz", train_images=np.zeros((2, 4, 4), np.uint8))
    np.savez(tmp_path / "pickled.npz", **pickled)
    archive(tmp_path / "bomb.npz")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("notes.txt", bytes(64 << 20))
    for name, rule in (
        ("chestmnist", "14 labels per image"),
        ("floats", "train_images are float64"),
        ("unlabelled", "no array train_labels"),
        ("pickled", "Python objects"),
        ("bomb", "inflate to"),
    ):
        with pytest.raises(ReadError, match=rule):
            MedMnistReader(tmp_path / f"{name}.npz")


def test_refuses_an_array_larger_than_its_archive(tmp_path):
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
