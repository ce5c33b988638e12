"""The layout of states in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

from scionwood import ReadError
from scionwood_pde.readers import layout
from scionwood_pde.readers.states import layout_of


def test_the_size_of_a_file_does_not_limit_states_in_memory(
    states: xr.DataArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_LARGE", 1)
    read = layout_of(states)
    assert read.sides == (4, 3, 2)
    with pytest.raises(ReadError, match="cannot hold"):
        read.check_stored(Path("no such file"))
