"""The model that is chosen for a file or an array, and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import segyio
from case_table import table

from scionwood import RecipeError
from scionwood_seismic.inference.choice import choose, for_array, for_channel
from scionwood_seismic.readers.das import DasReader
from scionwood_seismic.readers.segy import SegyReader
from scionwood_seismic.readers.streams import StreamReader

Write = Callable[..., Path]


def chosen(path: Path) -> str:
    with SegyReader(path, gather="fldr") as reader:
        return choose(reader).name


def edit(path: Path, **fields: int | np.ndarray) -> Path:
    """Write trace headers; an array has the value of each trace."""
    with segyio.open(path, "r+", ignore_geometry=True) as file:
        for i in range(file.tracecount):
            values = {name: np.broadcast_to(v, file.tracecount)[i] for name, v in fields.items()}
            file.header[i] = {getattr(segyio.su, name): int(v) for name, v in values.items()}
    return path


def test_offsets_are_those_of_shots(segy: Write) -> None:
    assert chosen(segy()) == "shot"


def test_the_sorting_code_says_stacked(segy: Write) -> None:
    path = segy()
    with segyio.open(path, "r+", ignore_geometry=True) as file:
        file.bin.update({segyio.BinField.SortingCode: 4})
    assert chosen(path) == "stack"


def test_inlines_and_crosslines_without_offsets_are_a_stack(segy: Write) -> None:
    path = edit(segy(), offset=0, iline=np.arange(48) // 24 + 5, xline=np.arange(48) % 24 + 1)
    assert chosen(path) == "stack"


def test_many_finely_sampled_traces_without_offsets_are_a_fibre(segy: Write) -> None:
    data = np.random.default_rng(0).standard_normal((1, 300, 40))
    path = edit(segy(data=data, interval=500), offset=0, iline=0, xline=0, cdp=0)
    assert chosen(path) == "das"


def test_a_file_of_a_single_trace_is_of_a_station(segy: Write) -> None:
    assert chosen(segy(data=np.ones((1, 1, 40)))) == "station"


def test_components_are_of_a_station(tmp_path: Path) -> None:
    StreamReader.write_sample(tmp_path / "in.mseed")
    with StreamReader(tmp_path / "in.mseed") as reader:
        found = choose(reader)
        assert found.name == "station"
        assert "components Z, N, E of a station" in found.why
        with pytest.raises(RecipeError, match=r"not neighbours of a gather.*--model station"):
            choose(reader, "shot")


def test_fibre_files_are_of_a_fibre(tmp_path: Path) -> None:
    DasReader.write_sample(tmp_path / "in.h5")
    with DasReader(tmp_path / "in.h5") as reader:
        assert choose(reader).name == "das"


def test_the_user_overrules(segy: Write) -> None:
    with SegyReader(segy(), gather="fldr") as reader:
        assert choose(reader, "stack").name == "stack"


def test_refuses_single_traces_for_a_model_of_gathers(segy: Write) -> None:
    with (
        SegyReader(segy(data=np.ones((5, 1, 40))), gather="fldr") as reader,
        pytest.raises(RecipeError, match=r"gathers of 3 traces or more, and in\.sgy has 1"),
    ):
        choose(reader, "shot")


@table(
    ("traces", "dt", "name"),
    [(1, 0.01, "station"), (3, None, "station"), (60, 0.004, "shot"), (960, 0.0005, "das")],
)
def test_an_array_is_known_by_its_traces_and_its_interval(
    traces: int, dt: float | None, name: str
) -> None:
    assert for_array(traces, dt).name == name


@table(
    ("channel", "name"),
    [("XX.ABC..HHZ", "station"), ("XX.ABC.00.BHE", "station"), ("9N.HSF..HSF", "das")],
)
def test_a_channel_code_names_the_instrument(channel: str, name: str) -> None:
    assert for_channel(channel, 60, 0.01).name == name
