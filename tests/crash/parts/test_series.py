"""Conversion between parts and series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scionwood import ReadError
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.parts.series import Setup, from_series, to_series
from scionwood_crash.readers import open_series, write_series


def test_a_part_is_unchanged_by_writing_and_reading(suite: SuiteParts, tmp_path: Path) -> None:
    part = suite.parts("test")[0]
    write_series(tmp_path / "part.vtp", to_series(part))
    again = from_series(open_series(tmp_path / "part.vtp"))
    for name in ("points", "cells", "clamped", "times", "thickness"):
        np.testing.assert_allclose(getattr(again, name), getattr(part, name), atol=1e-6)
    np.testing.assert_allclose(again.displacement, part.displacement, atol=1e-5)
    assert again.impactor.kind == part.impactor.kind
    np.testing.assert_allclose(again.impactor.point, part.impactor.point)
    assert again.material.yield_stress == pytest.approx(part.material.yield_stress)


def test_a_mesh_without_clamped_nodes_needs_an_option(suite: SuiteParts, tmp_path: Path) -> None:
    part = suite.parts("test")[0]
    series = to_series(part)
    bare = replace(series, times=series.times[:1], features={}, read=_bare(series))
    with pytest.raises(ReadError, match="--clamped"):
        from_series(bare, frames=3)
    part_of_mesh = from_series(bare, Setup(clamped="ends", speed=5.0), frames=3)
    assert part_of_mesh.displacement is None
    assert (part_of_mesh.clamped == part.clamped).all()
    assert part_of_mesh.impactor.speed == 5.0


def _bare(series: Any) -> Callable[[int], Any]:
    return lambda index: replace(series.read(index), point_fields={}, cell_fields={})
