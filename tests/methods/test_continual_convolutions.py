"""Convolutions in the continual controller: the factor A counts as a matrix (r, in * kernel)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from case_table import table
from continual_models import Batch, learn, lora, unsettle
from torch import Tensor, nn

from scionwood import load_adapter, save_adapter
from scionwood_methods.continual import AceLora, ContinualController, ContinualMethod, SeqLora
from scionwood_methods.continual.ace import HISTORY
from scionwood_methods.continual.factors import lora_layers, matrices, summed
from scionwood_methods.continual.naive import Naive

METHODS: dict[str, Callable[[], ContinualMethod]] = {
    "naive": Naive,
    "seqlora_bilevel": lambda: SeqLora(inner_steps=1),
    "ace_lora_edit": lambda: AceLora(rank=6, strength=1.0, threshold=0.0),
}


class PlaneNet(nn.Module):
    """A strided convolution in two dimensions and a linear layer."""

    kernel: tuple[int, ...] = (3, 2)

    def __init__(self) -> None:
        super().__init__()
        self.visual, self.textual = nn.Conv2d(2, 12, (3, 2), stride=2), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.textual(torch.tanh(self.visual(x)).flatten(2).mean(2))


class VolumeNet(PlaneNet):
    """A padded convolution in three dimensions and a linear layer."""

    kernel = (3, 2, 3)

    def __init__(self) -> None:
        super().__init__()
        self.visual = nn.Conv3d(2, 12, self.kernel, padding=1)


NETS = [PlaneNet(), VolumeNet()]


def fields(net: PlaneNet, seed: int, count: int = 6) -> list[Batch]:
    """Return a task: random classes of random fields."""
    generator = torch.Generator().manual_seed(seed)
    shape = (8, 2, *(side + 3 for side in net.kernel))
    return [
        (torch.randn(shape, generator=generator), torch.randint(3, (8,), generator=generator))
        for _ in range(count)
    ]


@pytest.mark.parametrize("net", NETS)
def test_seqlora_keeps_flattened_bases_orthogonal_while_it_trains(net: PlaneNet) -> None:
    model = lora(net)
    controller = ContinualController(model, SeqLora(inner_steps=1))
    for task in range(3):
        learn(controller, str(task), fields(net, task), 6)
    rows = [matrices(lora_layers(model, f"task{n}")[VISUAL], f"task{n}")[1] for n in (1, 2, 3)]
    assert rows[0].shape == (3, 2 * torch.Size(net.kernel).numel())
    for i, left in enumerate(rows):
        for right in rows[:i]:
            assert (left @ right.T).abs().max() < 1e-6 * left.norm() * right.norm()


@pytest.mark.parametrize("net", NETS)
def test_seqlora_keeps_the_map_of_patches_inside_an_earlier_basis(net: PlaneNet) -> None:
    model = lora(net)
    controller = ContinualController(model, SeqLora(inner_steps=1))
    learn(controller, "first", fields(net, 0), 6)
    layer, basis = patch_layer(model), matrices(lora_layers(model, "task1")[VISUAL], "task1")[1]
    x = (torch.randn(7, 3) @ basis.detach()).view(7, 2, *net.kernel)
    before = layer(x)
    learn(controller, "second", fields(net, 1), 6)
    torch.testing.assert_close(layer(x), before, atol=1e-5, rtol=1e-5)
    other = torch.randn(7, 2, *net.kernel)
    with torch.no_grad():
        moved = layer(other)
        layer.lora_B["task2"].weight.zero_()
        assert (layer(other) - moved).abs().max() > 1e-3


@pytest.mark.parametrize("net", NETS)
def test_ace_moves_tasks_into_its_history_without_changing_outputs(net: PlaneNet) -> None:
    model, x = lora(net).eval(), fields(net, 0)[0][0]
    controller = ContinualController(model, AceLora(rank=6))
    for task in ("first", "second"):  # together of rank 6
        controller.begin(task)
        unsettle(model)
        before = model(x)
        controller.end([])
        torch.testing.assert_close(model(x), before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("net", NETS)
def test_ace_penalises_the_overlap_of_flattened_directions(net: PlaneNet) -> None:
    model, method = lora(net), AceLora(rank=6, strength=2.0, threshold=0.0)
    controller = ContinualController(model, method)
    learn(controller, "first", fields(net, 0), 6)
    controller.begin("second")
    unsettle(model)
    layers, expected = lora_layers(model, "default"), torch.zeros(())
    for layer in layers.values():
        a, past = matrices(layer, "default")[1], matrices(layer, HISTORY)[1]
        q = torch.linalg.svd(past, full_matrices=False).Vh[: torch.linalg.matrix_rank(past)]
        shared = (a @ q.T).square().sum(1)
        expected = expected + 2 * (shared.sqrt() / a.norm(dim=1) * shared).sum()
    assert expected > 0
    torch.testing.assert_close(method.penalty(model, None), expected)


@table("net", NETS)
@table("name", METHODS)
def test_one_summed_adapter_replaces_those_of_a_method(net: PlaneNet, name: str) -> None:
    model, x = lora(net), fields(net, 9)[0][0]
    controller = ContinualController(model, METHODS[name]())
    for task in range(2):
        learn(controller, str(task), fields(net, task), 4)
    expected, active = model.eval()(x), list(model.active_adapters)
    with summed(model) as adapter:
        model.base_model.set_adapter(adapter)
        alone = model(x)
        model.base_model.set_adapter(active)
    torch.testing.assert_close(alone, expected, atol=1e-5, rtol=1e-5)


@table("net", NETS)
@table("name", METHODS)
def test_a_resumed_sequence_is_equal_bit_for_bit(net: PlaneNet, name: str, tmp_path: Path) -> None:
    def second(controller: ContinualController) -> dict[str, Tensor]:
        torch.manual_seed(7)  # a task ends with a random A
        learn(controller, "second", fields(net, 1), 6)
        return {k: v for k, v in controller.model.state_dict().items() if "lora" in k}

    whole = ContinualController(lora(net), METHODS[name]())
    learn(whole, "first", fields(net, 0), 6)
    whole.save(tmp_path / "memory")
    save_adapter(whole.model, tmp_path / "adapter")
    expected = second(whole)
    bare = lora(net).unload()
    again = ContinualController(
        load_adapter(bare, tmp_path / "adapter", trainable=True), METHODS[name]()
    )
    again.load(tmp_path / "memory")
    resumed = second(again)
    assert resumed.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(resumed[key], value), key


VISUAL = "base_model.model.visual"


def patch_layer(model: nn.Module) -> nn.Module:
    """Return the convolution, without padding: a single patch gives a single output."""
    layer = model.get_submodule(VISUAL)
    for part in (layer.base_layer, *layer.lora_A.values()):
        part.padding = (0,) * len(part.padding)
    return layer
