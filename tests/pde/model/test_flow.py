"""Flow matching in the latents: from noise to states."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor

from scionwood import AdapterError, WeightsError, attach
from scionwood.adapters import base_hash
from scionwood.adapters.head import head_state
from scionwood_pde.backbones import Tadpole, TadpoleFlow
from scionwood_pde.model.flow import Standardisation


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_decodes_the_noise_itself_before_training():
    model, noise = TadpoleFlow(fields=2).eval(), normal(1, 256, 1, 2, 1)
    with torch.no_grad():
        states = model(noise)
        assert states.shape == (1, 2, 16, 32, 16)
        torch.testing.assert_close(states, Tadpole().eval().decode(noise, (16, 32, 16)))


def test_a_constant_velocity_is_integrated_exactly():
    model, noise = TadpoleFlow(steps=3).eval(), normal(1, 128, 1, 1, 1)
    with torch.no_grad():
        model.velocity.network.out_proj.bias.fill_(0.5)
        expected = Tadpole().eval().decode(noise + 0.5, (16, 16, 16))
        torch.testing.assert_close(model(noise), expected)


def test_the_reference_velocity_leads_from_noise_to_the_latents():
    model, x, noise = TadpoleFlow().eval(), normal(2, 1, 16, 16, 16), normal(2, 128, 1, 1, 1)
    with torch.no_grad():
        predicted, reference = model.flow(x, noise, torch.tensor([0.0, 0.7]))
        torch.testing.assert_close(noise + reference, model.encode(x).mean)
    assert not predicted.any()


def test_latents_are_standardised_and_restored():
    standard, z = Standardisation(4), 3 + 2 * normal(50, 4, 2, 2, 2)
    standard.measure(z)
    unit = standard(z)
    torch.testing.assert_close(unit.mean((0, 2, 3, 4)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(unit.var((0, 2, 3, 4), correction=0), torch.ones(4))
    torch.testing.assert_close(standard.inverse(unit), z)


def test_shares_the_autoencoders_base_and_adapts_the_decoder():
    model = TadpoleFlow()
    assert base_hash(model) == base_hash(Tadpole())
    saved = head_state(model)
    assert {"standard.mean", "standard.std"} <= saved.keys(), "the measured scale"
    assert any(name.startswith("velocity.") for name in saved)
    adapted = attach(model, LoraConfig(r=2), targets="all")
    layers = [n for n, p in adapted.named_parameters() if p.requires_grad and "lora_A" in n]
    assert layers
    assert all(".decoder." in name for name in layers)


def labelled(tmp_path: Path) -> tuple[TadpoleFlow, Path]:
    """Return a generator of three equations, and the file of its velocity and scale."""
    model = TadpoleFlow(labels=3, steps=2).eval()
    with torch.no_grad():
        model.velocity.network.out_proj.weight.normal_(std=0.1)
        for layer in model.velocity.network.layers:
            assert isinstance(layer.modulation, torch.nn.Linear)
            layer.modulation.weight.normal_(std=0.1)
        model.standard.std.fill_(2.0)
    path = tmp_path / "head.safetensors"
    save_file({name: value.clone() for name, value in head_state(model).items()}, path)
    return model, path


def test_labels_do_not_change_the_other_weights():
    plain, with_labels = TadpoleFlow(init_seed=3), TadpoleFlow(init_seed=3, labels=4)
    state = with_labels.state_dict()
    for name, value in plain.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_a_trained_velocity_belongs_to_the_base_and_takes_adapters(tmp_path):
    model, path = labelled(tmp_path)
    again = TadpoleFlow(labels=3, steps=2, velocity=path).eval()
    noise, label = normal(2, 128, 1, 1, 1), torch.tensor([1, 2])
    with torch.no_grad():
        torch.testing.assert_close(again(noise, label), model(noise, label), rtol=0, atol=0)
        one, two = model(noise[:1].expand(2, -1, -1, -1, -1), label)
        assert (one - two).abs().max() > 1e-3, "a label changes the states"
    assert not head_state(again)
    assert base_hash(again) != base_hash(model)
    adapted = attach(again, LoraConfig(r=2), targets="generation")
    layers = [n for n, p in adapted.named_parameters() if p.requires_grad and "lora_A" in n]
    volumes = [n for n in layers if ".decoder." in n]
    assert len(volumes) == 12
    assert len(layers) - len(volumes) == 16
    x = normal(2, 1, 16, 16, 16)
    predicted, reference = adapted.flow(x, noise, torch.rand(2), label)
    decoded = adapted.decode(normal(1, 128, 1, 1, 1), (16, 16, 16))
    ((predicted - reference).square().mean() + decoded.square().mean()).backward()
    grads = {n for n, p in adapted.named_parameters() if p.grad is not None and p.grad.any()}
    assert any(".decoder." in n and "lora_B" in n for n in grads)
    assert any(".velocity." in n and "lora_B" in n for n in grads)
    assert all("lora" in n for n in grads)


def test_refuses_what_another_generator_has(tmp_path):
    model, path = labelled(tmp_path)
    noise = normal(1, 128, 1, 1, 1)
    with pytest.raises(ValueError, match="no label: this generator has 3 labels"):
        model(noise)
    with pytest.raises(ValueError, match="a label: this generator has 0 labels"):
        TadpoleFlow()(noise, torch.tensor([0]))
    with pytest.raises(WeightsError, match="the same fields and labels"):
        TadpoleFlow(labels=5, velocity=path)
    with pytest.raises(ValueError, match="this model was built for 1"):
        TadpoleFlow().flow(normal(1, 2, 16, 16, 16), normal(1, 256, 1, 1, 1), torch.zeros(1))
    with pytest.raises(AdapterError, match="dead targets"):
        attach(TadpoleFlow(), LoraConfig(r=2), targets=r"encoder\..*attn\.qkv")
