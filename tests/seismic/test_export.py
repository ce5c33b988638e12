"""A denoiser in a program without Scionwood gives what `denoise` gives."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scionwood import load_run
from scionwood_export import export_run
from scionwood_kit import foreign
from scionwood_seismic import open_file, simulate
from scionwood_seismic.inference.arrays import denoise_array

ROOT = Path(__file__).parents[2]
RUN = "seismic/denoise"


def loader() -> str:
    """The program that docs/export.md shows."""
    page = (ROOT / "docs/export.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    (program,) = [block for block in blocks if "def denoise" in block]
    return program


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """The shipped run as a file for gathers of up to 64 traces and 96 samples."""
    target = tmp_path_factory.mktemp("export") / "denoise.pt2"
    export_run(RUN, target, shape=(1, 64, 96))
    return target


@pytest.fixture
def gather(tmp_path) -> np.ndarray:
    """A gather from a SEG-Y file, in counts, with a dead and a damaged trace."""
    simulate(tmp_path / "n.sgy", tmp_path / "r.sgy", n=1, n_traces=62, n_samples=90, noise="swell")
    (record,) = open_file(tmp_path / "n.sgy", gather="fldr")
    data = 5e4 * np.asarray(record.data)
    data[7] = 0.0
    data[20, 3] = np.nan
    return data


def test_the_run_states_units_padding_and_normalisation():
    deployed = load_run(RUN).deploy()
    (noisy,) = deployed.inputs
    assert noisy.axes == ("batch", "channel", "trace", "time")
    assert "scale" in noisy.unit
    assert deployed.dynamic == ("batch",)
    assert deployed.multiples == {"trace": 16, "time": 16}
    assert deployed.normalisation.numbers == {"quantile": 0.99}


@pytest.mark.slow
def test_the_program_of_the_page_equals_the_network_on_a_gather(exported, tmp_path, gather):
    np.save(tmp_path / "noisy.npy", gather)
    code = f"import runpy, sys; Absent = runpy.run_path({foreign.__file__!r})['Absent']\n"
    code += "sys.meta_path.insert(0, Absent())\n" + loader().replace("denoise.pt2", str(exported))
    code += "np.save('clean.npy', denoise(np.load('noisy.npy')))\n"
    words = [sys.executable, "-P", "-c", code]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    given, expected = np.load(tmp_path / "clean.npy"), denoise_array(load_run(RUN).backbone, gather)
    alive = np.isfinite(expected).all(1)
    assert np.array_equal(given[~alive], expected[~alive], equal_nan=True)
    assert np.array_equal(given[7], gather[7])
    gap = np.abs(given[alive] - expected[alive]).max() / np.abs(expected[alive]).max()
    assert gap <= 1e-5


def test_a_shape_that_would_need_padding_is_refused(tmp_path, capsys):
    from scionwood.cli import main

    words = ["export", RUN, str(tmp_path / "denoise.pt2"), "--shape", "1x60x96"]
    assert main(words) == 2
    assert "the length of trace is a multiple of 16" in capsys.readouterr().err
