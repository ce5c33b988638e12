"""Adaptive parts are cut, swapped and frozen; afterwards the model is as before."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig
from torch import Tensor, nn

import scionwood
from scionwood_audit import Probed, probe_parts


class Gated(nn.Module):
    """The answer is the gate's: cutting the gate leaves one answer."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(3, 3)
        nn.init.eye_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.gate(x)
        return logits


class Prompted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.prompt_gen = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return 0.1 * x + self.prompt_gen(2 * x)  # type: ignore[no-any-return]


class Anchored(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kept = nn.ParameterDict({"default": nn.Parameter(torch.eye(3))})

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.kept["default"].T + torch.tensor([0.0, 0.0, 0.1])


IMAGES = torch.eye(3).repeat(3, 1)


def probed(model: nn.Module) -> dict[tuple[str, str], Probed]:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        clean = model(IMAGES)
        found = probe_parts(model, lambda batch: model(batch["image"]), {"image": IMAGES})
        assert torch.equal(model(IMAGES), clean)
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    return {(kind, each.kind): each for kind, each in found}


@pytest.mark.parametrize(
    ("model", "kind"), [(Gated, "gates"), (Prompted, "prompt generators")], ids=["gate", "prompt"]
)
def test_a_swap_gives_all_inputs_the_class_of_the_donor(model, kind):
    found = probed(model())
    assert set(found) == {(kind, "cut"), (kind, "swap"), (kind, "freeze")}
    assert found[kind, "swap"].to_one == pytest.approx(6 / 9)


def test_kept_anchors_are_removed_and_given_to_other_classes():
    found = probed(Anchored())
    assert found["kept anchors", "cut"].target == 2
    assert found["kept anchors", "swap"].changed == 1.0


def test_the_gates_of_disel_and_the_routes_of_igsp_are_found():
    methods = pytest.importorskip("scionwood_methods")
    del methods
    from scionwood.adapters import config_class

    for name in ("methods/disel", "methods/igsp"):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 3))
        model = scionwood.attach(net, config_class(name)(r=2), targets="0|1", head=())
        for value in model.parameters():
            value.data.add_(0.5 * torch.randn_like(value))
        kinds = {kind for kind, _ in probed(model.eval())}
        assert kinds == {"gates"}, name


def test_plain_lora_has_no_adaptive_part():
    net = nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 3))
    model = scionwood.attach(net, LoraConfig(r=2), targets="0|1", head=())
    assert probed(model.eval()) == {}
