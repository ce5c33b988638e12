"""A volume is denoised by slices of one direction, or by the mean of both."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import segyio

from scionwood import RecipeError, Record
from scionwood.cli import main
from scionwood_seismic import DenoiseOptions, denoise, simulate
from scionwood_seismic.inference.records import Denoiser
from scionwood_seismic.inference.volume import Mean, check_volume
from scionwood_seismic.readers.segy import SegyReader
from scionwood_seismic.readers.streams import StreamReader

INLINES, CROSSLINES, SAMPLES = 6, 8, 64


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flat events with noise, and a dead trace; crosslines run fastest."""
    path = tmp_path_factory.mktemp("volume") / "cube.sgy"
    rng = np.random.default_rng(0)
    time = np.arange(SAMPLES)
    events = sum(np.exp(-(((time - at) / 3) ** 2)) for at in (15, 35, 52))
    data = events + 0.3 * rng.standard_normal((INLINES, CROSSLINES, SAMPLES))
    data[2, 3] = 0
    spec = segyio.spec()
    spec.format, spec.tracecount, spec.samples = 5, INLINES * CROSSLINES, time * 4.0
    with segyio.create(path, spec) as file:
        file.text[0] = segyio.tools.create_text_header({1: "A VOLUME"})
        file.bin.update(hdt=4000)
        file.trace = data.reshape(-1, SAMPLES).astype(np.float32)
        for i in range(spec.tracecount):
            file.header[i] = {189: 100 + i // CROSSLINES, 193: 500 + i % CROSSLINES}
    return path


def read(path: Path) -> np.ndarray:
    with SegyReader(path) as reader:
        return reader.read(0).data.copy()


@pytest.fixture(scope="module")
def results(cube: Path) -> dict[str, Path]:
    """The results of both directions, and of their mean."""
    found = {}
    for slices in ("inline", "crossline", "both"):
        found[slices] = cube.with_name(f"{slices}.sgy")
        command = ["seismic", "denoise", str(cube), str(found[slices]), "--slices", slices]
        assert main(command) == 0
    return found


def test_both_directions_give_their_mean(cube, results):
    along, across, mean = (read(results[name]) for name in ("inline", "crossline", "both"))
    assert not np.array_equal(along, across)
    np.testing.assert_allclose(mean, (along + across) / 2, rtol=1e-6, atol=1e-6)
    assert not mean[2 * CROSSLINES + 3].any()
    assert read(cube).std() > mean.std()


def test_the_gate_judges_the_slices_of_both_directions(results):
    sidecar = results["both"].with_name("both.sgy.json")
    content = json.loads(sidecar.read_text())
    names = [report["gather"] for report in content["reports"]]
    assert names == [f"iline {100 + i}" for i in range(INLINES)] + [
        f"xline {500 + i}" for i in range(CROSSLINES)
    ]
    assert content["model"] == "stack"
    assert content["why"] == "--slices says a volume after stack"
    assert sum(content["lights"].values()) == INLINES + CROSSLINES
    assert not list(sidecar.parent.glob(".*"))


def test_a_stopped_run_is_resumed(cube, results, tmp_path, monkeypatch):
    """The stop comes in the second direction: the first one is not done again."""
    target, calls = tmp_path / "mean.sgy", 0
    denoised = Denoiser.__call__

    def stops(self: Denoiser, record: Record) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == INLINES + 3:
            raise KeyboardInterrupt
        return denoised(self, record)

    monkeypatch.setattr(Denoiser, "__call__", stops)
    with pytest.raises(KeyboardInterrupt):
        denoise(cube, target, DenoiseOptions(slices="both"))
    assert main(["seismic", "denoise", str(cube), str(target), "--slices", "both"]) == 2
    calls = INLINES + 3
    denoise(cube, target, DenoiseOptions(slices="both"), resume=True)
    assert calls <= INLINES + 3 + CROSSLINES
    assert target.read_bytes() == results["both"].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mean.sgy", "mean.sgy.json"]


def test_slices_come_in_order_also_after_some(cube):
    with SegyReader(cube, gather="xline") as reader, SegyReader(cube, gather="xline") as other:
        mean = Mean(Denoiser(lambda x: x, identity={}), other)
        assert mean.identity == {"slices": "both"}
        np.testing.assert_array_equal(mean._same(reader.read(3)).data, reader.read(3).data)
        np.testing.assert_array_equal(mean._same(reader.read(6)).data, reader.read(6).data)


def test_a_file_without_such_slices_is_refused(cube, tmp_path):
    flat = tmp_path / "line.sgy"
    simulate(flat, tmp_path / "clean.sgy", n=1, n_traces=24, n_samples=48)
    with (
        SegyReader(flat, gather="iline") as reader,
        pytest.raises(RecipeError, match=r"inline numbers of line.sgy \(byte 189\) are all the"),
    ):
        check_volume(reader, "inline")
    each = tmp_path / "each.sgy"
    raw = bytearray(cube.read_bytes())
    stride = 240 + 4 * SAMPLES
    for i in range(INLINES * CROSSLINES):
        at = 3600 + i * stride + 188
        raw[at : at + 4] = i.to_bytes(4, "big")
    each.write_bytes(raw)
    with (
        SegyReader(each, gather="iline") as reader,
        pytest.raises(RecipeError, match="leave 1 traces a slice, and 3 are needed"),
    ):
        check_volume(reader, "inline")
    stream = tmp_path / "three.mseed"
    StreamReader.write_sample(stream)
    with pytest.raises(RecipeError, match="is not SEG-Y"):
        check_volume(StreamReader(stream), "both")
