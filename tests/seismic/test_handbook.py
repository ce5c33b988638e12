"""The walk of the handbook: from a real SEG-Y file to a denoised copy and a verdict."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from page_walk import follow

from scionwood_seismic.readers.sources import obspy

PAGE = "fields/seismic/your-own-file.md"
DATA = Path(obspy.__file__).parent / "io"


def one_trace(path: Path) -> None:
    """A real SEG-Y file with one trace of a borehole, 32-bit integers."""
    shutil.copy(DATA / "segy" / "tests" / "data" / "one_trace_year_11.sgy", path)


def earthquake(path: Path) -> None:
    """21 real records of a volcano's network, in a SEG-Y file that ObsPy writes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stream = obspy.read(DATA / "seisan" / "tests" / "data" / "9701-30-1048-54S.MVO_21_1")
        for trace in stream:
            trace.data = np.require(trace.data, np.float32)
        stream.write(str(path), format="SEGY", data_encoding=5, byteorder=">")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("put", [one_trace, earthquake])
def test_a_reader_of_the_page_gets_from_a_file_to_a_verdict(put, tmp_path):
    put(tmp_path / "line.sgy")
    run = follow(PAGE, tmp_path)
    before, after = ((tmp_path / name).read_bytes() for name in ("line.sgy", "clean.sgy"))
    assert len(before) == len(after)
    assert before[:3840] == after[:3840]  # all headers up to the first sample
    # A network of stations is no gather: nothing is coherent in it, and it must not be denoised.
    assert (before == after) == ("no coherent event found" in run.stdout) == (put is earthquake)
    assert {"qc.png", "qc.html", "removed.sgy"} <= {each.name for each in tmp_path.iterdir()}
    verdicts = re.findall(r"correlation (-?[\d.]+): (.*)", run.stdout)
    assert verdicts, run.stdout
    for value, verdict in verdicts:
        assert float(value) > 0.7  # the gate saw to it, also for a single trace
        assert verdict == "ok to look at"
