"""The three adapters of the pretrained network, at its real size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from case_table import table
from peft import LoraConfig

from scionwood import AdapterFileError, attach, load_adapter, merge, save_adapter
from scionwood.adapters.methods import config_class
from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.data.encode import Encoder
from scionwood_crash.evaluation.metrics import distance_loss
from scionwood_crash.model import SIZES, CrashGraph
from scionwood_crash.parts.part import Part

Make = Callable[..., Part]
EDGES = ["down.0.weight", "down.1.weight", "up.0.weight", "up.1.weight"]
METHODS: dict[str, tuple[Callable[[], Any], str | None, float]] = {
    "frozen-edge": (lambda: config_class("methods/partial")(), "frozen-edge", 0.2),
    "lora": (lambda: LoraConfig(r=6, lora_alpha=12), "linear", 0.02),
    "lora-edge": (lambda: LoraConfig(r=1, lora_alpha=2, target_parameters=EDGES), None, 0.08),
}
"""Configuration, targets, and largest share of trained weights, decoder included."""


@pytest.fixture(scope="module")
def graph(part: Make) -> CrashGraph:
    return Encoder(SIZES["small"]).encode(part("tube", size=30.0)).graph


def adapted(method: str, seed: int = 0) -> Any:
    make, targets, _ = METHODS[method]
    model = MaskMorphUNet(size="small", frames=3, init_seed=seed)
    return attach(model, make()) if targets is None else attach(model, make(), targets=targets)


def step(model: Any, graph: CrashGraph) -> None:
    """Train two steps towards a part that moves with the impactor."""
    model.train()
    true = torch.tensor([[0.0, 0, 0], [0, -0.2, 0], [0, -0.4, 0]]).expand(len(graph.batch), -1, -1)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    for _ in range(2):  # the second factor of a low-rank product moves in the second step
        optimizer.zero_grad()
        distance_loss(model(*graph), true, graph).sum().backward()
        optimizer.step()
    model.eval()


@table("method", METHODS, parts=2)
def test_an_adapter_is_small_keeps_the_base_and_merges(
    method: str, graph: CrashGraph, tmp_path: Path
) -> None:
    plain = MaskMorphUNet(size="small", frames=3).eval()
    model = adapted(method).eval()
    with torch.no_grad():
        torch.testing.assert_close(model(*graph), plain(*graph), rtol=1e-5, atol=1e-6)
    frozen = {n: p.clone() for n, p in model.named_parameters() if not p.requires_grad}
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    total = sum(p.numel() for p in plain.parameters())
    assert trained < METHODS[method][2] * total
    step(model, graph)
    now = dict(model.named_parameters())
    assert all(torch.equal(value, now[name]) for name, value in frozen.items())
    assert any(".down." in name or name.startswith("down.") for name in frozen)
    save_adapter(model, tmp_path / "adapter")
    size = sum(path.stat().st_size for path in (tmp_path / "adapter").iterdir())
    assert size < 1e6, "bytes"
    with pytest.raises(AdapterFileError, match="base"):
        load_adapter(MaskMorphUNet(size="small", frames=3, init_seed=1), tmp_path / "adapter")
    with torch.no_grad():
        adapted_output = model(*graph)
        assert (adapted_output - plain(*graph)).abs().max() > 1e-3
        merge(model)
        scale = float(adapted_output.abs().max())
        torch.testing.assert_close(model(*graph), adapted_output, rtol=1e-5, atol=1e-5 * scale)
