"""Running statistics of the frozen base stay as they are in anyone's training loop."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import timm
import torch
import torch.nn as nn
from adapter_nets import Net
from case_table import table
from peft import LoraConfig

from scionwood.adapters import (
    attach,
    base_hash,
    freeze,
    load_adapter,
    load_head,
    save_adapter,
    save_head,
    unfreeze,
)
from scionwood.authoring import BaseChangedWarning


class UNet(nn.Module):
    """Two levels with norms and a skip. x: (batch, 3, 8, 8) to (batch, 1, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.low = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1),
            nn.InstanceNorm2d(8, track_running_stats=True),
            nn.BatchNorm2d(8, affine=False),
            nn.ReLU(),
        )
        self.up = nn.Sequential(nn.Conv2d(16, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.out = nn.Conv2d(8, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.down(x)
        low = self.low(nn.functional.avg_pool2d(skip, 2))
        low = nn.functional.interpolate(low, scale_factor=2)
        return self.out(self.up(torch.cat([skip, low], 1)))


def unet() -> nn.Module:
    return seeded(UNet)


def resnet() -> nn.Module:
    return seeded(lambda: timm.create_model("resnet18", num_classes=3))


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build()


def train(model: nn.Module, shape: tuple[int, ...], steps: int = 10) -> None:
    """A loop that knows nothing of adapters."""
    generator = torch.Generator().manual_seed(1)
    learns = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learns, lr=1e-2)
    model.train()
    for step in range(steps):
        if step == 5:
            for module in model.modules():
                module.train()  # whoever calls it
        x = 3 + 2 * torch.randn(shape, generator=generator)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    model.eval()


@pytest.mark.parametrize(
    ("build", "targets", "head", "shape"),
    [
        (resnet, r"layer\d\.\d\.conv\d", ("fc",), (2, 3, 32, 32)),
        (unet, r"(down|low|up)\.0", ("out",), (2, 3, 8, 8)),
    ],
    ids=["resnet18", "unet"],
)
def test_a_reload_equals_the_model_after_a_plain_loop(build, targets, head, shape, tmp_path):
    tuned = attach(build(), LoraConfig(r=2), targets=targets, head=head)
    frozen = base_hash(tuned)
    train(tuned, shape)
    assert base_hash(tuned) == frozen
    save_adapter(tuned, tmp_path)
    save_head(tuned, tmp_path / "head.safetensors")
    again = load_adapter(build(), tmp_path)
    load_head(again, tmp_path / "head.safetensors")
    x = torch.ones(shape)
    assert torch.equal(again(x), tuned(x))


@table(
    "copied",
    [lambda model: model, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["itself", "deepcopy", "pickle"],
)
def test_frozen_norms_stay_in_eval_mode_and_others_do_not(copied):
    tuned = copied(attach(Net(), LoraConfig(r=2), targets="mlp")).train()
    net = tuned.get_base_model()
    assert tuned.training
    assert net.training
    assert not net.stem[1].training
    assert net.decoder[1].training, "a norm of the head goes on"
    net.stem.train()
    assert not net.stem[1].training
    net.stem[1].requires_grad_(True)
    assert tuned.train() is tuned
    assert net.stem[1].training, "a norm that trains goes on"


def test_a_loaded_adapter_and_the_frozen_baseline_keep_them_too(tmp_path):
    save_adapter(attach(Net(), LoraConfig(r=2), targets="mlp"), tmp_path)
    loaded = load_adapter(Net(), tmp_path, trainable=True).train()
    assert not loaded.get_base_model().stem[1].training
    net = Net()
    freeze(net)
    assert not net.train().stem[1].training
    unfreeze(net)
    assert net.train().stem[1].training


def test_a_copy_of_a_norm_that_an_adapter_trains_goes_on():
    config = LoraConfig(r=2, modules_to_save=["down.1"])
    tuned = attach(unet(), config, targets="low.0", head=()).train()
    norm = tuned.get_base_model().down[1]
    assert norm.modules_to_save["default"].training
    assert not norm.original_module.training


def test_export_and_compile_see_an_ordinary_model():
    tuned = attach(unet(), LoraConfig(r=2), targets="down.0", head=()).train().eval()
    x = torch.ones(2, 3, 8, 8)
    exported = torch.export.export(tuned, (x,)).module()
    assert torch.allclose(exported(x), tuned(x), atol=1e-6)
    assert torch.allclose(torch.compile(tuned, backend="eager")(x), tuned(x), atol=1e-6)


def test_a_base_that_changed_by_other_means_is_reported_when_it_is_saved(tmp_path):
    net = nn.Sequential(nn.Linear(4, 4), nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4)))
    tuned = attach(net, LoraConfig(r=2), targets="0", head=()).train()
    tuned(torch.ones(2, 4))
    with pytest.warns(BaseChangedWarning, match=r"1\.parametrizations\.weight\.0\._u"):
        save_adapter(tuned, tmp_path)
