"""GPart: one vector for a model, an isometry, and a partition that never changes."""

from __future__ import annotations

import pytest
import torch
import torch.nn as nn
from case_table import table
from method_layers import ADAPTED, adapted, available, bare, config, example, trainable, unsettle
from peft import PeftModel, get_peft_model, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict

from scionwood import AdapterError, attach, load_adapter, report, save_adapter
from scionwood_methods.gpart.partition import CHUNK, Partition, splitmix64
from scionwood_methods.peft import GpartConfig

CPU = torch.device("cpu")
FIRST = [413, 160, 331, 326, 343, 765, 267, 592]
"""The groups of the first weights for d = 1000 and seed 42, which no version may change."""


def python_hash(value):
    """Return the hash of SplitMix64, computed with Python integers."""
    mask = (1 << 64) - 1
    z = (value + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def test_hash_is_splitmix64():
    assert python_hash(0) == 0xE220A8397B1DCDAF  # the published first output for state 0
    for seed in (0, 42, -1, (1 << 64) - 3):
        hashes = [value % (1 << 64) for value in splitmix64(7, 50, seed, CPU).tolist()]
        assert hashes == [python_hash((seed + i) % (1 << 64)) for i in range(7, 57)]


def test_groups_never_change():
    assert Partition(1000, 42).groups(0, 8, CPU).tolist() == FIRST
    for d in (1, 7, 1024, 2**31 + 11, 2**61 - 1):
        groups = Partition(d, 42).groups(3, 20, CPU).tolist()
        assert groups == [python_hash(42 + i) % d for i in range(3, 23)]


def test_groups_span_all_layers_and_chunks():
    partition = Partition(5, 1)
    assert partition.extend(CHUNK + 3) == 0
    assert partition.extend(10) == CHUNK + 3
    counts = torch.bincount(partition.groups(0, CHUNK + 13, CPU), minlength=5)
    torch.testing.assert_close(partition.scales(CPU), counts.double().rsqrt().float())
    assert (counts / (CHUNK + 13) - 0.2).abs().max() < 1e-3


@table("kind", ADAPTED)
def test_norm_of_the_update_equals_that_of_the_vector(kind):
    if not available(kind):
        pytest.skip("torch_geometric is not installed")
    model = unsettle(adapted("gpart", kind, d=20))
    theta = model.base_model.gpart_theta["default"].detach()
    layers = (model.base_model.model.first, model.base_model.model.second)
    squares = sum(layer.get_delta_weight("default").square().sum() for layer in layers)
    torch.testing.assert_close(squares.sqrt(), theta.norm())
    assert trainable(model).keys() == {"base_model.gpart_theta.default"}
    assert theta.numel() == 20


def test_each_weight_moves_by_its_entry_over_the_root_of_the_group_size():
    model = unsettle(adapted("gpart", "Linear", d=20, seed=5))
    theta = model.base_model.gpart_theta["default"].detach()
    layers = (model.base_model.model.first, model.base_model.model.second)
    moved = torch.cat([layer.get_delta_weight("default").flatten() for layer in layers])
    groups = torch.tensor([python_hash(5 + i) % 20 for i in range(len(moved))])
    sizes = torch.bincount(groups, minlength=20)
    torch.testing.assert_close(moved, theta[groups] / sizes[groups].sqrt())


def test_file_holds_only_the_vector(tmp_path):
    model = unsettle(attach(bare("Linear"), GpartConfig(d=20), targets="first|second"))
    assert report(model).trainable_adapter == 20
    save_adapter(model, tmp_path)
    assert {k: tuple(v.shape) for k, v in get_peft_model_state_dict(model).items()} == {
        "base_model.gpart_theta": (20,)
    }
    assert (tmp_path / "adapter_model.safetensors").stat().st_size < 250
    x = example("Linear")
    loaded = load_adapter(bare("Linear"), tmp_path)
    assert torch.equal(loaded(x), model.eval()(x))


class Swapped(nn.Module):
    """The layers of `bare` in reverse order."""

    def __init__(self) -> None:
        super().__init__()
        inner = bare("Linear")
        self.second, self.first = inner.second, inner.first

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


def test_refuses_another_order_of_the_targets(tmp_path):
    model = unsettle(adapted("gpart", "Linear"))
    model.save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match=r"second.* but it was made for .*first"):
        PeftModel.from_pretrained(Swapped(), tmp_path)


def test_refuses_fewer_targets(tmp_path):
    model = unsettle(adapted("gpart", "Linear"))
    model.save_pretrained(tmp_path)
    reduced = GpartConfig.from_pretrained(tmp_path)
    reduced.target_modules = ["first"]
    with pytest.raises(AdapterError, match="1 layers, but it was made for 2 layers"):
        get_peft_model(bare("Linear"), reduced)


def test_a_second_adapter_has_its_own_partition():
    model, x = unsettle(adapted("gpart", "Linear")), example("Linear")
    first = model.eval()(x)
    other = config("gpart", "Linear", d=9, seed=1)
    other.target_modules = ["second"]
    model.add_adapter("b", other)
    assert trainable(model).keys() == {"base_model.gpart_theta.default"}
    model.set_adapter("b")
    assert trainable(model).keys() == {"base_model.gpart_theta.b"}
    assert model.base_model.model.first._all_available_adapter_names() == ["default"]
    unsettle(model)
    assert not torch.equal(model(x), first)
    with pytest.warns(UserWarning, match="active adapter to default"):
        model.delete_adapter("b")
    model.set_adapter("default")
    assert torch.equal(model(x), first)
    assert trainable(model).keys() == {"base_model.gpart_theta.default"}


def test_dropout_keeps_the_mean_of_the_weights():
    model = unsettle(adapted("gpart", "Linear", dropout=0.25)).train()
    layer = model.base_model.model.first
    eye = torch.eye(12)
    whole = layer.get_delta_weight("default")
    draws = torch.stack([layer.change("default", eye).mT.detach() for _ in range(400)])
    dropped = (draws == 0) & (whole != 0)
    assert (dropped.float().mean() - 0.25).abs() < 0.01
    torch.testing.assert_close(draws.mean(0), whole, rtol=0, atol=0.1)
    kept = draws[0][draws[0] != 0]
    torch.testing.assert_close(kept, whole[draws[0] != 0] / 0.75)


def test_no_weight_is_stored_for_the_backward_pass():
    for kind in ("Linear", "Conv2d"):
        model, x = adapted("gpart", kind), example(kind).requires_grad_()
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):  # noqa: B023
            model.base_model.model.first.change("default", x)
        assert [tuple(t.shape) for t in kept] == [tuple(x.shape), (60,), ()]


@pytest.mark.parametrize("kind", ["Linear", "Conv1d"])
def test_second_derivatives_are_exact(kind):
    model = unsettle(adapted("gpart", kind).double())
    x = example(kind).double()[:2].requires_grad_()
    assert torch.autograd.gradgradcheck(model, x)


def test_peft_refuses_injection_without_a_tuner():
    with pytest.raises(ValueError, match="state"):
        inject_adapter_in_model(config("gpart", "Linear"), bare("Linear"))
