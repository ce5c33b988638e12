"""A folder of tables cannot make its reader read files outside of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scionwood import ReadError
from scionwood_bangla.readers.load import read_examples

ROW = {"prompt": "বন্ধুকে চিঠি লেখো।", "completion": "তুমি কেমন আছ?"}


def table(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(ROW, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_out_of_the_folder_is_refused(tmp_path, absolute):
    secret = table(tmp_path / "private" / "letters.jsonl")
    folder = table(tmp_path / "data" / "a.jsonl").parent
    link = folder / "b.jsonl"
    link.symlink_to(secret if absolute else os.path.relpath(secret, folder))
    with pytest.raises(
        ReadError, match=r"b.jsonl: table: it leads to .*private.*, outside"
    ) as error:
        read_examples(folder)
    assert error.value.remedy == "Copy the file itself there"
    assert ROW["completion"] not in str(error.value)
    link.unlink()
    link.symlink_to("a.jsonl")
    assert len(read_examples(folder)) == 2


def test_a_snapshot_in_the_cache_of_the_hub_is_read(tmp_path):
    blob = table(tmp_path / "datasets--a--b" / "blobs" / "0123")
    snapshot = tmp_path / "datasets--a--b" / "snapshots" / "abcd"
    snapshot.mkdir(parents=True)
    (snapshot / "train.jsonl").symlink_to(os.path.relpath(blob, snapshot))
    assert len(read_examples(snapshot)) == 1
    secret = table(tmp_path / "datasets--a--b" / "secret")  # beside the blobs
    (snapshot / "test.jsonl").symlink_to(os.path.relpath(secret, snapshot))
    with pytest.raises(ReadError, match=r"test.jsonl: table: it leads to .*secret"):
        read_examples(snapshot)
