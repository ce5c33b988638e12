"""Post-stack lines whose headers group traces by twos are processed as one section."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import segyio
from case_table import table

from scionwood.cli import main
from scionwood_seismic.inference.options import RequestOptions
from scionwood_seismic.inference.section import choose_gathers
from scionwood_seismic.readers.segy import SegyReader

TRACES, SAMPLES = 48, 96


def line(path: Path, headers: dict[str, np.ndarray]) -> Path:
    """Write dipping events with noise, with some trace headers."""
    time, trace = np.arange(SAMPLES), np.arange(TRACES)[:, None]
    rng = np.random.default_rng(0)
    data = 0.4 * rng.standard_normal((TRACES, SAMPLES))
    for at in (20, 45, 70):
        phase = np.square(np.pi * (time - at - 0.2 * (trace - TRACES / 2)) / 12)
        data += (1 - 2 * phase) * np.exp(-phase)
    spec = segyio.spec()
    spec.format, spec.tracecount, spec.samples = 5, TRACES, time * 4.0
    with segyio.create(path, spec) as file:
        file.bin.update(hdt=4000)
        file.trace = data.astype(np.float32)
        for i in range(TRACES):
            words = {name: int(values[i]) for name, values in headers.items()}
            file.header[i] = {getattr(segyio.su, name): word for name, word in words.items()}
    return path


COUNT = np.arange(TRACES)
TWOS = COUNT // 2


def test_a_line_with_two_traces_a_gather_is_one_section(tmp_path, capsys):
    """The result is that of `--gather none --model stack`, and the first line says so."""
    source = line(tmp_path / "line.sgy", {"fldr": TWOS, "cdp": 900 - COUNT})
    results = {}
    for name, options in {
        "auto": [],
        "none": ["--gather", "none", "--model", "stack"],
        "fldr": ["--gather", "fldr"],
    }.items():
        clean = tmp_path / f"{name}.sgy"
        assert main(["seismic", "denoise", str(source), str(clean), *options]) == 0
        printed = " ".join(capsys.readouterr().out.split())
        said = "24 gathers of 2 traces by fldr; cdp counts the traces: taken as one section"
        assert (said in printed) == (name == "auto")
        with SegyReader(clean) as reader:
            results[name] = reader.read(0).data.copy()
        sidecar = json.loads(clean.with_name(clean.name + ".json").read_text())
        assert (sidecar["model"] == "stack") == (name != "fldr")
    with SegyReader(source) as reader:
        before = reader.read(0).data
    np.testing.assert_array_equal(results["auto"], results["none"])
    np.testing.assert_array_equal(results["fldr"], before)
    assert np.square(results["auto"] - before).sum() > 0.02 * np.square(before).sum()


@table(
    ("headers", "gather"),
    [
        ({"fldr": TWOS, "cdp": 10 + COUNT}, "none"),
        ({"fldr": COUNT, "iline": 5 * COUNT}, "none"),
        ({"fldr": COUNT // 7, "xline": 7 - COUNT, "offset": 0 * COUNT + 100}, "none"),
        ({"fldr": COUNT // 8, "cdp": COUNT}, "fldr"),  # gathers of eight
        ({"fldr": TWOS, "cdp": COUNT // 2}, "fldr"),  # no header counts the traces
        ({"fldr": TWOS, "cdp": COUNT ^ 3}, "fldr"),  # each trace has its own, out of order
        ({"fldr": TWOS, "cdp": COUNT, "offset": 25 * (COUNT % 2)}, "fldr"),  # shots
    ],
)
def test_only_a_section_is_taken_as_one(tmp_path, headers, gather):
    source = line(tmp_path / "line.sgy", headers)
    options, line_of_output = choose_gathers(source, RequestOptions())
    assert options.gather == gather
    assert bool(line_of_output) == (gather == "none")
    assert choose_gathers(source, RequestOptions(gather="cdp")) == (
        RequestOptions(gather="cdp"),
        "",
    )
    assert choose_gathers(source, RequestOptions(slices="inline"))[0].gather == "fldr"
