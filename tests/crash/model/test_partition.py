"""A graph in pieces gives the loss and the gradients of the whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from scionwood_crash.backbones import MaskMorphUNet, MeshGraphNet
from scionwood_crash.model.partition import by_pieces, cut
from scionwood_crash.tasks.displacement import Displacement


class Counted:
    """Counts the numbers that autograd keeps."""

    def __init__(self) -> None:
        self.total = 0

    def __call__(self, value: torch.Tensor) -> torch.Tensor:
        self.total += value.numel()
        return value


def gradients(batch: dict[str, Any], most: int | None) -> tuple[float, dict[str, torch.Tensor]]:
    network = MeshGraphNet(size="tiny", blocks=3, frames=3, plastic=True)
    network.max_nodes = most
    loss = Displacement(network).losses(batch)["loss"]
    loss.backward()
    grads = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return float(loss.detach()), grads


@pytest.mark.parametrize("most", [10, 60])
def test_pieces_give_loss_and_gradients_of_the_whole(batch, most):
    loss, grads = gradients(batch, None)
    again, own = gradients(batch, most)
    assert again == pytest.approx(loss, rel=1e-5)
    assert own.keys() == grads.keys()
    for name, value in grads.items():
        torch.testing.assert_close(
            own[name], value, rtol=1e-4, atol=1e-5 * float(value.abs().max())
        )


def test_blocks_of_many_edges_keep_their_inputs_alone(batch, monkeypatch):
    found = {}
    for many in (1 << 19, 100):
        monkeypatch.setattr("scionwood_crash.model.blocks.MANY", many)
        network = MaskMorphUNet(size="tiny", frames=3).train()
        with torch.autograd.graph.saved_tensors_hooks(counted := Counted(), lambda value: value):
            states = network.states(batch["graph"])
        states.square().sum().backward()
        grads = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        found[many] = counted.total, grads
    assert found[100][0] < 0.6 * found[1 << 19][0]
    for name, value in found[1 << 19][1].items():
        torch.testing.assert_close(found[100][1][name], value)


def test_a_halo_of_the_number_of_updates_is_needed_and_enough(batch):
    network, graph = MeshGraphNet(size="tiny", blocks=3, frames=3), batch["graph"]
    with torch.no_grad():
        whole = network.states(graph)
        for width, equal in ((3, True), (2, False)):
            pieces = cut(graph, 30, width)
            assert max(int(piece.own.sum()) for piece in pieces) <= 30
            assert sum(int(piece.own.sum()) for piece in pieces) == len(graph.position)
            states = by_pieces(network.states, graph, pieces)
            assert torch.allclose(states, whole, atol=1e-5) == equal


def test_pieces_keep_less_for_the_backward_pass(batch):
    kept = {}
    for most in (None, 40):
        network = MeshGraphNet(size="tiny", blocks=3, frames=3)
        network.max_nodes = most
        with torch.autograd.graph.saved_tensors_hooks(counted := Counted(), lambda value: value):
            network.states(batch["graph"])
        kept[most] = counted.total
    assert kept[40] < kept[None] / 4
