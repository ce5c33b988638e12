"""The edge block as a layer of PyG."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model

from scionwood_crash.model.blocks import GraphBlock
from scionwood_crash.pyg import EdgeBlock, block

NODES, EDGES, WIDTH = 20, 70, 16
Case = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture
def case() -> Case:
    """Nodes, edges in no order, and their states."""
    random = torch.Generator().manual_seed(0)
    ends = torch.randint(0, NODES, (2, EDGES), generator=random)
    x, edge = (torch.randn(n, WIDTH, generator=random) for n in (NODES, EDGES))
    return x, ends, edge


@pytest.fixture
def fused(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count the calls of the kernel."""
    calls: list[int] = []
    kernel = block.edge_block

    def counted(*args: object) -> object:
        calls.append(1)
        return kernel(*args)

    monkeypatch.setattr(block, "edge_block", counted)
    return calls


def test_it_is_the_block_of_the_plugin(case, fused):
    x, ends, edge = case
    ours, theirs = GraphBlock(WIDTH), EdgeBlock(WIDTH)
    theirs.load_state_dict(ours.state_dict())
    order = torch.argsort(ends[1], stable=True)
    nodes, states = ours(x, x, edge[order], ends[:, order], torch.ones(EDGES))
    again = theirs(x, ends, edge)
    torch.testing.assert_close(again[0], nodes)
    torch.testing.assert_close(again[1][order], states)
    assert len(fused) == 1


def test_pygs_own_way_gives_the_same_where_a_hook_watches(case, fused):
    layer = EdgeBlock(WIDTH)
    expected = layer(*case)
    seen = []
    handle = layer.register_message_forward_hook(lambda *_: seen.append(1))
    for ours, theirs in zip(layer(*case), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert len(fused) == len(seen) == 1
    handle.remove()
    layer(*case)
    assert len(fused) == 2


@pytest.mark.parametrize(
    ("options", "calls"), [({}, 1), ({"use_dora": True}, 0), ({"lora_dropout": 0.5}, 0)]
)
def test_plain_lora_runs_in_the_kernel(case, fused, options, calls):
    torch.manual_seed(0)
    config = LoraConfig(
        r=2, target_modules=["source", "target", "edge", "second"], init_lora_weights=False
    )
    for name, value in options.items():
        setattr(config, name, value)
    layer = EdgeBlock(WIDTH).requires_grad_(False)
    inject_adapter_in_model(config, layer)
    out = layer(*case)
    assert len(fused) == calls
    (out[0].sum() + out[1].square().sum()).backward()
    grads = {n: p.grad for n, p in layer.named_parameters() if p.grad is not None}
    assert all("lora" in name for name in grads)
    assert len(grads) >= 8
    if options.get("lora_dropout"):
        return
    layer.zero_grad()
    layer.register_edge_update_forward_hook(lambda *_: None)  # now layer by layer
    slow = layer(*case)
    (slow[0].sum() + slow[1].square().sum()).backward()
    torch.testing.assert_close(out, slow)
    for name, parameter in layer.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(grads[name], parameter.grad, rtol=1e-4, atol=1e-4)


def test_a_bipartite_graph(case):
    x, ends, edge = case
    nodes, states = EdgeBlock(WIDTH)((x, x[:5]), ends % torch.tensor([[NODES], [5]]), edge)
    assert nodes.shape == (5, WIDTH)
    assert states.shape == edge.shape
