"""Attach: targets by preset and pattern, and errors for what peft would accept silently."""

from __future__ import annotations

import copy
import warnings

import pytest
import timm
import torch
import torch.nn as nn
from adapter_nets import Net
from case_table import table
from peft import (
    IA3Config,
    LoraConfig,
    OFTConfig,
    PeftModel,
    PromptTuningConfig,
    VeraConfig,
    get_peft_model,
)

from scionwood.adapters import LeftOutWarning, attach, report
from scionwood.adapters.save import adapted
from scionwood.errors import AdapterError


def adapted_by(targets: str | None, config: LoraConfig | None = None) -> list[str]:
    return adapted(attach(Net(), config or LoraConfig(r=2), targets=targets), "default")


MLP = ["blocks.0.fc1", "blocks.0.fc2", "blocks.1.fc1", "blocks.1.fc2"]


@table(
    ("targets", "config", "wanted"),
    [
        (None, None, MLP),  # the first preset
        ("mlp", None, MLP),
        (r"blocks\.1\.fc[12]", None, MLP[2:]),
        ("all-linear", None, ["stem.0", *MLP]),  # the decoder is the head
        (r"(stem|decoder)\.0", None, ["stem.0"]),
        (None, LoraConfig(r=2, target_modules=["fc2"]), [MLP[1], MLP[3]]),
        ("mlp", LoraConfig(r=2, exclude_modules=["fc1"]), [MLP[1], MLP[3]]),
        ("mlp", LoraConfig(r=2, exclude_modules=r".*\.0\..*"), MLP[2:]),
        (
            None,
            LoraConfig(target_modules=["fc1"], layers_to_transform=[1], layers_pattern="blocks"),
            [MLP[2]],
        ),
    ],
)
def test_targets(targets, config, wanted):
    assert adapted_by(targets, config) == wanted


def test_targets_without_a_match_list_similar_names_and_types():
    with pytest.raises(AdapterError) as caught:
        attach(Net(), LoraConfig(r=2), targets=r"layers\.\d+\.fc3")
    text = str(caught.value)
    assert "blocks.1.fc1 (Linear)" in text
    assert "Presets: mlp, norms" in text


def test_a_name_does_not_match_inside_another_name():
    net = nn.ModuleDict({"fc": nn.Linear(4, 4), "deep": nn.ModuleDict({"fc": nn.Linear(4, 4)})})
    model = attach(net, LoraConfig(r=2), targets="fc")
    assert adapted(model, "default") == ["fc"]


class Bypass(nn.Module):
    """A module that uses the weight of a layer without calling it, as EvaAttention of timm does."""

    def __init__(self) -> None:
        super().__init__()
        self.dead, self.alive, self.cut = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = nn.functional.linear(x, self.dead.weight)
        return {"y": self.alive(x), "z": self.cut(x).detach()}


def test_names_dead_targets():
    example = (torch.ones(2, 4),)
    for targets, dead in [("dead|alive|cut", "dead, cut"), ("dead", "dead"), ("cut", "cut")]:
        with pytest.raises(AdapterError, match=f"dead targets {dead}:"):
            attach(Bypass(), LoraConfig(r=2), targets=targets, example=example)
    attach(Bypass(), LoraConfig(r=2), targets="alive", example=example)


def test_leaves_the_dead_target_in_eva_attention_of_timm_out_and_says_so():
    def eva(targets: str) -> PeftModel:
        torch.manual_seed(0)
        vit = timm.create_model("vit_small_patch16_dinov3_qkvb", img_size=32, depth=1)
        example = (torch.ones(1, 3, 32, 32),)
        return attach(vit, LoraConfig(r=2), targets=targets, example=example, head=())

    with pytest.warns(LeftOutWarning, match=r"no adapter on blocks\.0\.attn\.qkv: the model's"):
        tuned = eva(r"blocks\.\d+\.attn\.(qkv|proj)")
    assert adapted(tuned, "default") == ["blocks.0.attn.proj"]
    named = eva("blocks.0.attn.proj")  # the same factors, as if nothing else had been selected
    assert all(
        torch.equal(*both) for both in zip(*map(nn.Module.parameters, (tuned, named)), strict=False)
    )
    with pytest.raises(AdapterError, match=r"dead targets blocks\.0\.attn\.qkv"):
        eva("blocks.0.attn.qkv|blocks.0.attn.proj")


def test_the_check_for_dead_targets_does_not_change_statistics_or_modes():
    net = Net().train()
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    torch.manual_seed(3)
    model = attach(net, LoraConfig(r=2, lora_dropout=0.5))
    assert model.training
    assert torch.equal(net.stem[1].running_mean, before["stem.1.running_mean"])
    torch.set_rng_state(state)


def test_refuses_an_example_input_that_does_not_run():
    with pytest.raises(AdapterError, match="Net on its example input: forward failed"):
        attach(Net(), LoraConfig(r=2), example=(torch.ones(2, 3),))


@table(
    ("layer", "config"),
    [
        (nn.Bilinear(4, 4, 4), LoraConfig(r=2)),
        (nn.GRU(4, 4), LoraConfig(r=2)),
        (nn.Conv1d(4, 4, 3), VeraConfig(r=2)),
        (nn.Conv1d(4, 4, 3), OFTConfig(oft_block_size=2)),
    ],
)
def test_names_unsupported_layers(layer, config):
    net = nn.ModuleDict({"fine": nn.Linear(4, 4), "odd": layer})
    with pytest.raises(AdapterError, match=rf"odd \({type(layer).__name__}\)"):
        attach(net, config, targets="fine|odd")
    assert type(net["fine"]) is nn.Linear, "a refused attach leaves no wrapper behind"
    assert all(p.requires_grad for p in net.parameters())
    assert not hasattr(net, "peft_config")


@table(
    ("options", "message"),
    [
        ({"bias": "all"}, "stays frozen"),
        ({"init_lora_weights": "pissa"}, "rewrites the weights of the base"),
        ({"init_lora_weights": "olora"}, "rewrites the weights of the base"),
        ({"layer_replication": [(0, 2)]}, "layer_replication"),
    ],
)
def test_refuses_options_that_change_the_base(options, message):
    with pytest.raises(AdapterError, match=message):
        attach(Net(), LoraConfig(r=2, **options))


def test_a_prompt_method_needs_a_language_model():
    config = PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM")
    with pytest.raises(AdapterError, match="language model"):
        attach(Net(), config)


def test_feedforward_patterns_of_ia3_become_names():
    model = attach(Net(), IA3Config(feedforward_modules=r".*\.fc2"), targets="mlp")
    config = model.peft_config["default"]
    assert config.feedforward_modules == r"blocks\.0\.fc2|blocks\.1\.fc2"
    assert model.get_base_model().blocks[0].fc2.is_feedforward


def test_bfloat16_bases_keep_float32_adapters():
    example = (torch.ones(2, 16).bfloat16(),)
    model = attach(Net().to(torch.bfloat16), LoraConfig(r=2), example=example)
    assert model.get_base_model().blocks[0].fc1.lora_A["default"].weight.dtype == torch.float32


def test_modules_to_save_work_on_any_module_and_count_as_adapter():
    model = attach(Net(), LoraConfig(r=2, modules_to_save=["stem.0"]))
    assert report(model).trainable_adapter == 4 * 2 * 48 + 16 * 17


class Halved(nn.Module):
    """The parametrisation of a weight."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight / 2


class Stack(nn.Module):
    """Weights of two experts in one parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight[0]


def test_stacked_weights_that_are_computed_are_refused_since_peft_adds_at_each_call():
    config = {"r": 2, "target_modules": [], "target_parameters": ["0.weight"]}
    config["init_lora_weights"] = False

    def net(layer: nn.Module) -> nn.Module:
        return nn.Sequential(
            nn.utils.parametrize.register_parametrization(layer, "weight", Halved())
        )

    theirs, x = get_peft_model(net(Stack()), LoraConfig(**config)), torch.ones(1, 4)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        assert not torch.allclose(theirs(x), theirs(x)), "peft has mended it: attach may take it"
    with pytest.raises(AdapterError, match=r"computed by Halved.*remove_parametrizations"):
        attach(net(Stack()), LoraConfig(**config), head=())
    single = attach(net(nn.Linear(4, 4)), LoraConfig(**config), head=())
    assert torch.equal(single(x), single(x))
