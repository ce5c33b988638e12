"""A survey of which some files cannot be read, in real runs."""

from __future__ import annotations

import csv
import logging
import sys
from pathlib import Path

import numpy as np
import pytest

import scionwood
from scionwood_seismic.data.survey import Survey
from scionwood_seismic.data.survey_source import OPEN_FILES
from scionwood_seismic.readers.create import write_segy

pytestmark = pytest.mark.slow
OPTIONS = ["data.on_bad_file=skip", "data.noise_window=0", "trainer.enable_progress_bar=false"]


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    """Seven files: one is cut, and one has a record that once killed the library of miniSEED."""
    folder = tmp_path / "survey"
    folder.mkdir()
    for number in range(6):
        gathers = np.random.default_rng(number).standard_normal((3, 40, 64)).astype(np.float32)
        write_segy(folder / f"{number}.sgy", gathers, dt=0.004)
    whole = (folder / "2.sgy").read_bytes()
    (folder / "2.sgy").write_bytes(whole[:-500])
    (folder / "6.mseed").write_bytes(_killer(tmp_path))
    return folder


def _killer(folder: Path) -> bytes:
    obspy = pytest.importorskip("obspy")
    values = np.arange(900).astype("int32")
    trace = obspy.Trace(values, {"sampling_rate": 100.0, "channel": "HHZ"})
    trace.write(str(folder / "whole.mseed"), format="MSEED", reclen=512)
    data = bytearray((folder / "whole.mseed").read_bytes())
    data[542:544] = b"\xf4\xf4"  # the number of samples of the second record
    return bytes(data)


@pytest.mark.skipif(sys.platform != "linux", reason="the reader service needs Linux")
def test_a_run_skips_bad_files_and_keeps_its_choice(survey, tmp_path, monkeypatch, caplog, capsys):
    monkeypatch.setenv("SCIONWOOD_READERS", "service")
    caplog.set_level(logging.WARNING, "scionwood.training")
    options = [*OPTIONS, f"data.path={survey}"]
    recipe = scionwood.resolve("seismic/adapt_to_survey", options, smoke=True)
    run = scionwood.fit(recipe, run_dir=tmp_path / "run")
    with (run / "skipped.csv").open(encoding="utf-8", newline="") as file:
        rows = {Path(row["file"]).name: row["reason"] for row in csv.DictReader(file)}
    assert list(rows) == ["2.sgy", "6.mseed"]
    assert "ends" in rows["2.sgy"]
    assert "6.mseed" in rows["6.mseed"]
    assert "2 of 7 files were skipped" in capsys.readouterr().err
    assert len(caplog.records) == 2

    tested = scionwood.test(run)
    (survey / "6.mseed").unlink()
    (survey / "2.sgy").write_bytes((survey / "1.sgy").read_bytes())  # mended meanwhile
    assert scionwood.test(run) == tested
    again = scionwood.fit(recipe, resume=run, overrides={"trainer.max_steps": 4})
    assert len(again.metrics)
    (survey / "3.sgy").write_bytes(b"gone")
    with pytest.raises(scionwood.ReadError, match="Restore the file and resume the run"):
        scionwood.fit(recipe, resume=run, overrides={"trainer.max_steps": 6})


@pytest.mark.skipif(sys.platform != "linux", reason="the reader service needs Linux")
def test_the_child_of_a_survey_keeps_few_files_open(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIONWOOD_READERS", "service")
    for number in range(30):
        gathers = np.random.default_rng(number).standard_normal((1, 16, 32)).astype(np.float32)
        write_segy(tmp_path / f"{number}.sgy", gathers, dt=0.004)
    data = Survey(path=str(tmp_path), n_traces=8, n_samples=16, n_train=200, batch_size=8)
    drawn = [batch["noisy"] for batch in data.loader("train")]
    assert len(drawn) == 25
    (session,) = data.data_files._sessions.values()
    (channel,) = session._channels.values()
    told = Path(f"/proc/self/fdinfo/{channel.process.handle}").read_text("utf-8")
    pid = next(line.split()[1] for line in told.splitlines() if line.startswith("Pid:"))
    held = [path.resolve().suffix for path in Path(f"/proc/{pid}/fd").iterdir()]
    assert 0 < held.count(".sgy") <= OPEN_FILES
