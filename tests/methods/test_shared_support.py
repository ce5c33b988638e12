"""Unsupported layers and options are refused by name, with the rule and the remedy."""

import pytest
import torch
import torch.nn as nn
from case_table import table
from method_layers import METHODS, REFUSED, Model, adapted, bare, config
from peft import LoraConfig, get_peft_model

from scionwood import AdapterError, load
from scionwood_methods.peft import DiselConfig, GpartConfig, SmoaConfig

WEIGHTS = 12 * 18 + 18 * 9
"""Of the two layers of the model `Linear`."""


@table("method", METHODS)
def test_refuses_layers_of_other_kinds_each_with_its_own_remedy(method):
    remedies = set()
    for kind in REFUSED:
        with pytest.raises(AdapterError) as refused:
            adapted(method, kind)
        name = load("adapters", f"methods/{method}")().peft_type.lower()
        assert refused.value.value == f"{name} on first ({type(bare(kind).first).__name__})"
        assert "can be adapted" in refused.value.rule
        remedies.add(refused.value.remedy)
    assert len(remedies) == len(REFUSED)


@table(
    ("layer", "said"),
    [
        (nn.LazyLinear(4), "Run the model once"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), "remove_parametrizations"),
        (nn.Linear(3, 3, dtype=torch.complex64), "complex64"),
        (nn.MultiheadAttention(4, 2).out_proj, "bypasses any wrapper"),
    ],
    ids=["lazy", "parametrized", "complex", "inside attention"],
)
def test_refuses_a_module_that_is_not_a_usable_linear_layer(layer, said):
    with pytest.raises(AdapterError, match=said):
        get_peft_model(Model(layer, nn.Linear(3, 3)), config("disel", "Linear"))


def test_refuses_a_layer_with_an_adapter_of_another_method():
    model = get_peft_model(bare("Linear"), LoraConfig(target_modules=["first"]))
    with (
        pytest.warns(UserWarning, match="for a second time|Already found"),
        pytest.raises(AdapterError, match="of another method"),
    ):
        get_peft_model(model.base_model.model, DiselConfig(target_modules=["first"]))


@table(
    ("made", "said"),
    [
        (lambda: DiselConfig(r=0), "r=0"),
        (lambda: DiselConfig(dropout=1.0), r"dropout=1\.0"),
        (lambda: DiselConfig(slices="qx"), "slices='qx'"),
        (lambda: DiselConfig(slice_sizes=[1, 2, 3]), "needs `slices`"),
        (lambda: DiselConfig(gate_width=0), "gate_width=0"),
        (lambda: SmoaConfig(r=2, blocks=3), "blocks=3"),
        (lambda: GpartConfig(d=0), "d=0"),
        (lambda: adapted("disel", "Linear", slices="q"), "three times as many outputs as inputs"),
        (lambda: adapted("disel", "Linear", slices="q", slice_sizes=[6, 6, 5]), "add up to 17"),
        (lambda: adapted("gpart", "grouped conv", slices="q"), "grouped"),
        (lambda: adapted("smoa", "Linear", r=10, blocks=10), "blocks=10"),
        (lambda: adapted("gpart", "Linear", d=WEIGHTS + 1), f"{WEIGHTS}"),
    ],
)
def test_refuses_options_that_fit_no_layer(made, said):
    with pytest.raises(AdapterError, match=said):
        made()
