"""Fused forwards in peft models: same results, same files, same operations, less memory."""

import copy
import io
from shutil import which

import pytest
import torch
import torch.nn as nn
from case_table import table
from layered_net import LAYERS, Net
from peft import IA3Config, LoraConfig, get_peft_model, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict
from torch.utils.checkpoint import checkpoint

from scionwood.adapters import merge, unmerge
from scionwood.kernels import disable, enable, kernel_report


def tuned(*, seed=0, dtype=torch.float32, **options):
    torch.manual_seed(seed)
    options = {"r": 3, "lora_alpha": 6, "target_modules": LAYERS, **options}
    model = get_peft_model(Net().to(dtype), LoraConfig(**options)).train()
    fill(model)
    return model


def fill(model):
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.3)


def batch(dtype=torch.float32):
    g = torch.Generator().manual_seed(1)
    return torch.randn(2, 2, 4, 5, 6, generator=g).to(dtype)


def run(model, x=None):
    model.zero_grad()
    y = model(batch() if x is None else x)
    y.float().square().mean().backward()
    return y.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def assert_equal_to_peft(model, tolerance=2e-6):
    plain = copy.deepcopy(model)
    disable(plain)
    assert all(row.implementation == "peft" for row in kernel_report(plain))
    (y, ours), (expected, theirs) = run(model), run(plain)
    scale = expected.abs().max()
    assert (y - expected).abs().max() <= tolerance * scale
    assert ours
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert (value - theirs[name]).abs().max() <= 2 * tolerance * theirs[name].abs().max(), name


@table(
    "options",
    [{}, {"use_rslora": True}, {"bias": "all"}, {"bias": "lora_only"}, {"r": 40}],
    ids=["lora", "rslora", "biases", "adapted biases", "rank above width"],
)
def test_results_and_gradients_equal_those_of_peft(options):
    model = tuned(**options)
    report = enable(model)
    assert [row.implementation for row in report] == ["weight-space"] * 4 + ["addmm"] * 2
    assert_equal_to_peft(model)


def test_supports_a_bias_of_the_adapter_and_an_activation_that_overwrites_its_input():
    model = tuned(target_modules=["up"], lora_bias=True)
    assert [row.implementation for row in enable(model)] == ["addmm"]
    nn.init.normal_(model.base_model.model.up.lora_B["default"].bias)
    assert_equal_to_peft(model)
    model = tuned(target_modules=["up", "down"])
    model.base_model.model.act = nn.SiLU(inplace=True)
    enable(model)
    assert_equal_to_peft(model)


def test_state_dict_and_adapter_file_do_not_change():
    model = tuned()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    own = get_peft_model_state_dict(model).keys()
    enable(model)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert get_peft_model_state_dict(model).keys() == own


def test_disabling_undoes_enabling():
    model = tuned()
    classes = [type(module) for module in model.modules()]
    enable(model)
    enable(model)
    disable(model)
    assert [type(module) for module in model.modules()] == classes
    assert not any(name.startswith("_scionwood") for m in model.modules() for name in vars(m))


def test_several_adapters_switching_and_disabling():
    model = tuned()
    model.add_adapter("other", LoraConfig(r=5, target_modules=LAYERS))
    fill(model)
    enable(model)
    for choice in ("other", "default", ["default", "other"]):
        model.base_model.set_adapter(choice)
        assert {row.implementation for row in kernel_report(model)} == {"weight-space", "addmm"}
        assert_equal_to_peft(model)
    with model.disable_adapter():
        assert {row.implementation for row in kernel_report(model)} == {"peft"}
        bare = model(batch())
    torch.manual_seed(0)
    torch.testing.assert_close(bare, Net()(batch()))
    model.delete_adapter("other")
    assert_equal_to_peft(model)


def test_merging_keeps_the_output_also_for_a_kernel_of_size_one():
    model = tuned().eval()
    assert str(kernel_report(Net())) == "no adapter layers"
    off = "kernels are off: kernels.enable(model)"
    assert {row.why for row in kernel_report(model)} == {off}
    with torch.no_grad():
        expected = model(batch())
        merge(model)
        torch.testing.assert_close(model(batch()), expected, rtol=1e-5, atol=1e-5)
        unmerge(model)
        assert torch.equal(model(batch()), expected)
        enable(model)
        model.merge_adapter()
        merged = model(batch())
        model.unmerge_adapter()
        back = model(batch())
        final = model.merge_and_unload()(batch())
    for y in (merged, back, final):
        torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)


def test_adapters_chosen_per_sample_use_the_forward_of_peft():
    model = tuned(target_modules=["up", "down"])
    enable(model)
    model.eval()
    names = ["default", "__base__"]
    mixed = model(batch(), adapter_names=names)
    torch.testing.assert_close(mixed[:1], model(batch()[:1]))
    with model.disable_adapter():
        torch.testing.assert_close(mixed[1:], model(batch()[1:]))


def test_supports_a_model_with_injected_layers():
    model = inject_adapter_in_model(LoraConfig(r=2, target_modules=["up"]), Net())
    fill(model)
    assert [tuple(row)[:2] for row in enable(model)] == [("up", "addmm")]
    assert_equal_to_peft(model)


def test_a_model_with_kernels_can_be_copied_and_pickled():
    model = tuned()
    enable(model)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert torch.equal(loaded(batch()), model(batch()))
    assert torch.equal(copy.deepcopy(model)(batch()), model(batch()))


@table(
    ("change", "reason"),
    [
        (lambda m: tuned(use_dora=True, target_modules=["up"]), "variant"),
        (lambda m: tuned(lora_dropout=0.1, target_modules=["image"]), "dropout"),
        (lambda m: m.get_submodule("up").base_layer.weight.requires_grad_(True), "weight trains"),
        (lambda m: m.get_submodule("up").lora_A["default"].register_forward_hook(print), "hook"),
        (lambda m: get_peft_model(Net(), IA3Config(target_modules=["up"], feedforward_modules=[])),
         "no fused form"),
    ],
    ids=["dora", "dropout on a convolution", "trainable base", "hook", "another method"],
)  # fmt: skip
def test_reports_why_the_forward_of_peft_runs(change, reason):
    model = tuned(target_modules=["up"])
    changed = change(model.base_model.model)
    if not isinstance(changed, nn.Module) or isinstance(changed, nn.Parameter):
        changed = model
    (row,) = enable(changed)
    assert row.implementation == "peft"
    assert reason in row.why
    assert row.layer in str(kernel_report(changed))


@pytest.mark.skipif(which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inside torch.compile itself
@pytest.mark.parametrize(
    ("amp", "backend"),
    [pytest.param(False, "inductor", marks=pytest.mark.slow), (True, "aot_eager")],
)
def test_a_training_step_compiles_as_one_graph(amp, backend):
    model = tuned()
    enable(model)
    compiled = torch.compile(model, fullgraph=True, backend=backend)
    with torch.autocast("cpu", torch.bfloat16, enabled=amp):
        (y, grads), (expected, theirs) = run(compiled), run(model)
    torch.testing.assert_close(y, expected, rtol=1e-2 if amp else 1e-5, atol=1e-2 if amp else 1e-5)
    assert {n.removeprefix("_orig_mod.") for n in grads} == set(theirs)


def test_does_not_recompute_an_input_that_was_changed_in_place():
    class Shifted(Net):
        def forward(self, x):
            x = x.flatten(2).mean(-1, keepdim=True).expand(-1, -1, 4).reshape(2, 8)
            x = self.norm(x)
            x = x.add_(1.0) if self.training else x
            return self.up(x)

    torch.manual_seed(0)
    model = get_peft_model(Shifted(), LoraConfig(r=2, target_modules=["up"])).train()
    fill(model)
    enable(model)
    assert_equal_to_peft(model)


def test_refuses_a_norm_that_changed_before_the_backward_pass():
    model = tuned(target_modules=["up"])
    enable(model)
    y = model(batch().requires_grad_())
    with torch.no_grad():
        model.base_model.model.norm.weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("reentrant", [False, True])
def test_gradient_checkpointing_gives_the_same_gradients_and_masks(reentrant):
    model = tuned(target_modules=["up", "down"], lora_dropout=0.3)
    enable(model)
    torch.manual_seed(7)
    y, expected = run(model, batch().requires_grad_())
    model.zero_grad()
    torch.manual_seed(7)
    again = checkpoint(model, batch().requires_grad_(), use_reentrant=reentrant)
    again.square().mean().backward()
    assert torch.equal(again, y)
    for name, parameter in model.named_parameters():
        if name in expected:
            assert torch.equal(parameter.grad, expected[name]), name
