"""Fixtures of the seismic tests: SEG-Y files of every kind, and a run of two steps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import segyio
from plain_figures import undrawn

from scionwood import fit
from scionwood.recipes.recipe import resolve

sys.path.insert(0, str(Path(__file__).parent / "support"))

Write = Callable[..., Path]

WIDER = {7: 2, 15: 10}
"""Three-byte format, which segyio does not write -> four-byte format, which it writes."""


@pytest.fixture(autouse=True)
def _plain(_one_thread: None, _undrawn: None) -> None:
    """Run every test on one thread, and draw no figure of a run."""


@pytest.fixture
def gathers() -> np.ndarray:
    """Two gathers of 24 traces and 40 samples, with amplitudes of instrument counts."""
    return (np.random.default_rng(0).standard_normal((2, 24, 40)) * 20).astype(np.float32)


@pytest.fixture
def segy(tmp_path: Path, gathers: np.ndarray) -> Write:
    """Write gathers as SEG-Y with header bytes that must be preserved."""

    def write(
        name: str = "in.sgy",
        data: np.ndarray = gathers,
        *,
        format: int = 5,
        endian: str = "big",
        interval: int = 4000,
        delay: int = 0,
    ) -> Path:
        path = tmp_path / name
        shots, traces, samples = data.shape
        spec = segyio.spec()
        spec.format, spec.endian = WIDER.get(format, format), endian
        spec.tracecount = shots * traces
        spec.samples = np.arange(samples) * 4.0
        with segyio.create(path, spec) as file:
            file.text[0] = segyio.tools.create_text_header({1: "A SURVEY OF SOMEONE ELSE"})
            file.bin.update(hdt=interval, jobid=77)
            file.trace = np.ascontiguousarray(data.reshape(-1, samples)).astype(file.dtype)
            for i in range(shots * traces):
                file.header[i] = {
                    segyio.su.fldr: 100 + i // traces,
                    segyio.su.offset: 25 * (i % traces),
                    segyio.su.cdp: 7 + i % 3,
                    segyio.su.delrt: delay,
                    segyio.su.scalco: -100,
                    segyio.su.sx: 123456 + i,
                }
        if format in WIDER:
            _shrink(path, shots * traces, format, endian)
        return _scribble(path, shots * traces)

    return write


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of the recipe with two steps."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    with undrawn():
        return fit(resolve("seismic/denoise", smoke=True), run_dir=folder)


@pytest.fixture
def small_disk(disk: Callable[[str], Path]) -> Path:
    """A file system of 64 KiB."""
    return disk("64k")


@pytest.fixture
def headers() -> Callable[[Path, int], bytes]:
    """Return the header bytes of a SEG-Y file with a number of traces."""

    def read(path: Path, traces: int) -> bytes:
        raw = path.read_bytes()
        size = (len(raw) - 3600) // traces
        return raw[:3600] + b"".join(raw[at : at + 240] for at in range(3600, len(raw), size))

    return read


def _shrink(path: Path, traces: int, format: int, endian: str) -> None:
    """Drop the highest byte of each sample of four bytes."""
    raw = path.read_bytes()
    rows = np.frombuffer(raw[3600:], np.uint8).reshape(traces, -1)
    samples = rows[:, 240:].reshape(traces, -1, 4)
    kept = samples[..., 1:] if endian == "big" else samples[..., :3]
    head = bytearray(raw[:3600])
    head[3224:3226] = format.to_bytes(2, endian)
    path.write_bytes(bytes(head) + np.hstack([rows[:, :240], kept.reshape(traces, -1)]).tobytes())


def _scribble(path: Path, traces: int) -> Path:
    """Fill the unassigned bytes 181-240 of each trace header with noise."""
    raw = bytearray(path.read_bytes())
    size = (len(raw) - 3600) // traces
    rng = np.random.default_rng(1)
    for i in range(traces):
        start = 3600 + i * size + 180
        raw[start : start + 60] = rng.bytes(60)
    path.write_bytes(raw)
    return path
