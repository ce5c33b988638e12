"""Damaged files leave no file open: 200 of each format, counted in /proc."""

from __future__ import annotations

import os
import random
import warnings
from pathlib import Path

import pytest

from scionwood import ReadError, load
from scionwood.plugins import discovery

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="descriptors are counted in /proc"
)
READERS = [
    f"{plugin}/{name}"
    for plugin in discovery.entries()
    for name in discovery.record(plugin).readers
]


CUT_ONLY = {"seismic/das", "seismic/stream", "biomed/dicom", "crash/zarr"}
"""Formats whose libraries can end the process over flipped bits; these files are only cut."""


def damaged(whole: bytes, seed: int, *, cut_only: bool) -> bytes:
    """Flip bits, cut, or insert bytes, mostly near the start, where the structure is."""
    rng, data = random.Random(seed), bytearray(whole)
    for _ in range(rng.choice([1, 2, 6])):
        at = rng.randrange(min(len(data), rng.choice([512, len(data)]))) if data else 0
        way = 1 if cut_only else rng.randrange(3)
        if way == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            data = data[: max(at, 8)]
        else:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("reference", READERS)
def test_damaged_files_leave_no_descriptor_open(reference, tmp_path):
    reader = load("readers", reference)
    suffix = next((s for s in reader.suffixes if s not in (".zarr",)), reader.suffixes[0])
    sample = tmp_path / f"sample{suffix}"
    reader.write_sample(sample)
    whole, path, refused = sample.read_bytes(), tmp_path / f"damaged{suffix}", 0
    opened = 0
    for seed in range(-5, 200):  # the first ones start the libraries, which keep pipes of their own
        path.write_bytes(damaged(whole, seed, cut_only=reference in CUT_ONLY))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with reader(path) as each:
                    next(iter(each), None)
            except ReadError:
                refused += 1
        if seed == -1:
            opened = len(os.listdir("/proc/self/fd"))
    assert refused > 20
    assert len(os.listdir("/proc/self/fd")) <= opened
