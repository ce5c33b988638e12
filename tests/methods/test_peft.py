"""Plain peft accepts the methods after their registration, and Scionwood by their names."""

import json
from importlib import import_module

import peft
import pytest
import torch
from case_table import table
from method_layers import (
    ADAPTED,
    KINDS,
    METHODS,
    PAIRS,
    WHOLE,
    adapted,
    bare,
    config,
    example,
    trainable,
    unsettle,
)
from peft import inject_adapter_in_model, set_peft_model_state_dict
from peft.utils import get_peft_model_state_dict
from transformers import LlamaConfig, LlamaForCausalLM

from scionwood import AdapterError, attach, load, load_adapter, merge, save_adapter
from scionwood_methods import plugin


def test_one_import_registers_every_method():
    registered = vars(import_module("scionwood_methods.peft"))
    for name in plugin.adapters:
        config_class = load("adapters", f"methods/{name}")
        assert config_class in registered.values()
        assert peft.PEFT_TYPE_TO_CONFIG_MAPPING[config_class().peft_type] is config_class


@table(("method", "kind"), [pair for pair in PAIRS if pair[1] not in WHOLE])
def test_scionwood_attaches_saves_and_loads_the_adapter(method, kind, tmp_path):
    options = {**METHODS.get(method, {}), **KINDS[kind].options}
    settings = load("adapters", f"methods/{method}")(**options)
    model = attach(bare(kind), settings, targets="first|second", example=(example(kind),))
    unsettle(model).eval()
    save_adapter(model, tmp_path)
    record = json.loads((tmp_path / "scionwood.json").read_text())
    assert record["requires_plugin"] == "methods"
    assert record["method"] == f"methods/{method}"
    assert record["modules"] == ["first", "second"]
    loaded = load_adapter(bare(kind), tmp_path, trainable=True)
    assert torch.equal(loaded.eval()(example(kind)), model(example(kind)))


@table(("method", "kind"), [p for p in PAIRS if p[0] != "gpart"])
@torch.no_grad()
def test_can_be_injected_without_a_model_wrapper(method, kind):
    source, x = unsettle(adapted(method, kind)).eval(), example(kind)
    model = inject_adapter_in_model(config(method, kind), bare(kind)).eval()
    set_peft_model_state_dict(model, get_peft_model_state_dict(source))
    assert torch.equal(model(x), source(x))


@table(("method", "kind"), [p for p in PAIRS if p[1] == "Linear" or p[1] in WHOLE])
@torch.no_grad()
def test_loads_into_a_model_on_the_meta_device(method, kind, tmp_path):
    model, x = unsettle(adapted(method, kind)).eval(), example(kind)
    model.save_pretrained(tmp_path)
    loaded = peft.PeftModel.from_pretrained(bare(kind), tmp_path, low_cpu_mem_usage=True)
    assert torch.equal(loaded.eval()(x), model(x))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@table(("method", "kind"), [p for p in PAIRS if p[1] in ("Linear", "attention")])
def test_every_method_compiles_without_graph_breaks(method, kind):
    torch.compiler.reset()  # the tests before count as recompilations of the same code
    model, x = unsettle(adapted(method, kind)), example(kind)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    results = []
    for run in (model, compiled):
        model.zero_grad()
        y = run(x)
        y.square().sum().backward()
        results.append([y, *(p.grad for p in trainable(model).values())])
    for left, right in zip(*results, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft's own
@table("method", plugin.adapters)
def test_a_language_model_of_transformers_learns_and_generates(method):
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "vocab_size": 24}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    torch.manual_seed(0)
    base = LlamaForCausalLM(LlamaConfig(**sizes, **heads))
    settings = load("adapters", f"methods/{method}")(
        target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", **METHODS.get(method, {})
    )
    model = peft.get_peft_model(base, settings)
    ids = torch.arange(12).reshape(2, 6)
    losses = []
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for _ in range(4):
        losses.append(model(input_ids=ids, labels=ids).loss)
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    assert model.eval().generate(input_ids=ids, max_new_tokens=2, do_sample=False).shape == (2, 8)


@pytest.mark.skipif("PyG Linear" not in ADAPTED, reason="torch_geometric is not installed")
@table("method", plugin.adapters)
def test_graph_convolutions_are_adapted_through_their_linear_layers(method):
    bare("PyG Linear")  # imports torch_geometric without its warnings
    from torch_geometric.nn import GCNConv

    settings = load("adapters", f"methods/{method}")(
        target_modules="conv.lin", **METHODS.get(method, {})
    )
    graph = torch.nn.ModuleDict({"conv": GCNConv(8, 16)})
    x, edges = torch.randn(5, 8), torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]])
    before = graph["conv"](x, edges)
    model = peft.get_peft_model(graph, settings).base_model.model
    assert torch.equal(model["conv"](x, edges), before)
    unsettle(model if method != "gpart" else model["conv"].lin.gpart_theta.store)
    assert not torch.allclose(model["conv"](x, edges), before)


def test_refuses_to_merge_disel_with_the_reason():
    model = unsettle(adapted("disel", "Linear"))
    before = model(example("Linear"))
    with pytest.raises(AdapterError, match="depend on the input"):
        merge(model)
    assert torch.equal(model(example("Linear")), before)
