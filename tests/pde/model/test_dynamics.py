"""The model of dynamics: equal to the autoencoder before training, and its parts."""

from __future__ import annotations

import pytest
import torch
from case_table import table
from peft import LoraConfig
from torch import Tensor

from scionwood import attach, load_adapter, save_adapter
from scionwood.adapters import base_hash, load_head, save_head
from scionwood_pde.backbones import Tadpole, TadpoleDynamics
from scionwood_pde.model import SIZES
from scionwood_pde.model.dynamics import LatentUpdate, Skips
from scionwood_pde.model.latent import LatentTransformer


def state(fields: int, side: int = 16, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, fields, side, side, side, generator=generator)


def trained(model: torch.nn.Module) -> None:
    """Move all trainable parameters from their initial values."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(0.05 * torch.randn(p.shape, generator=generator))


@pytest.mark.parametrize(("tile", "side"), [(None, 20), (16, 32)])
def test_equals_the_autoencoder_before_training(tile, side):
    x = state(2, side)
    with torch.no_grad():
        expected = Tadpole(tile=tile).eval()(x)
        states = TadpoleDynamics(fields=2, tile=tile).eval()(x)
    torch.testing.assert_close(states, expected, rtol=1e-6, atol=1e-6)


@table(("size", "count"), [("S", 1_552_805), ("B", 3_522_597), ("L", 7_813_061)])
def test_the_head_has_the_published_number_of_parameters(size, count):
    dimensions = SIZES[size]
    with torch.device("meta"):
        network = LatentTransformer(
            3 * dimensions.latent_channels,
            width=dimensions.latent_width,
            depth=dimensions.latent_depth,
        )
        added = torch.nn.ModuleList([LatentUpdate(network), Skips()])
    assert sum(p.numel() for p in added.parameters()) == count


def test_the_latent_update_mixes_fields():
    model, x = TadpoleDynamics(fields=2).eval(), state(2)
    with pytest.raises(ValueError, match=r"state of 3 fields: this model was built for 2.*fields"):
        model(state(3))
    other = torch.cat([x[:, :1], -x[:, 1:]], dim=1)
    with torch.no_grad():
        assert torch.equal(model(x)[:, 0], model(other)[:, 0])
        trained(model.latent)
        assert not torch.allclose(model(x)[:, 0], model(other)[:, 0])


def test_the_latent_update_sees_beyond_a_tile():
    model, x = TadpoleDynamics(tile=16).eval(), state(1, 32)
    other = x.clone()
    other[..., 16:] *= -1
    with torch.no_grad():
        trained(model.latent)
        assert not torch.allclose(model(x)[..., :16], model(other)[..., :16])


def test_skips_add_the_map_of_the_same_stride():
    """With one scale set, only the map of that stride is added."""
    skips = Skips()
    maps = [torch.full((1, 1, 16 // stride), float(stride)) for stride in (1, 2, 4, 8)]
    with torch.no_grad():
        skips.scales.copy_(torch.tensor([0.0, 0.0, 2.0, 0.0]))
    scaled = skips(maps)
    assert [x.shape[-1] for x in scaled] == [2, 4, 8, 16]
    assert [x.unique().item() for x in scaled] == [0.0, 0.0, 4.0, 0.0]


def test_adapter_and_head_restore_the_whole_model(tmp_path):
    x = state(2)
    model = attach(TadpoleDynamics(fields=2, tile=16), LoraConfig(r=2), targets="all-linear")
    trained(model)
    save_adapter(model, tmp_path / "adapter", base=model.card)
    stated = (tmp_path / "adapter" / "scionwood.json").read_text("utf-8")
    assert "16^3, halo 0, boundary edge" in stated
    save_head(model, tmp_path / "head.safetensors")
    fresh = load_adapter(TadpoleDynamics(fields=2, tile=16), tmp_path / "adapter")
    load_head(fresh, tmp_path / "head.safetensors")
    with torch.no_grad():
        assert torch.equal(fresh(x), model.eval()(x))
        assert not torch.allclose(fresh(x), TadpoleDynamics(fields=2)(x))


def test_an_adapter_of_the_autoencoder_initialises_the_dynamics(tmp_path):
    """Encoder and decoder form the same base with any head."""
    assert base_hash(Tadpole()) == base_hash(TadpoleDynamics(fields=3))
    adapted = attach(Tadpole(), LoraConfig(r=2), targets="all")
    trained(adapted)
    save_adapter(adapted, tmp_path)
    start = load_adapter(TadpoleDynamics(), tmp_path, trainable=True)
    with torch.no_grad():
        torch.testing.assert_close(start.eval()(state(1)), adapted.eval()(state(1)))
