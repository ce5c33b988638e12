"""Decks with includes in a zip archive."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood import ReadError
from scionwood_crash.readers import open_series
from scionwood_crash.readers.zipped import main_deck

NODES = "*NODE\n" + "".join(f"{n},{x},{y},0\n" for n, x, y in [(1, 0, 0), (2, 9, 0), (3, 9, 9)])
SHELL = "*ELEMENT_SHELL\n7,3,1,2,3,3\n*PART\nroof\n3,4,5\n*SECTION_SHELL\n4,2\n1.25\n"
MAIN = f"*KEYWORD\n*INCLUDE\nmesh/nodes.k\n{SHELL}*END\n"


def archive(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for name, text in files.items():
            target.writestr(name, text)
    return path


@pytest.fixture
def several(tmp_path: Path) -> Path:
    nodes = f"*KEYWORD\n{NODES}*END\n"
    return archive(tmp_path / "a.zip", **{"main.k": MAIN, "mesh/nodes.k": nodes, "about.txt": "x"})


def test_a_named_deck_is_read_with_its_includes_as_from_a_folder(several):
    with zipfile.ZipFile(several) as content:
        content.extractall(several.parent / "folder")
    with main_deck(several, "main.k") as file:
        zipped = open_series(file).mesh
    plain = open_series(several.parent / "folder" / "main.k").mesh
    assert np.array_equal(zipped.points, plain.points)
    assert np.array_equal(zipped.cells, plain.cells)
    assert not file.exists(), "it was removed"


def test_one_deck_alone_needs_no_name(tmp_path):
    text = f"*KEYWORD\n{NODES}{SHELL}*END\n"
    with main_deck(archive(tmp_path / "a.zip", **{"in/only.key": text})) as file:
        assert len(open_series(file).mesh.points) == 3


def test_other_files_are_read_as_they_are(tmp_path):
    store = archive(tmp_path / "store.zip", **{".zgroup": "{}"})
    with main_deck(store) as file:
        assert file == store
    with pytest.raises(ReadError, match=r"'main.k': it is no zip archive of keyword decks.*Leave"):
        main_deck(store, "main.k").__enter__()


@table(
    ("name", "said"),
    [
        (None, "it has 2 decks; it holds main.k, mesh/nodes.k. Name the main deck, as in deck="),
        ("other.k", "it has no deck 'other.k'; it holds main.k, mesh/nodes.k"),
        ("../a.k", "it has no deck '../a.k'"),
        ("/etc/hostname", "it has no deck '/etc/hostname'"),
    ],
)
def test_an_unclear_or_unknown_deck_is_refused_by_name(several, name, said):
    with pytest.raises(ReadError, match=said):
        main_deck(several, name).__enter__()


def test_nothing_outside_the_archive_is_read(tmp_path):
    with pytest.raises(ReadError, match="has a name that leaves the folder"):
        main_deck(archive(tmp_path / "a.zip", **{"../main.k": MAIN})).__enter__()
    text = MAIN.replace("mesh/nodes.k", "/etc/hostname")
    with (
        main_deck(archive(tmp_path / "a.zip", **{"main.k": text})) as file,
        pytest.raises(ReadError, match="outside the folder of the deck"),
    ):
        open_series(file)
