"""Hostile files are refused with a reason, in a process with little memory."""

import json
from pathlib import Path

import pytest
from case_table import table

from scionwood_kit.child import run_python

from .hostile import WRITERS, write_all

REASONS = {
    "deflated.dcm": "inflates to more than",
    "declared.dcm": "bytes of pixels and has",
    "compressed.dcm": "more than `largest`",
    "nested.dcm": "nested too deeply",
    "bomb.nii.gz": "inflates to more than",
    "declared.nii": "more than `largest`",
    "wide.png": "picture",
    "large.png": "13000 x 13000 is more than",
    "archive.npz": "12,000,000,000 bytes, more than `largest`",
    "extended.tar": "extended header claims",
    "names.tar": "nested too deeply",
    "picture.tar": "1.png",
    "json.tar": "nested too deeply",
    "tiles.svs": "decode to",
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    write_all(folder)
    script = Path(__file__).with_name("hostile.py")
    status, out, err = run_python([str(script), str(folder)])
    assert status == 0, err
    return json.loads(out.splitlines()[-1])


def test_every_hostile_file_has_an_expected_reason():
    assert set(REASONS) == set(WRITERS)


@table("name", REASONS)
def test_hostile_file_is_named_with_the_reason(name, opened):
    assert name in opened["outcomes"][name]
    assert REASONS[name] in opened["outcomes"][name]


def test_peak_memory_is_small(opened):
    """The files claim 4 MB to 17 GB each; only the buffers of the readers are used."""
    assert opened["kilobytes"] < 128 * 1024
