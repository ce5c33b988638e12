"""An exported model, normalised as its sidecar says, gives the next state of a rollout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from scionwood import export_run
from scionwood_pde import api

RUN = "pde/dynamics"


def test_the_numbers_of_the_sidecar_make_a_step_of_a_rollout(tmp_path: Path) -> None:
    assert export_run(RUN, tmp_path / "next.pt2").reached <= 1e-5
    card = json.loads((tmp_path / "next.pt2.json").read_text())
    numbers = card["normalisation"]["numbers"]
    states = api.simulate("burgers", n=1, n_points=32, n_steps=2, seed=3)
    expected = api.rollout(states, run=RUN, steps=1)
    names = [str(name) for name in states.coords["channel"].values]
    assert names == numbers["fields"]
    mean, std = (np.array(numbers[key])[:, None, None, None] for key in ("mean", "std"))
    x = ((states[0, 0].values - mean) / std).astype(np.float32)
    model = torch.export.load(tmp_path / "next.pt2").module()
    with torch.no_grad():
        given = model(torch.from_numpy(x)[None])[0].numpy() * std + mean
    reference = expected[0, 1].values
    assert np.abs(given - reference).max() <= 1e-5 * np.abs(reference).max()


@pytest.mark.slow
def test_onnx_equals_the_run(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    assert export_run(RUN, tmp_path / "next.onnx", format="onnx").reached <= 1e-4
