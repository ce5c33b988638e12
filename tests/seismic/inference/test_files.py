"""The outputs of a denoising besides the denoised file, and existing files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scionwood import OutputExistsError, WriteError
from scionwood_seismic.inference.files import denoise_file
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.outputs import Outputs
from scionwood_seismic.readers.segy import SegyReader
from scionwood_seismic.readers.streams import StreamReader


def ungated(run: Path, **options: Any) -> DenoiseOptions:
    """A run of two steps does not pass the harm gate."""
    return DenoiseOptions(gate="off", run=run, **options)


def first(path: Path) -> np.ndarray:
    with SegyReader(path, gather="fldr") as reader:
        return next(iter(reader)).data


def test_the_sidecar_records_how_the_file_was_made(segy, run):
    noisy = segy()
    clean = noisy.with_name("clean.sgy")
    denoise_file(noisy, Outputs(clean), ungated(run, tile=64))
    said = json.loads(clean.with_name("clean.sgy.json").read_text())
    assert said["gathers"] == 2
    work = said["work"]
    assert (work["source"]["name"], work["source"]["bytes"]) == ("in.sgy", noisy.stat().st_size)
    assert (work["gather"], work["tile"], work["overlap"]) == ("fldr", 64, 16)
    assert work["scionwood"]
    assert len(work["adapter"]) == 64


def test_resume_writes_only_the_missing_outputs(segy, run):
    noisy = segy()
    clean, noise = noisy.with_name("clean.sgy"), noisy.with_name("noise.sgy")
    denoise_file(noisy, Outputs(clean), ungated(run))
    stamp = clean.stat().st_mtime_ns
    denoise_file(noisy, Outputs(clean, noise), ungated(run), resume=True)
    assert clean.stat().st_mtime_ns == stamp
    np.testing.assert_allclose(first(clean) + first(noise), first(noisy), rtol=1e-5, atol=1e-4)
    with pytest.raises(OutputExistsError, match=r"clean\.sgy"):
        denoise_file(noisy, Outputs(clean, noise), ungated(run, tile=64), resume=True)


def test_saves_the_noise_of_a_replaced_file(segy, run):
    noisy = segy()
    before = first(noisy)
    noise = noisy.with_name("noise.sgy")
    denoise_file(noisy, Outputs(noisy, noise, force=True), ungated(run))
    assert np.abs(first(noise)).max() > 0
    np.testing.assert_allclose(first(noisy) + first(noise), before, rtol=1e-5, atol=1e-4)


def test_a_stream_resumes_where_no_run_was_stopped_and_stays_if_its_noise_is_needed(run, tmp_path):
    noisy = tmp_path / "in.mseed"
    StreamReader.write_sample(noisy)
    with pytest.raises(WriteError, match=r"in\.mseed.*replace the noisy file.*another name"):
        denoise_file(noisy, Outputs(noisy, tmp_path / "noise.mseed", force=True), ungated(run))
    denoise_file(noisy, Outputs(tmp_path / "clean.mseed"), ungated(run), resume=True)
    assert (tmp_path / "clean.mseed.json").exists()


def test_single_traces_as_gathers_get_a_note(segy, run, capsys):
    noisy = segy(data=np.random.default_rng(0).standard_normal((12, 1, 40)))
    denoise_file(noisy, Outputs(noisy.with_name("clean.sgy")), ungated(run))
    assert "single trace; choose another header" in capsys.readouterr().out.replace("\n", " ")
    denoise_file(noisy, Outputs(noisy.with_name("whole.sgy")), ungated(run, gather="none"))
    assert "single trace" not in capsys.readouterr().out


def test_reports_a_sidecar_that_cannot_be_written(segy, run):
    noisy = segy()
    clean = noisy.with_name("clean.sgy")
    clean.with_name("clean.sgy.json").mkdir()
    with pytest.raises(WriteError, match=r"clean\.sgy\.json"):
        denoise_file(noisy, Outputs(clean, force=True), ungated(run))
