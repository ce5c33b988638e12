"""The pretraining script is reproducible, and the shipped file states its origin."""

from pathlib import Path

import torch
from safetensors import safe_open

import scionwood_seismic
from scionwood_seismic.dino.dinov3 import tiny_encoder
from scionwood_seismic.dino.pretrain import pretrain

SHIPPED = Path(scionwood_seismic.__file__).parent / "weights" / "dinov3_tiny.safetensors"


def test_two_runs_of_the_script_agree_and_change_the_encoder():
    once, again = (pretrain(steps=2, batch=2, seed=5).state_dict() for _ in range(2))
    assert all(torch.equal(value, again[name]) for name, value in once.items())
    torch.manual_seed(5)
    start = tiny_encoder().state_dict()
    assert any(not torch.equal(value, start[name]) for name, value in once.items())


def test_the_shipped_file_is_small_and_records_its_origin():
    assert SHIPPED.stat().st_size < 6e6
    with safe_open(SHIPPED, "pt") as file:
        # The name that the module had when the file was written.
        assert file.metadata()["made_by"] == "scionwood_seismic.pretrain"
        assert '"seed": 0' in file.metadata()["options"]
        for name in ("blocks.0.gamma_1", "blocks.5.gamma_2"):
            assert file.get_tensor(name).abs().mean() > 0.1, "it does not suppress an adapter"
