"""The normaliser of a run: its values, its file, and damaged files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from case_table import table

from scionwood import ReadError
from scionwood_pde.data.normaliser import FILE, Normaliser

STATES = np.random.default_rng(0).normal(7, 3, (5, 2, 4, 4, 4)).astype(np.float32)


def test_normalised_fields_have_unit_variance_and_convert_back() -> None:
    states = torch.from_numpy(STATES)
    scale = Normaliser.of(["p", "u"], STATES)
    normalised = scale.apply(states)
    axes = (0, 2, 3, 4)
    torch.testing.assert_close(normalised.mean(axes), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalised.std(axes, correction=0), torch.ones(2))
    torch.testing.assert_close(scale.undo(normalised), states)


def test_a_constant_field_is_only_shifted() -> None:
    scale = Normaliser.of(["p"], np.full((2, 1, 4, 4, 4), 1e6, np.float32))
    assert (scale.mean, scale.std) == ((1e6,), (1.0,))


def test_reads_the_normaliser_that_was_written(tmp_path: Path) -> None:
    scale = Normaliser.of(["p", "u"], STATES, 0.1, "s")
    scale.write(tmp_path)
    assert Normaliser.read(tmp_path) == scale
    assert Normaliser.read(tmp_path / "another") is None


@table(
    ("content", "message"),
    [
        ("{", "not a readable normaliser"),
        ('{"fields": ["p"]}', "not a readable normaliser"),
        ('{"fields": ["p"], "mean": [0.0], "std": [0.0]}', "one positive standard deviation"),
        ('{"fields": ["p"], "mean": [0.0, 1.0], "std": [1.0]}', "one mean"),
    ],
)
def test_names_the_damage(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ReadError, match=rf"{FILE}.*{message}"):
        Normaliser.read(tmp_path)
