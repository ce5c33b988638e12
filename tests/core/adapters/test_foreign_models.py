"""Models of other libraries, held against plain peft: targets, numbers, files."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn as nn
from case_table import table
from foreign_models import MODELS, answer, built, unsettled
from peft import IA3Config, LoraConfig, PeftConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file

from scionwood import AdapterError, attach, load_adapter, merge, save_adapter, unmerge
from scionwood.authoring import LeftOutWarning

# The libraries warn about kernels that are missing, and peft about tied weights.
pytestmark = pytest.mark.filterwarnings("ignore")

PRESENT = [name for name, model in MODELS.items() if find_spec(model.needs)]
SHARED = [name for name in PRESENT if MODELS[name].of_peft]
MIXTURES = [name for name in PRESENT if MODELS[name].of_peft == "all-linear"]


def inputs(name: str) -> tuple[Any, ...]:
    torch.manual_seed(1)
    return MODELS[name].inputs()


def attached(name: str, config: PeftConfig, **options: Any) -> tuple[PeftModel, set[str]]:
    """Attach an adapter, and return the last words of the names that the warning shows."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        options = {"targets": MODELS[name].targets, "example": inputs(name), **options}
        tuned = attach(built(name), config, head=(), **options).eval()
    said = [str(w.message) for w in caught if issubclass(w.category, LeftOutWarning)]
    assert len(said) <= 1
    words = set()
    for part in "".join(said).split("; "):
        listed = part.removeprefix("no adapter on ").partition(": ")[0].partition(" and ")[0]
        words |= {each.rpartition(".")[2] for each in listed.split(", ") if each}
    return tuned, words


@cache
def trained(name: str) -> PeftModel:
    return unsettled(attached(name, LoraConfig(r=4))[0])


def adapted(model: nn.Module) -> list[str]:
    return [name for name, part in model.named_modules() if isinstance(part, BaseTunerLayer)]


def gradients(model: nn.Module, name: str) -> dict[str, torch.Tensor]:
    trains = {key: value for key, value in model.named_parameters() if value.requires_grad}
    loss = answer(model, inputs(name)).square().sum()
    return dict(zip(trains, torch.autograd.grad(loss, list(trains.values())), strict=True))


@table("name", PRESENT)
def test_what_is_left_out_is_said_and_every_adapter_learns(name):
    tuned, words = attached(name, LoraConfig(r=4))
    assert words == MODELS[name].left_out
    x = inputs(name)
    torch.testing.assert_close(answer(tuned, x), answer(built(name), x))
    tuned = trained(name)
    assert not torch.allclose(answer(tuned, x), answer(built(name), x), rtol=1e-3)
    assert all(value.abs().max() > 0 for value in gradients(tuned, name).values())


@table("name", SHARED)
def test_plain_peft_adapts_and_computes_the_same(name):
    config = LoraConfig(r=4, target_modules=MODELS[name].of_peft)
    plain = unsettled(get_peft_model(built(name), config).eval())
    ours = trained(name)
    assert adapted(ours) == adapted(plain)
    x = inputs(name)
    torch.testing.assert_close(answer(ours, x), answer(plain, x))
    expected = gradients(plain, name)
    for key, value in gradients(ours, name).items():
        torch.testing.assert_close(value, expected[key], rtol=1e-4, atol=1e-5)


@table("name", PRESENT)
def test_it_loads_merges_and_unmerges(name, tmp_path):
    tuned, x = trained(name), inputs(name)
    wanted = answer(tuned, x).detach()
    save_adapter(tuned, tmp_path)
    with torch.no_grad():  # as a loaded adapter computes, which does not train
        assert torch.equal(answer(load_adapter(built(name), tmp_path), x), answer(tuned, x))
    merge(tuned)
    try:
        scale = float(wanted.abs().max())
        torch.testing.assert_close(answer(tuned, x), wanted, rtol=0, atol=1e-5 * scale)
    finally:
        unmerge(tuned)
    assert torch.equal(answer(tuned, x), wanted)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float | str]]:
    """Save every adapter, and open all of them in a fresh process."""
    root = tmp_path_factory.mktemp("foreign")
    for number, name in enumerate(PRESENT):
        folder = root / f"{number:02}"
        save_adapter(trained(name), folder)
        (folder / "name.txt").write_text(name)
        with torch.no_grad():
            wanted = answer(trained(name), inputs(name))
        save_file({"answer": wanted.contiguous()}, folder / "answer.safetensors")
    script = Path(__file__).parent / "support" / "open_foreign.py"
    command = [sys.executable, str(script), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, dict[str, float | str]] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.slow
@table("name", PRESENT)
def test_a_fresh_process_opens_it(opened, name):
    assert opened[name]["scionwood"] == 0
    if MODELS[name].of_peft:
        assert opened[name]["peft"] <= 1e-6
    else:
        assert "scionwood.load_adapter" in str(opened[name]["peft"])


@table("name", [name for name in PRESENT if MODELS[name].left_out])
def test_without_an_example_the_source_tells_what_is_dead(name):
    _, words = attached(name, LoraConfig(r=4), example=None)
    # The source of FalconMamba calls `dt_proj` in one case and reads it in another one.
    assert words == MODELS[name].left_out - {"dt_proj"}


@table(
    ("name", "targets", "message"),
    [
        ("torchvision Swin", r".*attn\.qkv", "dead targets features.1.0.attn.qkv"),
        ("torchvision Swin", "features.1.0.attn.qkv|head", "dead targets features.1.0.attn.qkv"),
        ("Mamba2", r".*out_proj", "peft refuses it"),
        ("Mamba2", r"backbone.layers.0.mixer.(in|out)_proj", ""),
        ("FalconMamba", "backbone.layers.0.mixer.out_proj", "peft refuses it"),
    ],
)
@table("example", [True, False])
def test_what_is_named_alone_is_refused(name, targets, message, example):
    if name not in PRESENT:
        pytest.skip(f"{MODELS[name].needs} is not installed")
    options = {} if example else {"example": None}
    if not message:
        tuned, words = attached(name, LoraConfig(r=4), targets=targets, **options)
        assert (len(adapted(tuned)), words) == (1, {"out_proj"})
        return
    before = [(key, type(part)) for key, part in built(name).named_modules()]
    model = built(name)
    given = {"example": inputs(name)} if example else {}
    with pytest.raises(AdapterError, match=message):
        attach(model, LoraConfig(r=4), targets=targets, head=(), **given)
    assert [(key, type(part)) for key, part in model.named_modules()] == before


@pytest.mark.parametrize(
    "config",
    [LoraConfig(r=2, use_dora=True), IA3Config(feedforward_modules=[], target_modules="x")],
    ids=["dora", "ia3"],
)
def test_an_attention_is_one_for_every_method(config):
    pytest.importorskip("torch_geometric")
    tuned, words = attached("PyG GPSConv, attention", config)
    assert not words
    assert isinstance(tuned.get_base_model().conv.attn, nn.MultiheadAttention)
    assert all(
        value.abs().max() > 0 for value in gradients(unsettled(tuned), "PyG GPSConv").values()
    )


@table("name", MIXTURES)
def test_a_pattern_selects_the_layers_that_it_names_and_no_others(name, tmp_path):
    """peft would keep the last word of each name, and adapt all layers."""
    tuned, words = attached(name, LoraConfig(r=4), targets=r"model\.layers\.1\..*(o|down)_proj")
    names = [key.removeprefix("base_model.model.") for key in adapted(tuned)]
    assert names
    assert all(key.startswith("model.layers.1.") for key in names)
    assert not words
    save_adapter(unsettled(tuned), tmp_path)
    again = load_adapter(built(name), tmp_path)
    assert adapted(again) == adapted(tuned)
    assert torch.equal(answer(again, inputs(name)), answer(tuned, inputs(name)))
    if any("down_proj" in key for key in names):  # which peft would take for stacked experts
        with pytest.raises(KeyError, match=r"scionwood\.load_adapter"):
            PeftModel.from_pretrained(built(name), str(tmp_path))
        return
    plain = PeftModel.from_pretrained(built(name), str(tmp_path))
    torch.testing.assert_close(answer(plain, inputs(name)), answer(tuned, inputs(name)))


@table("name", MIXTURES)
def test_dropout_leaves_the_stacked_experts_out_and_says_so(name):
    """Plain peft refuses `all-linear` with dropout as a whole."""
    tuned, words = attached(name, LoraConfig(r=4, lora_dropout=0.1))
    assert any("q_" in key for key in adapted(tuned))
    if name == "GPT-OSS":  # peft translates nothing there
        assert not words
    else:
        assert "gate_up_proj" in words
