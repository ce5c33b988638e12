"""DICOM files that a child decodes: their series, and what identifies a person."""

import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from scionwood_biomed import DeidentifyOptions, deidentify, inspect
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_deid import to_display
from scionwood_sandbox import Session, open_in_child

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the reader service needs Linux")
NAMES = ["CT_small", "MR_small_implicit", "MR_small_bigendian", "examples_palette", "rtdose"]
FILES = [Path(str(get_testdata_file(f"{name}.dcm"))) for name in NAMES]


def test_series_leave_the_child_as_they_are_inline():
    with Session(FILES[0].parent):
        for path in FILES:
            inline, child = DicomReader(path), open_in_child(DicomReader, path)
            (ours,), (sent,) = inline.series, child.series
            assert sent.files == [path]
            assert (sent.shape, sent.unit, sent.key(0)) == (ours.shape, ours.unit, ours.key(0))
            np.testing.assert_array_equal(sent.positions, ours.positions)
            np.testing.assert_array_equal(
                to_display(child.read(0).data, sent.first.header),
                to_display(inline.read(0).data, ours.first.header),
            )


def test_a_child_lists_and_removes_what_identifies_a_person(tmp_path, monkeypatch):
    inline = inspect(FILES[0])
    options = DeidentifyOptions(salt="pepper")
    deidentify(FILES[0], tmp_path / "inline.dcm", options)
    monkeypatch.setenv("SCIONWOOD_READERS", "service")
    assert inspect(FILES[0]) == inline
    assert deidentify(FILES[0], tmp_path / "child.dcm", options).before == inline
    assert (tmp_path / "child.dcm").read_bytes() == (tmp_path / "inline.dcm").read_bytes()
