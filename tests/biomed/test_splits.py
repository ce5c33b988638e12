"""Splits by subject do not leak, and the leakage of splits by image is measured."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from case_table import table
from PIL import Image

from scionwood import ReadError, RecipeError
from scionwood_biomed.data.images import Images
from scionwood_biomed.data.items import Item, read_items
from scionwood_biomed.data.splits import (
    base_and_novel,
    deal,
    overlap,
    shots,
    split_by_image,
    split_by_subject,
)
from scionwood_biomed.readers.dicom import DicomReader


def cohort(seed, people=30, images=6):
    """Return items of people with one to six images each, some of two classes."""
    rng = np.random.default_rng(seed)
    return [
        Item(Path(f"{person}-{i}.png"), "abc"[(person + (rng.random() < 0.1)) % 3], f"p{person}")
        for person in range(people)
        for i in range(rng.integers(1, images))
    ]


def test_over_many_seeds_no_subject_is_in_two_parts_and_no_image_is_lost():
    items = cohort(0)
    for seed in range(300):
        parts = split_by_subject(items, seed=seed)
        people = [{item.subject for item in part} for part in parts.values()]
        assert sum(map(len, people)) == len(set.union(*people)) == 30
        assert sum(map(len, parts.values())) == len(items)
        assert all({item.label for item in part} == set("abc") for part in parts.values())
    first, same, other = (split_by_subject(items, seed=seed) for seed in (5, 5, 6))
    assert first == same != other


def test_two_subjects_of_a_class_are_enough_for_two_parts():
    items = [Item(Path(f"{i}.png"), "ab"[i % 2], f"p{i}") for i in range(4)]
    parts = split_by_subject(items, shares=(0.75, 0.0, 0.25))
    assert {item.label for item in parts["train"]} == {item.label for item in parts["test"]}
    assert not parts["val"]


def test_splits_a_class_whose_subjects_all_share_another_class():
    both = [Item(Path(f"{i}{c}"), c, f"p{i}") for i in range(6) for c in "ab"]
    parts = split_by_subject(both)
    assert all({item.label for item in part} == {"a", "b"} for part in parts.values())


def test_refuses_too_few_subjects():
    with pytest.raises(RecipeError, match=r"class 'a'.*2 subjects"):
        split_by_subject([Item(Path(str(i)), "a", f"p{i % 2}") for i in range(9)])


def test_a_split_by_image_shares_subjects(tmp_path):
    items = [Item(tmp_path / f"{i}", "a", f"p{i % 5}") for i in range(50)]
    for item in items:
        item.path.write_bytes(item.path.name[-1:].encode())
    parts = split_by_image(items)
    shared = overlap(parts["train"], parts["test"])
    assert shared.share == 1.0
    assert shared.subjects == len({item.subject for item in parts["test"]})
    assert shared.duplicates > 0
    apart = split_by_subject(items)
    assert overlap(apart["train"], apart["test"])[:2] == (0, 0.0)


def test_shots_come_from_as_many_subjects_as_possible():
    items = [Item(Path(f"{p}-{i}"), "a", f"p{p}") for p in range(4) for i in range(10)]
    assert len({item.subject for item in shots(items, 4, seed=3)}) == 4
    with pytest.raises(RecipeError, match="41 shots"):
        shots(items, 41)


def test_refuses_a_single_novel_class():
    assert base_and_novel(list("abcde")) == (["a", "b", "c"], ["d", "e"])
    with pytest.raises(RecipeError, match="any answer is right"):
        base_and_novel(list("abc"))


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4)).save(path)


def test_a_table_names_images_classes_and_subjects(tmp_path):
    picture(tmp_path / "scans" / "1.png")
    (tmp_path / "items.csv").write_text("path,label,subject\nscans/1.png,cyst,p1\n")
    assert read_items(tmp_path / "items.csv") == [Item(tmp_path / "scans/1.png", "cyst", "p1")]


@table(
    ("text", "error", "message"),
    [
        ("path,label\n1.png,cyst\n", RecipeError, "no column subject"),
        ("path,label,subject\n1.png,cyst,\n", RecipeError, "line 2 has no subject"),
        ("path,label,subject\n1.png,,p1\n", RecipeError, "line 2 has no label"),
        ("path,label,subject\n2.png,cyst,p1\n", ReadError, "line 2 of items.csv"),
        ("path,label,subject\n", ReadError, "no image"),
    ],
)
def test_refuses_an_incomplete_table(text, error, message, tmp_path):
    picture(tmp_path / "1.png")
    (tmp_path / "items.csv").write_text(text)
    with pytest.raises(error, match=message):
        read_items(tmp_path / "items.csv")


def test_folders_take_the_subject_from_the_path_or_the_dicom_file(tmp_path):
    picture(tmp_path / "cyst" / "p7_left.png")
    (tmp_path / "tumour").mkdir()
    DicomReader.write_sample(tmp_path / "tumour" / "a.dcm")
    with pytest.raises(RecipeError, match=r"p7_left.png.*its subject is not known"):
        read_items(tmp_path)
    (tmp_path / "cyst" / "p7_left.png").rename(tmp_path / "p7_left.png")
    (item,) = read_items(tmp_path)
    assert item.label == "tumour"
    assert item.subject
    picture(tmp_path / "cyst" / "p7_left.png")
    (tmp_path / "tumour" / "a.dcm").unlink()
    assert [i.subject for i in read_items(tmp_path, subject=r"^(p\d+)_")] == ["p7"]
    with pytest.raises(RecipeError, match="one group"):
        read_items(tmp_path, subject=r"p\d+")
    with pytest.raises(RecipeError, match="regular expression of RE2"):  # it would keep `re` busy
        read_items(tmp_path, subject="(?x:([a-z_.0-9]+)#\n+X)")


def listing(folder, lines):
    """Write a table of black pictures; each line gives `subject,split`."""
    Image.new("L", (4, 4)).save(folder / "black.png")
    rows = "\n".join(f"black.png,cyst,{line}" for line in lines)
    (folder / "images.csv").write_text(f"path,label,subject,split\n{rows}\n")
    return folder / "images.csv"


def test_given_splits_are_kept_whatever_the_seed(tmp_path):
    items = read_items(listing(tmp_path, ["a,train", "b,test", "a,train"]))
    for seed in range(3):
        parts = deal(items, seed=seed)
        assert [len(parts[part]) for part in ("train", "val", "test")] == [2, 0, 1]


@table(
    ("lines", "message"),
    [
        (["a,train", "a,test"], "subject 'a' is in train and in test"),
        (["a,train", "b,"], "split None"),
        (["a,training"], "'training' is not one of train, val, test"),
    ],
)
def test_refuses_given_splits_that_leak_or_are_unknown(tmp_path, lines, message):
    with pytest.raises(RecipeError, match=message):
        deal(read_items(listing(tmp_path, lines)))


def test_table_without_splits_is_split_by_subject(tmp_path):
    items = read_items(listing(tmp_path, [f"{name}," for name in "abcde"]))
    parts = deal(items)
    assert sorted(len(part) for part in parts.values()) == [1, 1, 3]


def spelt(number):
    """Return a subject in one of four spellings."""
    name = f"p{number // 4}a"
    return (name, name.upper(), f" {name}", f"{name.title()} ")[number % 4]


def test_spellings_of_a_subject_that_differ_in_case_and_blanks_are_one_subject():
    items = [Item(Path(str(i)), "ab"[i // 4 % 2], spelt(i)) for i in range(80)]
    parts = split_by_subject(items)
    subjects = [{item.subject.strip().casefold() for item in part} for part in parts.values()]
    assert sum(map(len, subjects)) == len(set.union(*subjects)) == 20
    image = split_by_image(items)
    assert overlap(image["train"], image["test"], lambda item: b"").subjects > 0
    assert len({item.subject.strip().casefold() for item in shots(items, 10)}) == 20
    with pytest.raises(RecipeError, match="is in train and in test"):
        deal([Item(Path("1"), "a", "P0a", "train"), Item(Path("2"), "a", "p0a ", "test")])


@table("same", ["SOPInstanceUID", "pixels", "bytes"])
def test_one_image_under_two_subjects_is_refused_unless_allowed(tmp_path, same):
    names = ["1.png", "2.png"] if same == "bytes" else ["1.dcm", "2.dcm"]
    for number, name in enumerate(names):
        if same == "bytes":
            picture(tmp_path / name)
            continue
        DicomReader.write_sample(tmp_path / name)
        dataset = pydicom.dcmread(tmp_path / name)
        dataset.PatientID = f"p{number}"
        if same == "pixels":
            dataset.SOPInstanceUID = f"1.2.{number}"
        else:
            dataset.PixelData = bytes([number]) * len(dataset.PixelData)
        dataset.save_as(tmp_path / name)
    lines = [f"{name},cyst,p{number}" for number, name in enumerate(names)]
    source = tmp_path / "items.csv"
    source.write_text("\n".join(["path,label,subject", *lines]))
    rule = rf"{names[1]}: it has the {same} of .*{names[0]}, which has another subject"
    with pytest.raises(RecipeError, match=rule):
        Images(source=source).items()
    assert len(Images(source=source, duplicates="allow").items()) == 2
    source.write_text(source.read_text().replace("p1", "P0 "))
    assert len(Images(source=source).items()) == 2
