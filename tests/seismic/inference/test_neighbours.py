"""Neighbouring slices and shots: which they are, what a model sees of them, and the harm gate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import segyio
from known_networks import MeanOfSlices, events
from plain_figures import undrawn

from scionwood import RecipeError, Record, fit
from scionwood.cli import main
from scionwood.recipes.recipe import resolve
from scionwood_seismic import DenoiseOptions, denoise
from scionwood_seismic.backbones import field_unet
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.neighbours import Neighbours, choose_neighbours
from scionwood_seismic.inference.records import Denoiser
from scionwood_seismic.readers.segy import SegyReader
from scionwood_seismic.readers.streams import StreamReader

INLINES, CROSSLINES, SAMPLES = (100, 101, 102, 103, 110), 8, 64
LACKS = (102, 505)
OFF = DenoiseOptions(gate="off")


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five inlines with a gap in their numbers; the third one lacks a crossline."""
    path = tmp_path_factory.mktemp("cube") / "cube.sgy"
    rng = np.random.default_rng(0)
    time = np.arange(SAMPLES)
    signal = sum(np.exp(-(((time - at) / 3) ** 2)) for at in (15, 35, 52))
    places = [(i, 500 + x) for i in INLINES for x in range(CROSSLINES) if (i, 500 + x) != LACKS]
    spec = segyio.spec()
    spec.format, spec.tracecount, spec.samples = 5, len(places), time * 4.0
    with segyio.create(path, spec) as file:
        file.bin.update(hdt=4000)
        noise = 0.3 * rng.standard_normal((len(places), SAMPLES))
        file.trace = (signal + noise).astype(np.float32)
        for i, (inline, crossline) in enumerate(places):
            file.header[i] = {189: inline, 193: crossline, 9: inline, 37: 25 * (crossline - 500)}
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that sees one slice on each side."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    with undrawn():
        return fit(resolve("seismic/stack_25d", smoke=True), run_dir=folder)


@pytest.mark.parametrize("gather", ["iline", "fldr"])
def test_slices_lie_beside_each_other_trace_by_trace(cube, gather):
    with SegyReader(cube, gather=gather) as reader:
        beside = Neighbours(reader, 1)
        own = [reader.read(i) for i in range(len(reader))]
        first, second, third = (beside(record) for record in own[:3])
        np.testing.assert_array_equal(first[0], own[0].data)  # the edge stands for itself
        np.testing.assert_array_equal(first[1], own[1].data)
        np.testing.assert_array_equal(second[0], own[0].data)
        lacking = np.delete(second[1], 5, axis=0)
        np.testing.assert_array_equal(lacking, own[2].data)
        np.testing.assert_array_equal(second[1][5], own[1].data[5])
        np.testing.assert_array_equal(third[1], np.delete(own[3].data, 5, axis=0))
        np.testing.assert_array_equal(beside(own[4])[0], own[4].data)  # inline 103 is too far


def test_a_later_slice_needs_none_before_it(cube):
    with SegyReader(cube, gather="iline") as reader:
        np.testing.assert_array_equal(Neighbours(reader, 1)(reader.read(3))[1], reader.read(3).data)


def test_a_record_stands_for_dead_traces_beside_it():
    clean = events(0.5, traces=24)
    beside = np.stack([clean, clean])
    beside[0, 3] = 0
    beside[1, 4] = np.nan
    result = denoise_record(
        MeanOfSlices(), clean, dt=0.004, domain="stack", beside=beside, options=OFF
    )
    np.testing.assert_allclose(result.denoised, clean, atol=1e-4)
    other = denoise_record(
        MeanOfSlices(), clean, dt=0.004, domain="stack", beside=0.5 * beside[::-1], options=OFF
    )
    assert np.square(other.denoised - clean).sum() > 0.02 * np.square(clean).sum()


def test_the_gate_lets_events_go_on_in_the_slices_beside():
    """A flat event of one slice alone would keep a third of its amplitude."""
    rng = np.random.default_rng(1)
    clean = events(0.0, traces=64)
    slices = clean + 0.3 * rng.standard_normal((3, *clean.shape)).astype(np.float32)
    report = denoise_record(
        MeanOfSlices(),
        slices[0],
        dt=0.004,
        domain="stack",
        beside=slices[1:],
        options=DenoiseOptions(gate="report"),
    ).report
    assert report.recovered["strong own"] > 0.95
    steep = events(3.0, traces=64)
    apart = np.stack([np.roll(steep, shift, axis=1) for shift in (-6, 6)])
    harmed = denoise_record(MeanOfSlices(), steep, dt=0.004, domain="stack", beside=apart).report
    assert harmed.share < 1


def test_a_file_is_denoised_with_neighbours_and_resumed(cube, run, tmp_path, monkeypatch, capsys):
    whole, target, alone = (tmp_path / name for name in ("whole.sgy", "part.sgy", "alone.sgy"))
    options = ["--run", str(run), "--slices", "inline"]
    assert main(["seismic", "denoise", str(cube), str(whole), *options]) == 0
    assert "it sees each gather with 1 on each side" in capsys.readouterr().out
    assert json.loads(Path(f"{whole}.json").read_text())["work"]["neighbours"] == 1
    denoise(cube, alone, DenoiseOptions(run=run, slices="inline", neighbours=0))
    assert "neighbours" not in json.loads(Path(f"{alone}.json").read_text())["work"]
    assert alone.read_bytes() != whole.read_bytes()

    calls, denoised = 0, Denoiser.__call__

    def stops(self: Denoiser, record: Record) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return denoised(self, record)

    monkeypatch.setattr(Denoiser, "__call__", stops)
    with pytest.raises(KeyboardInterrupt):
        denoise(cube, target, DenoiseOptions(run=run, slices="inline"))
    assert main(["seismic", "denoise", str(cube), str(target), *options, "--neighbours=0"]) == 2
    assert main(["seismic", "denoise", str(cube), str(target), *options, "--resume"]) == 0
    assert calls < 3 + len(INLINES)
    assert target.read_bytes() == whole.read_bytes()


def test_what_no_run_or_file_has_is_refused(cube, tmp_path):
    plain, sees = field_unet(), field_unet(neighbours=1)
    stream = tmp_path / "three.mseed"
    StreamReader.write_sample(stream)
    with SegyReader(cube, gather="iline") as volume, SegyReader(cube) as one:
        assert choose_neighbours(None, sees, volume) == 1
        assert choose_neighbours(None, plain, volume) == 0
        assert choose_neighbours(None, sees, one) == 0
        assert choose_neighbours(0, sees, volume) == 0
        with pytest.raises(RecipeError, match="the run sees 0 slices"):
            choose_neighbours(1, plain, volume)
        with pytest.raises(RecipeError, match=r"cube\.sgy is one gather"):
            choose_neighbours(1, sees, one)
    with (
        SegyReader(cube, gather="iline", block=4) as parts,
        pytest.raises(RecipeError, match="long"),
    ):
        choose_neighbours(1, sees, parts)
    with StreamReader(stream) as reader, pytest.raises(RecipeError, match="is not SEG-Y"):
        choose_neighbours(1, sees, reader)
