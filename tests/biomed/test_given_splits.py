"""Splits that a table gives are kept, and checked."""

from __future__ import annotations

import pytest
from PIL import Image

from scionwood import RecipeError
from scionwood_biomed.data.items import read_items
from scionwood_biomed.data.splits import deal


def table(folder, lines):
    """A table of black pictures, `subject,split` a line."""
    Image.new("L", (4, 4)).save(folder / "black.png")
    rows = "\n".join(f"black.png,cyst,{line}" for line in lines)
    (folder / "images.csv").write_text(f"path,label,subject,split\n{rows}\n")
    return folder / "images.csv"


def test_given_splits_are_kept_whatever_the_seed(tmp_path):
    items = read_items(table(tmp_path, ["a,train", "b,test", "a,train"]))
    for seed in range(3):
        found = deal(items, seed=seed)
        assert [len(found[part]) for part in ("train", "val", "test")] == [2, 0, 1]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a,train", "a,test"], "subject 'a' is in train and in test"),
        (["a,train", "b,"], "split None"),
        (["a,training"], "'training' is none of train, val, test"),
    ],
)
def test_given_splits_that_leak_or_are_unknown_are_refused(tmp_path, lines, said):
    with pytest.raises(RecipeError, match=said):
        deal(read_items(table(tmp_path, lines)))


def test_a_table_without_splits_is_dealt_by_subject(tmp_path):
    items = read_items(table(tmp_path, [f"{name}," for name in "abcde"]))
    found = deal(items)
    assert sorted(len(part) for part in found.values()) == [1, 1, 3]
