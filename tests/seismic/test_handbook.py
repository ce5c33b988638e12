"""The walk of the handbook: from a real SEG-Y file to a denoised copy and a verdict."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scionwood_seismic.readers.sources import obspy

PAGE = Path(__file__).parents[2] / "docs" / "fields" / "seismic" / "your-own-file.md"
DATA = Path(obspy.__file__).parent / "io"


def script(page: Path) -> str:
    """Return the commands of a page, as one script that stops at the first error."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return "set -euo pipefail\n" + "".join(blocks)


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
def test_a_reader_of_the_page_gets_from_a_file_to_a_verdict(
    put: Callable[[Path], None], tmp_path: Path
) -> None:
    put(tmp_path / "line.sgy")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        ["bash", "-c", script(PAGE)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    before, after = ((tmp_path / name).read_bytes() for name in ("line.sgy", "clean.sgy"))
    assert len(before) == len(after)
    assert before[:3840] == after[:3840]  # all headers up to the first sample
    assert before != after
    assert {"qc.png", "qc.html", "removed.sgy"} <= {each.name for each in tmp_path.iterdir()}
    verdicts = re.findall(r"correlation (-?[\d.]+): (.*)", run.stdout)
    assert verdicts, run.stdout
    for value, verdict in verdicts:
        assert float(value) > 0.7  # the gate saw to it, also for a single trace
        assert verdict == "ok to look at"
