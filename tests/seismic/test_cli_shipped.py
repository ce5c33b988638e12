"""The command `denoise` without a run: the shipped models, and what the harm gate prints."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scionwood.cli import main


class TestWithoutARun:
    """The shipped models, the harm gate, and what both print."""

    @pytest.fixture
    def gather(self) -> np.ndarray:
        time, trace = np.arange(200), np.arange(48)[:, None]
        gather = np.zeros((48, 200))
        for at in (30, 80, 130, 170):
            phase = np.square(np.pi * (time - at - 0.2 * trace) / 12)
            gather += (1 - 2 * phase) * np.exp(-phase)
        noise = np.random.default_rng(0).standard_normal(gather.shape) * gather.std()
        return (gather + noise)[None].astype(np.float32)

    def test_a_model_is_chosen_and_each_gather_has_its_light(self, segy, gather, capsys):
        dead = np.zeros_like(gather)
        noisy = segy(data=np.concatenate([gather, dead]))
        clean, qc = noisy.with_name("clean.sgy"), noisy.with_name("qc.png")
        assert main(["seismic", "denoise", str(noisy), str(clean), "--qc", str(qc)]) == 0
        said = capsys.readouterr().out
        assert "model shot: its offsets go from 0 to" in said
        assert "yellow fldr 101: passed through unchanged: no live trace" in said
        assert "yellow fldr 100: weak " in said, "at 0 dB, weak events are lost"
        assert "events keep" in said
        assert "harm gate: 2 yellow (1 passed through unchanged)" in said
        assert "qc.html" in said
        page = noisy.with_name("qc.html").read_text()
        assert "recovered, strong" in page
        assert "passed through" in page
        sidecar = json.loads(clean.with_name("clean.sgy.json").read_text())
        report = sidecar["reports"][0]
        assert (sidecar["model"], report["domain"]) == ("shot", "shot")
        assert report["gather"] == "fldr 100"
        assert report["recovered"]["strong own"] > 0.85
        assert report["removed"] > 0.2
        assert not list(noisy.parent.glob(".clean*"))

    def test_the_limits_are_options(self, segy, gather, capsys):
        noisy = segy(data=gather)
        clean = noisy.with_name("clean.sgy")
        command = ["seismic", "denoise", str(noisy), str(clean), "--strong", "0.999"]
        assert main(command) == 0
        assert "yellow fldr 100: " in capsys.readouterr().out
        assert main([*command, "--force", "--strong", "1.5"]) == 2
        assert "strong 1.5: the least recovered amplitude" in capsys.readouterr().err

    def test_single_traces_are_refused_before_anything_is_written(self, segy, gather, capsys):
        noisy = segy(data=gather[:, :1])
        before = noisy.read_bytes()
        clean = noisy.with_name("clean.sgy")
        assert main(["seismic", "denoise", str(noisy), str(clean), "--model", "shot"]) == 2
        message = " ".join(capsys.readouterr().err.split())
        assert "model shot: shot needs gathers of 3 traces or more" in message
        assert "--model station" in message
        assert noisy.read_bytes() == before
        assert not clean.exists()

    @pytest.mark.parametrize("kind", ["clipped", "dead"])
    def test_a_gather_that_passes_through_keeps_the_bytes_of_the_file(self, segy, gather, kind):
        noisy = segy(data=np.clip(gather, -0.3, 0.3) if kind == "clipped" else 0 * gather)
        clean, qc = noisy.with_name("clean.sgy"), noisy.with_name("qc.png")
        assert main(["seismic", "denoise", str(noisy), str(clean), "--qc", str(qc)]) == 0
        assert clean.read_bytes() == noisy.read_bytes()
