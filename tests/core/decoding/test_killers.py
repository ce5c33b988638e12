"""Files that kill a library end as errors that name the file, the format and the cause.

Where a cheap rule tells such a file, its reader refuses it before the library is asked. The others
kill a child.
"""

from __future__ import annotations

import os
import random
import warnings

import killer_files
import pytest
from case_table import table
from system_needs import NEEDS_LINUX

import scionwood
from scionwood_sandbox import Limits, Session, open_in_child
from scionwood_sandbox.decoding import control

NEEDS = {"seismic/das": "dascore", "biomed/slide": "tiffslide", "biomed/dicom": "gdcm"}


def reader_of(killer):
    if killer.reader.partition("/")[0] not in [
        entry.name for entry in scionwood.authoring.plugins()
    ]:
        pytest.skip(f"the plugin of {killer.reader} is not installed")
    if killer.reader in NEEDS:
        pytest.importorskip(NEEDS[killer.reader])
    return scionwood.load("readers", killer.reader)


def refusal(opened, killer):
    """Return the error of reading a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures
        with pytest.raises(scionwood.ReadError, match=killer.cause) as caught, opened() as reader:
            list(reader)
    return caught.value


@table("name", killer_files.REFUSED)
def test_a_rule_refuses_the_file_before_a_library_dies(name, tmp_path):
    killer = killer_files.REFUSED[name]
    cls = reader_of(killer)
    path = killer.write(tmp_path)
    error = refusal(lambda: cls(path, **killer.options), killer)
    assert str(path) in str(error)
    assert error.remedy


def test_the_declared_pixels_of_a_small_file_are_many():
    assert len(killer_files.png(10_000, 10_000)) < 92


@NEEDS_LINUX
@pytest.mark.slow
@pytest.mark.parametrize("name", [*killer_files.REFUSED, *killer_files.DEADLY])
def test_a_child_ends_such_a_file_as_an_error_and_the_next_is_read(name, tmp_path):
    killer = (killer_files.REFUSED | killer_files.DEADLY)[name]
    cls = reader_of(killer)
    path, good = killer.write(tmp_path), tmp_path / f"good{killer.name[1:]}"
    cls.write_sample(good)
    with Session(tmp_path, limits=Limits(cpu=4)):
        error = refusal(lambda: open_in_child(cls, path, **killer.options), killer)
        assert str(path) in str(error)
        if name in killer_files.DEADLY:
            assert f"{cls.__name__} ({cls.suffixes[0]}" in str(error)
        with open_in_child(cls, good, **killer.options) as reader:
            assert len(list(reader)) == len(reader) > 0


def damaged(whole, seed):
    """Flip bits, cut, or insert bytes, mostly near the start, where the structure is."""
    rng, data = random.Random(seed), bytearray(whole)
    for _ in range(rng.choice([1, 2, 6])):
        at = rng.randrange(min(len(data), rng.choice([512, len(data)]))) if data else 0
        way = rng.randrange(3)
        if way == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            data = data[: max(at, 8)]
        else:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(data)


def descriptors():
    """Return how many files this process and the zygote hold open."""
    zygote = control.connected().process.pid
    return len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{zygote}/fd"))


def read_damaged(cls, folder, seeds):
    """Read damaged files in one session, and the sample after each hundred: a child may leak too.

    Returns:
        How many damaged files were refused.
    """
    path, good = folder / f"damaged{cls.suffixes[0]}", folder / f"good{cls.suffixes[0]}"
    refused = 0
    for seed in seeds:
        path.write_bytes(damaged(good.read_bytes(), seed))
        try:
            with open_in_child(cls, path) as reader:
                list(reader)
        except scionwood.ReadError:
            refused += 1
        if seed % 100 == 0:
            with open_in_child(cls, good) as reader:
                assert len(list(reader)) == len(reader) > 0
    return refused


@NEEDS_LINUX
@pytest.mark.slow
@pytest.mark.parametrize("name", ["crash/zarr", "biomed/shard", "seismic/stream"])
def test_a_thousand_damaged_files_leave_no_descriptor_open(name, tmp_path):
    cls = reader_of(killer_files.Killer(name, "", lambda _: None, ""))
    cls.write_sample(tmp_path / f"good{cls.suffixes[0]}")
    with warnings.catch_warnings(), Session(tmp_path):
        warnings.simplefilter("ignore")
        read_damaged(cls, tmp_path, range(-50, 0))  # the first ones start the service
        before = descriptors()
        refused = read_damaged(cls, tmp_path, range(1000))
        after = descriptors()
    assert 100 < refused < 1000
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 4  # children that end now still hold two each
