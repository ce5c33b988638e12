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


def edit(path: Path, **fields: int | np.ndarray) -> Path:
    """Write trace headers; an array has the value of each trace."""
    with segyio.open(path, "r+", ignore_geometry=True) as file:
        for i in range(file.tracecount):
            values = {name: np.broadcast_to(v, file.tracecount)[i] for name, v in fields.items()}
            file.header[i] = {getattr(segyio.su, name): int(v) for name, v in values.items()}
    return path


@table(
    ("shape", "interval", "headers", "sorting", "name"),
    [
        ((2, 24, 40), 4000, {}, 0, "shot"),  # offsets are those of shots
        ((2, 24, 40), 4000, {}, 4, "stack"),  # the sorting code says stacked
        (
            (2, 24, 40),
            4000,
            {"offset": 0, "iline": np.arange(48) // 24 + 5, "xline": np.arange(48) % 24 + 1},
            0,
            "stack",
        ),
        ((1, 300, 40), 500, {"offset": 0, "iline": 0, "xline": 0, "cdp": 0}, 0, "das"),
        ((1, 1, 40), 4000, {}, 0, "station"),
    ],
    ids=["offsets", "sorting code", "inlines", "many fine traces", "one trace"],
)
def test_the_headers_of_segy_say_what_it_holds(segy, shape, interval, headers, sorting, name):
    data = np.random.default_rng(0).standard_normal(shape)
    path = edit(segy(data=data, interval=interval), **headers)
    with segyio.open(path, "r+", ignore_geometry=True) as file:
        file.bin.update({segyio.BinField.SortingCode: sorting})
    with SegyReader(path, gather="fldr") as reader:
        assert choose(reader).name == name


def test_the_user_overrules_unless_the_gathers_are_single_traces(segy):
    with SegyReader(segy(), gather="fldr") as reader:
        assert choose(reader, "stack").name == "stack"
    with (
        SegyReader(segy(data=np.ones((5, 1, 40))), gather="fldr") as reader,
        pytest.raises(RecipeError, match=r"gathers of 3 traces or more, and in\.sgy has 1"),
    ):
        choose(reader, "shot")


def test_components_are_of_a_station(tmp_path):
    StreamReader.write_sample(tmp_path / "in.mseed")
    with StreamReader(tmp_path / "in.mseed") as reader:
        found = choose(reader)
        assert found.name == "station"
        assert "components Z, N, E of a station" in found.why
        with pytest.raises(RecipeError, match=r"not neighbours of a gather.*--model station"):
            choose(reader, "shot")


def test_fibre_files_are_of_a_fibre(tmp_path):
    DasReader.write_sample(tmp_path / "in.h5")
    with DasReader(tmp_path / "in.h5") as reader:
        assert choose(reader).name == "das"


def test_an_array_is_known_by_its_traces_its_interval_and_its_channel():
    arrays = {(1, 0.01): "station", (3, None): "station", (60, 0.004): "shot", (960, 0.0005): "das"}
    assert {key: for_array(*key).name for key in arrays} == arrays
    channels = {"XX.ABC..HHZ": "station", "XX.ABC.00.BHE": "station", "9N.HSF..HSF": "das"}
    assert {key: for_channel(key, 60, 0.01).name for key in channels} == channels
