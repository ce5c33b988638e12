"""Some parameters of the base train as an adapter, in any kind of module."""

import copy
import json

import pytest
import torch
import torch.nn as nn
from case_table import table
from method_layers import PARTS, bare
from method_layers import trainable as own
from method_layers import unsettle as shift
from mixed_model import Mixed, tokens
from peft import get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file

import scionwood
from scionwood import AdapterError, attach, load_adapter, save_adapter
from scionwood_methods.peft import PartialConfig

STORED = ["delta", "values"]


def base(dtype=torch.float32):
    return bare("parts").to(dtype)


def tuned(targets=PARTS, **options):
    return get_peft_model(base(), PartialConfig(target_modules=targets, **options))


def run(model):
    # Gradients make some kernels of torch round differently.
    with torch.no_grad():
        return model(tokens())


@table("stored", STORED)
@table("target", PARTS)
def test_gradients_equal_those_of_the_base_parameters(target, stored):
    model, plain, x = tuned([target], stored=stored), base(), tokens()
    assert torch.equal(run(model), run(plain))
    inner = plain.get_submodule(target).requires_grad_(True)
    for one in (model, plain):
        one(x).square().sum().backward()
    gradients = {
        name.rpartition(".")[2].replace("/", "."): p.grad for name, p in own(model).items()
    }
    expected = {name: p.grad for name, p in inner.named_parameters()}
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient)


@pytest.mark.parametrize("stored", STORED)
def test_base_stays_bit_equal_through_training_and_merging(stored):
    model, x = tuned(stored=stored), tokens()
    before = base().state_dict()

    def unchanged():
        inner = {
            k.replace(".base_layer", ""): v for k, v in model.base_model.model.named_parameters()
        }
        return all(torch.equal(inner[key], before[key]) for key in before)

    model(x).sum().backward()
    torch.optim.AdamW(own(model).values(), lr=0.1, weight_decay=0.1).step()
    assert unchanged()
    out = run(model)
    model.merge_adapter()
    assert not unchanged()
    assert torch.equal(run(model), out)
    with model.disable_adapter():  # peft unmerges at the next call
        assert torch.equal(run(model), run(base()))
    assert unchanged()
    assert torch.equal(run(copy.deepcopy(model).merge_and_unload()), out)
    assert torch.equal(run(model.unload()), run(base()))


@pytest.mark.parametrize("stored", STORED)
def test_adapters_that_are_stored_otherwise_add_up(stored):
    model = shift(tuned(stored=stored))
    other = "values" if stored == "delta" else "delta"
    model.add_adapter("b", PartialConfig(target_modules=["norm", "embed"], stored=other))
    model.set_adapter("b")
    shift(model, 4)
    norm, hidden = model.base_model.model.norm, torch.randn(3, 8)
    model.base_model.set_adapter(["default", "b"])
    changes = [norm.values([name])["weight"] - norm.original("weight") for name in ("default", "b")]
    torch.testing.assert_close(norm.values(["default", "b"])["weight"], sum(changes) + 1)
    both = norm(hidden)
    model.merge_adapter()
    torch.testing.assert_close(norm(hidden), both)


def test_an_adapter_added_while_another_is_merged_starts_from_the_base():
    model = shift(tuned(["norm"]))
    model.merge_adapter()
    with pytest.warns(UserWarning, match="Unmerging the model first"):
        model.add_adapter("b", PartialConfig(target_modules=["norm"], stored="values"))
    model.set_adapter("b")
    assert torch.equal(run(model), run(base()))


@table("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@table("stored", STORED)
def test_saved_adapters_load_bit_equal_in_every_dtype(stored, dtype, tmp_path):
    x = tokens()
    model = attach(base(dtype), PartialConfig(stored=stored), targets="norm|embed", example=(x,))
    shift(model)
    assert run(model).dtype == dtype
    save_adapter(model, tmp_path)
    loaded = load_adapter(base(dtype), tmp_path)
    assert torch.equal(run(loaded), run(model))
    for name, value in get_peft_model_state_dict(loaded).items():
        assert torch.equal(value, get_peft_model_state_dict(model)[name])
    merged = copy.deepcopy(loaded).merge_and_unload()
    assert merged.norm.weight.dtype == dtype
    assert torch.equal(run(merged), run(model))


def test_the_file_holds_the_chosen_parameters_and_names_the_modules(tmp_path):
    x = tokens()
    settings = PartialConfig(parameters=["bias", "bias_hh_l0"])
    model = attach(base(), settings, targets="norm|block|recurrent", example=(x,))
    chosen = [n for n, p in base().block.named_parameters() if n.split(".")[-1] == "bias"]
    save_adapter(model, tmp_path)
    state = load_file(tmp_path / "adapter_model.safetensors")
    expected = {f"block.partial_own.{n.replace('.', '/')}" for n in chosen}
    expected |= {"norm.partial_own.bias", "recurrent.partial_own.bias_hh_l0"}
    assert {key.removeprefix("base_model.model.") for key in state} == expected
    assert scionwood.report(model).trainable_adapter == sum(
        value.numel() for value in state.values()
    )
    record = json.loads((tmp_path / "scionwood.json").read_text())
    assert set(record["modules"]) == {"recurrent", "block", "norm"}


def test_refuses_another_base(tmp_path):
    x = tokens()
    model = attach(base(), PartialConfig(stored="values"), targets="norm", example=(x,))
    save_adapter(model, tmp_path)
    torch.manual_seed(2)
    with pytest.raises(AdapterError, match="made for the base"):
        load_adapter(Mixed(), tmp_path)


def test_complex_parameters_train():
    class Spectral(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(2, 5, dtype=torch.complex64))

        def forward(self, x):
            return torch.fft.irfft(self.weight * torch.fft.rfft(x), n=8)

    net, x = nn.Sequential(Spectral()), torch.randn(2, 8)
    model = get_peft_model(net, PartialConfig(target_modules=["0"]))
    before = model(x)
    before.square().sum().backward()
    (delta,) = own(model).values()
    assert delta.dtype == torch.complex64
    torch.optim.SGD([delta], lr=0.1).step()
    after = model(x)
    assert not torch.equal(after, before)
    model.merge_adapter()
    assert torch.equal(model(x), after)


def test_refuses_a_target_inside_another_or_around_another_adapter():
    for targets in (["block", "block.linear1"], ["block.self_attn", "block"]):
        with pytest.raises(AdapterError, match=r"it lies in block, and only one of the two"):
            tuned(targets)
    model = tuned(["block.self_attn"])
    with pytest.raises(AdapterError, match=r"partial on block\.self_attn: it lies in block"):
        model.add_adapter("b", PartialConfig(target_modules=["block"]))


def test_refuses_a_parameter_shared_with_another_module():
    model = base()
    model.readout.weight = model.embed.weight
    with pytest.raises(AdapterError, match=r"its weight is the same tensor as readout\.weight"):
        get_peft_model(model, PartialConfig(target_modules=["embed"]))


@table(
    ("targets", "options", "said"),
    [
        (["act"], {}, "no parameter"),
        (["norm"], {"parameters": ["scale"]}, r"ends in \['scale'\]"),
        (["codes"], {}, "has no gradient"),
        (["norm"], {"stored": "both"}, "stored='both'"),
    ],
)
def test_refuses_a_module_without_such_parameters(targets, options, said):
    with pytest.raises(AdapterError, match=said):
        tuned(targets, **options)


def test_the_numbers_of_features_are_those_of_the_module_or_none():
    config = PartialConfig(target_modules=["embed", "block.linear1"])
    model = get_peft_model(Mixed(), config).base_model.model
    assert (model.block.linear1.in_features, model.block.linear1.out_features) == (
        model.block.linear1.base_layer.in_features,
        model.block.linear1.base_layer.out_features,
    )
    assert (model.embed.in_features, model.embed.out_features) == (None, None)


SHARDED = """
import torch, torch.distributed as dist
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP
from peft import get_peft_model
from scionwood_methods.peft import PartialConfig

dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
model = get_peft_model(net, PartialConfig(target_modules=["0"], stored=STORED))
for name, parameter in model.named_parameters():
    if "partial" in name:
        torch.nn.init.normal_(parameter)
x = torch.randn(3, 4)
before = model(x)
sharded = FSDP(model, use_orig_params=True, device_id="cpu")
print(float((sharded(x) - before).abs().max()))
sharded(x).sum().backward()
print(min(float(p.grad.abs().sum()) for n, p in sharded.named_parameters() if "partial" in n) > 0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("stored", ["delta", "values"])
def test_the_trained_parameters_act_and_train_inside_fsdp(stored, python):
    code = SHARDED.replace("STORED", repr(stored))
    assert python("-c", code).split() == ["0.0", "True"]
