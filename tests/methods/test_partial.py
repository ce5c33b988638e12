"""Some parameters of the base train as an adapter, in any kind of module."""

from __future__ import annotations

import copy
import json
import warnings

import pytest
import torch
import torch.nn as nn
from case_table import table
from mixed_model import Mixed, tokens
from peft import LoraConfig, PeftModel, get_peft_model, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file

import scionwood
from scionwood import AdapterError, attach, compose, load_adapter, merge, save_adapter, unmerge
from scionwood_methods.peft import PartialConfig

STORED = ["delta", "values"]
TARGETS = ["embed", "recurrent", "block", "attend", "norm", "table"]
"""An embedding, a GRU, a whole transformer layer, attention, a norm, and a bare parameter."""


def base(dtype=torch.float32):
    torch.manual_seed(1)
    return Mixed().to(dtype).eval().requires_grad_(False)


def tuned(targets=TARGETS, dtype=torch.float32, **options):
    return get_peft_model(base(dtype), PartialConfig(target_modules=targets, **options))


def own(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def run(model):
    # Gradients make some kernels of torch round differently.
    with torch.no_grad():
        return model(tokens())


def shift(model, seed=3):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in own(model).values():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def bits(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@table("stored", STORED)
@table("target", TARGETS)
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
def test_one_step_equals_a_step_of_the_base(stored):
    model, plain, x = tuned(stored=stored), base(), tokens()
    chosen = [p for name in TARGETS for p in plain.get_submodule(name).parameters()]
    for parameter in chosen:
        parameter.requires_grad_(True)
    for one, parameters in ((model, own(model).values()), (plain, chosen)):
        one(x).square().sum().backward()
        torch.optim.SGD(parameters, lr=0.01).step()
    torch.testing.assert_close(run(model), run(plain))


@pytest.mark.parametrize("stored", STORED)
def test_base_stays_bit_equal_through_training_merging_and_switching(stored):
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
    merge(model)
    assert not unchanged()
    assert torch.equal(run(model), out)
    unmerge(model)
    assert unchanged()
    assert torch.equal(run(model), out)
    model.merge_adapter()
    with model.disable_adapter():  # peft unmerges at the next call
        assert torch.equal(run(model), run(base()))
    assert unchanged()
    assert torch.equal(run(copy.deepcopy(model).merge_and_unload()), out)
    assert torch.equal(run(model.unload()), run(base()))


@pytest.mark.parametrize("stored", STORED)
def test_several_adapters_switch_add_up_and_are_deleted(stored):
    model = shift(tuned(stored=stored))
    outs = {"default": run(model)}
    other = "values" if stored == "delta" else "delta"
    model.add_adapter("b", PartialConfig(target_modules=["norm", "embed"], stored=other))
    model.set_adapter("b")
    assert all(".b." in name for name in own(model))
    assert torch.equal(run(model), run(base()))
    outs["b"] = run(shift(model, 4))
    for name, expected in outs.items():
        model.set_adapter(name)
        assert torch.equal(run(model), expected)
        with compose(model, {name: 1.0}):
            torch.testing.assert_close(run(model), expected)
    norm, hidden = model.base_model.model.norm, torch.randn(3, 8)
    model.base_model.set_adapter(["default", "b"])
    changes = [norm.values([name])["weight"] - norm.original("weight") for name in outs]
    torch.testing.assert_close(norm.values(["default", "b"])["weight"], sum(changes) + 1)
    both = norm(hidden)
    model.merge_adapter()
    torch.testing.assert_close(norm(hidden), both)
    model.unmerge_adapter()
    model.set_adapter("default")
    model.delete_adapter("b")
    assert torch.equal(run(model), outs["default"])
    assert not any(".b." in name.rpartition("partial_own")[2] for name in model.state_dict())


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


def test_can_be_injected_without_a_model_wrapper():
    source = shift(tuned())
    model = inject_adapter_in_model(PartialConfig(target_modules=TARGETS), base())
    set_peft_model_state_dict(model, get_peft_model_state_dict(source))
    assert torch.equal(run(model), run(source))


def test_loads_into_a_model_on_the_meta_device(tmp_path):
    model = shift(tuned(stored="values"))
    model.save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(base(), tmp_path, low_cpu_mem_usage=True)
    assert torch.equal(run(loaded.eval()), run(model))


def test_activation_checkpointing_gives_the_same_gradients():
    gradients, x = [], tokens()
    for again in (False, True):
        model = shift(tuned())
        out = (
            torch.utils.checkpoint.checkpoint(model, x, use_reentrant=False) if again else model(x)
        )
        out.square().sum().backward()
        gradients.append([p.grad for p in own(model).values()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


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


@pytest.mark.parametrize("targets", [["block", "block.linear1"], ["block.self_attn", "block"]])
def test_refuses_a_target_inside_another(targets):
    with pytest.raises(AdapterError, match=r"it lies in block, and only one of the two"):
        tuned(targets)


def test_refuses_a_target_around_another_adapter():
    model = tuned(["block.self_attn"])
    with pytest.raises(AdapterError, match=r"partial on block\.self_attn: it lies in block"):
        model.add_adapter("b", PartialConfig(target_modules=["block"]))


def test_refuses_a_parameter_shared_with_another_module():
    model = base()
    model.readout.weight = model.embed.weight
    with pytest.raises(AdapterError, match=r"its weight is the same tensor as readout\.weight"):
        get_peft_model(model, PartialConfig(target_modules=["embed"]))


def test_refuses_a_layer_with_an_adapter_of_another_method():
    model = get_peft_model(base(), LoraConfig(target_modules=["readout"]))
    warnings.simplefilter("ignore")  # peft says that the model was wrapped before
    with pytest.raises(AdapterError, match="of another method"):
        get_peft_model(model.base_model.model, PartialConfig(target_modules=["readout"]))


@table(
    ("targets", "options", "said"),
    [
        (["act"], {}, "no parameter"),
        (["norm"], {"parameters": ["scale"]}, r"ends in \['scale'\]"),
        (["codes"], {}, "has no gradient"),
    ],
)
def test_refuses_a_module_without_such_parameters(targets, options, said):
    with pytest.raises(AdapterError, match=said):
        tuned(targets, **options)


def test_values_that_are_not_finite_cannot_be_merged():
    model = tuned(["norm"])
    with torch.no_grad():
        next(iter(own(model).values())).fill_(float("nan"))
    before = bits(model)
    with pytest.raises(AdapterError, match="not finite"):
        merge(model)
    assert all(torch.equal(v, before[k]) for k, v in bits(model).items() if "base_layer" in k)


def test_refuses_an_unknown_way_of_storing():
    with pytest.raises(AdapterError, match="stored='both'"):
        PartialConfig(stored="both")
