"""Several adapters: sums equal those of peft; gates start as the mean and learn the best one."""

import pytest
import torch
import torch.nn as nn
from case_table import table
from continual_models import Net, PlaneNet, unsettle
from peft import IA3Config, LoraConfig

from scionwood import AdapterError, AdapterFileError, attach, compose
from scionwood_methods.composition import AdapterGates, composed
from scionwood_methods.disel import DiselConfig


def two(make, net=None):
    """Return a frozen model with trained adapters a and b."""
    torch.manual_seed(0)
    model = attach(net or Net(), make(), targets="visual|textual", name="a")
    unsettle(model)
    attach(model, make(), targets="visual|textual", name="b")
    return unsettle(model).eval().requires_grad_(False)


METHODS = {"lora": lambda: LoraConfig(r=3), "disel": lambda: DiselConfig(r=3)}


@pytest.mark.parametrize("method", METHODS)
def test_sum_and_mean_equal_those_of_the_core(method):
    model, x = two(METHODS[method]), torch.randn(5, 16)
    for mode in ("sum", "mean"):
        with composed(model, {"a": 3.0, "b": 1.0}, mode=mode):
            ours = model(x)
        with compose(model, {"a": 3.0, "b": 1.0}, mode=mode):
            assert torch.equal(model(x), ours)


@table("method", METHODS)
@table("per", ["layer", "token"])
def test_new_gates_give_the_mean_with_the_documented_number_of_parameters(method, per):
    model, x = two(METHODS[method]), torch.randn(5, 7, 16)
    with composed(model, {"a": 1.0, "b": 1.0}, mode="mean"):
        mean = model(x)
    gates = AdapterGates(model, {"a": 1.0, "b": 1.0}, per=per)
    with composed(model, gates, mode="gate"):
        torch.testing.assert_close(model(x), mean)
    inputs = 16 + 24 if per == "token" else 0
    assert sum(p.numel() for p in gates.parameters()) == 2 * (2 + inputs)


@pytest.mark.parametrize("method", METHODS)
def test_layers_compute_the_gated_sum_of_each_token(method):
    model, x = two(METHODS[method]), torch.randn(5, 7, 16)
    gates = AdapterGates(model, {"a": 2.0, "b": 0.5})
    for parameter in gates.parameters():
        nn.init.normal_(parameter)
    layer = model.base_model.model.visual
    expected = base = layer.base_layer(x)
    g = torch.softmax(x @ gates.weight[0].T + gates.bias[0], -1)
    for k, (name, scale) in enumerate(gates.scales.items()):
        model.set_adapter(name)
        expected = expected + scale * g[..., k : k + 1] * (layer(x) - base)
    with composed(model, gates, mode="gate"):
        torch.testing.assert_close(layer(x), expected)


@table(
    ("make", "net", "x", "names"),
    [
        (METHODS["lora"], PlaneNet(), torch.randn(5, 2, 7, 7), ["a", "b"]),
        (lambda: IA3Config(feedforward_modules=["textual"]), Net(), torch.randn(5, 16), ["b", "a"]),
    ],
    ids=["convolutions", "another method of peft"],
)
def test_gates_per_layer_can_choose_one_adapter(make, net, x, names):
    model = two(make, net)
    gates = AdapterGates(model, dict.fromkeys(names, 1.0), per="layer")
    with torch.no_grad():
        for bias in gates.bias:
            bias[0] = 40.0
    with composed(model, gates, mode="gate"):
        ours = model(x)
    model.set_adapter(names[0])
    torch.testing.assert_close(ours, model(x))


@pytest.mark.parametrize("per", ["layer", "token"])
def test_gates_are_saved_and_loaded_bit_for_bit(per, tmp_path):
    model, x = two(METHODS["lora"]), torch.randn(5, 16)
    gates, again, other = (
        AdapterGates(model, dict.fromkeys(names, 1.0), per=per) for names in ("ab", "ab", "ba")
    )
    for parameter in gates.parameters():
        nn.init.normal_(parameter)
    gates.save(tmp_path / "gates.safetensors")
    for each in (again, other):
        each.load(tmp_path / "gates.safetensors")
    assert torch.equal(other.weigh(0, x).flip(-1), gates.weigh(0, x))  # in another order
    pairs = zip(again.parameters(), gates.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)


def test_refuses_files_of_other_gates(tmp_path):
    model, path = two(METHODS["lora"]), tmp_path / "gates.safetensors"
    AdapterGates(model, {"a": 1.0}).save(path)
    with pytest.raises(AdapterFileError, match="not those of a, b"):
        AdapterGates(model, {"a": 1.0, "b": 1.0}).load(path)
    path.write_bytes(b"no gates")
    with pytest.raises(AdapterFileError, match="holds no gates"):
        AdapterGates(model, {"a": 1.0}).load(path)


def test_an_error_leaves_the_model_unchanged():
    model, x = two(METHODS["lora"]), torch.randn(5, 16)
    model.set_adapter("a")
    before = model(x)
    gates = AdapterGates(model, {"a": 1.0, "b": 1.0})
    with pytest.raises(RuntimeError), composed(model, gates, mode="gate"):
        model(torch.cat([x, x], 1))  # too wide: the first layer fails while no adapter acts
    assert torch.equal(model(x), before)


def test_refuses_adapters_that_cannot_be_gated():
    model = two(METHODS["lora"])
    with pytest.raises(AdapterError, match="the mode 'gate' needs AdapterGates"):
        composed(model, {"a": 1.0}, mode="gate").__enter__()
    with pytest.raises(AdapterError, match="Loaded: a, b"):
        AdapterGates(model, {"c": 1.0})
    with pytest.raises(AdapterError, match="per='layer'"):
        AdapterGates(two(METHODS["lora"], PlaneNet()), {"a": 1.0, "b": 1.0}, per="token")
    model = attach(Net(), LoraConfig(r=2), targets="visual", name="a")
    attach(model, LoraConfig(r=2), targets="textual", name="b")
    with pytest.raises(AdapterError, match="lacks the adapter"):
        AdapterGates(model, {"a": 1.0, "b": 1.0})
    with pytest.raises(AdapterError, match="belong to other layers"):
        composed(
            attach(Net(), LoraConfig(r=2), targets="visual", name="a"),
            AdapterGates(two(METHODS["lora"]), {"a": 1.0}),
            mode="gate",
        ).__enter__()
