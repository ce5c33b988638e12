"""Every installed reader gives the same from a child as inline, and follows no link out."""

import numpy as np
import pytest
from system_needs import NEEDS_LINUX

import scionwood
from scionwood_sandbox import open_in_child

pytestmark = [
    NEEDS_LINUX,
    pytest.mark.slow,
]
NAMES = [
    f"{entry.name}/{name}"
    for entry in scionwood.authoring.plugins()
    if entry.plugin
    for name in entry.plugin.readers
]


def records(reader):
    return [(dict(record.key), record.data.copy(), dict(record.coords)) for record in reader]


def assert_same(before, after):
    assert len(before) == len(after)
    for (key, data, coords), (key_2, data_2, coords_2) in zip(before, after, strict=True):
        assert key == key_2
        assert data.dtype == data_2.dtype
        np.testing.assert_array_equal(data, data_2)
        assert coords.keys() == coords_2.keys()
        for axis, values in coords.items():
            np.testing.assert_array_equal(values, coords_2[axis])


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", NAMES)
def test_a_child_gives_the_same_records_attributes_and_copies(name, tmp_path):
    cls = scionwood.load("readers", name)
    path = tmp_path / f"a{cls.suffixes[0]}"
    cls.write_sample(path)
    options = {"thickness": 1.0} if cls.__name__ == "MeshReader" else {}
    copies = tmp_path / "inline", tmp_path / "child"
    with cls(path, **options) as inline, open_in_child(cls, path, **options) as remote:
        assert isinstance(remote, cls)
        assert_same(records(inline), records(remote))
        assert len(inline) == len(remote)
        for attribute in ("dims", "dtype"):
            assert getattr(inline, attribute) == getattr(remote, attribute)
        assert dict(inline.units) == dict(remote.units)
        for folder, reader in zip(copies, (inline, remote), strict=True):
            folder.mkdir()
            reader.rewrite(folder / path.name, lambda record: record.data.copy() * 0.5)
    assert contents(copies[0]) == contents(copies[1])
