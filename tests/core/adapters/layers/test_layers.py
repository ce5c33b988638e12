"""Around the layers: targets, fast paths, several adapters, costs."""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn as nn
from adapted_layer import adapted
from case_table import table
from layer_cases import CASES, config_of, model_of, unsettle
from peft import IA3Config, LoHaConfig, LoraConfig, PeftConfig, PeftModel, get_peft_model
from small_layers import pyg

from scionwood import kernels
from scionwood.adapters import (
    attach,
    compose,
    layers,
    merge,
    report,
    unmerge,
)
from scionwood.adapters.layers.lora import WeightLora
from scionwood.errors import AdapterError


class Encoder(nn.Module):
    """A transformer of torch, whose eval mode has a fused path."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)

    def forward(self, x: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
        out: torch.Tensor = self.encoder(x, src_key_padding_mask=hidden)
        return out


class Graph(nn.Module):
    """Two graph convolutions and a linear layer of torch."""

    def __init__(self) -> None:
        from torch_geometric.nn import GATConv, SAGEConv

        super().__init__()
        self.first, self.second = GATConv(6, 4, heads=2), SAGEConv(8, 8)
        self.last = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x, edges).relu()
        out: torch.Tensor = self.last(self.second(hidden, edges).relu())
        return out


class TestTargets:
    def test_all_linear_takes_the_attention_of_a_torchvision_transformer(self) -> None:
        from torchvision.models import VisionTransformer

        model = VisionTransformer(16, 8, 2, 2, 8, 16, num_classes=3).requires_grad_(False)
        nn.init.normal_(model.heads.head.weight)
        image = (torch.randn(2, 3, 16, 16),)
        tuned = attach(model, LoraConfig(r=2), targets="all-linear", head=(), example=image)
        names = {name.rpartition(".")[2] for name in _wrapped(tuned)}
        assert {"self_attention", "0", "3"} <= names
        assert "out_proj" not in names
        tuned(*image).sum().backward()
        grads = [p.grad for p in tuned.parameters() if p.requires_grad]
        assert grads
        assert all(grad is not None for grad in grads)

    def test_all_linear_includes_the_linear_layers_of_torch_geometric(self) -> None:
        net = Graph()
        net.typed = pyg("HeteroLinear")(3, 2, num_types=4)()
        tuned = attach(net, LoraConfig(r=2), targets="all-linear", head=())
        assert _wrapped(tuned) == ["first.lin", "second.lin_l", "second.lin_r", "last", "typed"]

    def test_the_name_of_an_output_projection_means_its_attention(self) -> None:
        tuned = attach(Encoder(), LoraConfig(r=2, target_modules=["out_proj"]), head=())
        assert _wrapped(tuned) == [f"encoder.layers.{i}.self_attn" for i in (0, 1)]

    def test_another_method_on_an_output_projection_is_refused_by_name(self) -> None:
        with pytest.raises(AdapterError, match=r"loha on encoder\.layers\.0\.self_attn\.out_proj"):
            attach(Encoder(), LoHaConfig(r=2), targets=r".*out_proj", head=())

    def test_no_library_is_imported_to_recognise_its_layers(self) -> None:
        tops = set()
        for file in Path(layers.__file__).parent.glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    names = [alias.name for alias in node.names]
                    names = [str(node.module)] if isinstance(node, ast.ImportFrom) else names
                    tops |= {name.partition(".")[0] for name in names}
        assert tops - set(sys.stdlib_module_names) == {"torch", "peft", "scionwood"}


class TestFastPaths:
    @table("targets", [r".*self_attn", r".*linear1", r".*(self_attn|linear2)"])
    def test_an_encoder_of_torch_uses_its_adapter_in_eval_mode(self, targets: str) -> None:
        tuned = attach(Encoder(), LoraConfig(r=2), targets=targets, head=())
        unsettle(tuned)
        x = torch.randn(2, 5, 8)
        slow = tuned.train()(x)
        assert torch.allclose(tuned.eval()(x), slow, atol=1e-5)
        with torch.no_grad():
            assert torch.allclose(tuned(x), slow, atol=1e-5)
        with torch.no_grad(), tuned.disable_adapter():
            assert not torch.allclose(tuned(x), slow, atol=1e-2)
        hidden = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
        slow = tuned.train()(x, hidden)
        with torch.no_grad():
            fast = tuned.eval()(x, hidden)
        assert torch.allclose(fast[~hidden], slow[~hidden], atol=1e-5), "nor does a padding mask"

    def test_the_base_stays_the_same_bits_over_many_calls(self) -> None:
        tuned = adapted("nn.MultiheadAttention")
        before = {k: v.clone() for k, v in tuned.state_dict().items()}
        parameters = [id(p) for p in tuned.parameters()]
        for _ in range(20):
            tuned(*CASES["nn.MultiheadAttention"].inputs())
        assert all(torch.equal(value, before[key]) for key, value in tuned.state_dict().items())
        assert [id(p) for p in tuned.parameters()] == parameters


class TestSeveralAdapters:
    LAYERS = ("nn.ConvTranspose2d", "nn.MultiheadAttention", "PyG Linear", "Mixtral experts")

    @table("name", LAYERS)
    def test_each_gives_its_own_output_and_a_composition_adds_linear_ones(self, name: str) -> None:
        tuned, case = adapted(name), CASES[name]
        inputs = model_of(case)[1]
        first = tuned(*inputs)
        config = config_of("lora", case)
        config.r = 2
        attach(tuned, config, head=(), example=inputs, name="second")
        unsettle(tuned.eval())
        second = tuned(*inputs)
        tuned.set_adapter("default")
        assert torch.equal(tuned(*inputs), first)
        assert not torch.allclose(first, second, atol=1e-2)
        with tuned.disable_adapter():
            base = tuned(*inputs)
        with compose(tuned, {"default": 0.5, "second": 2.0}) as both:
            total = both(*inputs)
        if name in ("nn.ConvTranspose2d", "PyG Linear"):
            wanted = base + 0.5 * (first - base) + 2.0 * (second - base)
            assert torch.allclose(total, wanted, atol=1e-4)
        tuned.base_model.set_adapter(["default", "second"])
        together = tuned(*inputs)
        merge(tuned)
        assert torch.allclose(tuned(*inputs), together, atol=1e-4)
        unmerge(tuned)
        tuned.delete_adapter("second")
        assert torch.equal(tuned(*inputs), first)

    @table("name", LAYERS)
    def test_unloading_gives_the_backbone_back(self, name: str) -> None:
        fresh, inputs = model_of(CASES[name])
        tuned = adapted(name)
        wanted = tuned(*inputs)
        merged = copy.deepcopy(tuned).merge_and_unload()
        assert torch.allclose(merged(*inputs), wanted, atol=1e-4)
        bare = tuned.unload()
        assert [type(m) for m in bare.modules()] == [type(m) for m in fresh.modules()]
        assert torch.equal(bare(*inputs), fresh(*inputs))

    def test_layers_of_peft_that_are_there_already_get_the_adapter_too(self) -> None:
        net = nn.Sequential(nn.Linear(6, 4), nn.Unflatten(1, (4, 1)), nn.ConvTranspose1d(4, 3, 2))
        plain = get_peft_model(net, LoraConfig(r=2, target_modules=["0"]))
        tuned = attach(plain, LoraConfig(r=2), targets="2", head=(), name="second")
        assert isinstance(tuned.get_submodule("base_model.model.2"), WeightLora)


class TestCosts:
    def test_a_depthwise_convolution_costs_less_than_its_weight(self) -> None:
        net = nn.Sequential(nn.Conv2d(64, 64, 7, groups=64, bias=False))
        tuned = attach(net, LoraConfig(r=4), targets="0", head=())
        assert report(tuned).trainable_adapter == 4 * (64 + 49)

    def test_single_precision_keeps_no_second_activation(self) -> None:
        conv = nn.Sequential(nn.ConvTranspose2d(4, 8, 2, stride=2)).requires_grad_(False)
        x = torch.randn(2, 4, 32, 32)
        tuned = attach(conv, LoraConfig(r=2), targets="0", head=())
        assert _saved_elements(tuned, x) < x.numel() + 2 * 4 * 8 * 2 * 2 * 4

    def test_a_change_below_the_rounding_of_bfloat16_is_not_lost(self) -> None:
        net = nn.Sequential(nn.ConvTranspose1d(1, 1, 1, bias=False)).to(torch.bfloat16)
        net[0].weight.data.fill_(1.0)
        tuned = attach(net, LoraConfig(r=1, lora_alpha=1), targets="0", head=())
        layer = tuned.get_submodule("base_model.model.0")
        layer.lora_A["default"]["weight"].data.fill_(1.0)
        layer.lora_B["default"]["weight"].data.fill_(2.0**-12)
        ones = torch.ones(1, 1, 1, dtype=torch.bfloat16)
        parts: list[torch.Tensor] = []
        layer.base_layer.register_forward_hook(lambda *call: parts.append(call[2]))
        tuned(ones)
        assert parts[1].item() == 2.0**-12

    def test_dropout_acts_on_the_change_alone(self) -> None:
        net = nn.Sequential(nn.ConvTranspose1d(4, 3, 1))
        tuned = attach(net, LoraConfig(r=2, lora_dropout=0.999), targets="0", head=())
        unsettle(tuned)
        x = torch.randn(1, 4, 2)
        with tuned.disable_adapter():
            base = tuned.train()(x)
        torch.manual_seed(0)
        assert torch.allclose(tuned.train()(x), base, atol=1e-6)
        assert not torch.allclose(tuned.eval()(x), base, atol=1e-3)

    def test_kernels_and_checkpointing_leave_the_numbers(self) -> None:
        tuned = adapted("PyG MeshGraphNet block")
        inputs = model_of(CASES["PyG MeshGraphNet block"])[1]
        wanted = tuned(*inputs)
        kernels.enable(tuned)
        assert torch.allclose(tuned(*inputs), wanted, atol=1e-5)
        conv = adapted("nn.ConvTranspose2d")
        (x,) = model_of(CASES["nn.ConvTranspose2d"])[1]
        trains = [p for p in conv.parameters() if p.requires_grad]
        direct = torch.autograd.grad(conv(x).square().sum(), trains)
        again = torch.utils.checkpoint.checkpoint(conv, x, use_reentrant=False)
        assert all(
            torch.equal(one, other)
            for one, other in zip(
                direct, torch.autograd.grad(again.square().sum(), trains), strict=True
            )
        )

    @pytest.mark.filterwarnings("ignore")  # Dynamo's
    @pytest.mark.parametrize("name", ["nn.ConvTranspose2d", "nn.MultiheadAttention"])
    def test_compiles_as_one_graph(self, name: str) -> None:
        tuned = adapted(name)
        inputs = model_of(CASES[name])[1]
        compiled = torch.compile(tuned, fullgraph=True, backend="aot_eager")
        assert torch.allclose(compiled(*inputs), tuned(*inputs), atol=1e-6)


@pytest.mark.parametrize("wrapper", [LoraConfig, partial(IA3Config, feedforward_modules=[])])
def test_modules_around_a_layer_still_read_its_sizes(wrapper: Callable[..., PeftConfig]) -> None:
    net = nn.ModuleDict({"plain": nn.Conv2d(3, 5, 1), "up": nn.ConvTranspose2d(3, 5, 2)})
    tuned = attach(net, wrapper(target_modules="plain|up"), head=())
    for name in net:
        layer = tuned.get_submodule(f"base_model.model.{name}")
        assert layer is not layer.base_layer
        assert (layer.in_channels, layer.out_channels, layer.padding) == (3, 5, (0, 0))


def _wrapped(tuned: PeftModel) -> list[str]:
    from scionwood.adapters.modules import tuner_layers

    return list(tuner_layers(tuned))


def _saved_elements(model: nn.Module, x: torch.Tensor) -> int:
    kept: dict[int, int] = {}

    def pack(value: torch.Tensor) -> torch.Tensor:
        if not isinstance(value, nn.Parameter):
            kept[value.data_ptr()] = value.numel()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        model(x).sum()
    return sum(kept.values())
