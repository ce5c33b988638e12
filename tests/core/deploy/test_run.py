"""The command and the function: names, sidecar, refusals, and nothing half written."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from importlib.metadata import version

import pytest
import torch
from case_table import table
from torch import nn

from scionwood import OutputExistsError, load, load_run, override, resolve
from scionwood.adapters import attach, config_class
from scionwood.authoring import Deployed, ExportError, Signal
from scionwood.cli import main
from scionwood.runs.manifest import write_manifest
from scionwood_export import export_run, formats
from scionwood_export.merging import plain
from scionwood_export.resizing import resized
from scionwood_export.run import write_deployed


def mlp() -> nn.Module:
    return load("backbones", "toy/mlp")()


def test_the_command_writes_the_file_and_its_sidecar(run, tmp_path, capsys):
    target = tmp_path / "toy.pt2"
    assert main(["export", str(run), str(target), "--shape", "8"]) == 0
    assert "equals the run within" in capsys.readouterr().out
    sidecar = json.loads((tmp_path / "toy.pt2.json").read_text())
    assert sidecar["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert sidecar["run"]["task"] == "toy/regress"
    base = json.loads((run / "adapter" / "scionwood.json").read_text())["base"]["sha256"]
    assert sidecar["run"]["base_sha256"] == base
    assert sidecar["adapter"] == "merged into the base"
    assert sidecar["difference"]["reached"] <= sidecar["difference"]["allowed"] == 1e-5
    assert sidecar["inputs"][0]["shape"] == [2, 8]
    assert sidecar["versions"]["torch"] == version("torch")


@table(
    ("words", "message"),
    [
        (["toy.onnx"], "ends in .pt2. Name it toy.pt2, or use --format onnx"),
        (["toy.pt2", "--format", "merged"], "ends in .safetensors. Name it toy.safetensors"),
        (["toy.pt2", "--shape", "9x9"], "shape 9x9: it gives the lengths of axis. Such as 8"),
        (["toy.pt2", "--shape", "8,8"], "joined by x. Such as 1x128x128"),
    ],
)
def test_a_wrong_name_or_shape_is_refused(run, tmp_path, capsys, words, message):
    name, *options = words
    assert main(["export", str(run), str(tmp_path / name), *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_existing_files_are_kept_without_force(run, tmp_path):
    target = tmp_path / "toy.pt2"
    (tmp_path / "toy.pt2.json").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"toy.pt2.json"):
        export_run(run, target)
    assert not target.exists()
    export_run(run, target, force=True)
    assert json.loads((tmp_path / "toy.pt2.json").read_text())["format"] == "pt2"


def test_a_file_that_differs_from_the_run_is_not_written(run, tmp_path, monkeypatch):
    """A writer that rounds the weights to bfloat16 stands for any defect of a format."""
    pt2 = formats.GRAPHS["pt2"]

    def write(program, deployed, path):
        for weight in program.state_dict.values():
            weight.data.copy_(weight.bfloat16())
        pt2.write(program, deployed, path)

    monkeypatch.setitem(formats.GRAPHS, "pt2", replace(pt2, write=write))
    with pytest.raises(ExportError, match=r"it differs from the run by \S+, and 1e-05 is allowed"):
        export_run(run, tmp_path / "toy.pt2")
    assert not list(tmp_path.iterdir())


def test_a_format_without_its_packages_says_how_to_install_them(run, tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"pip install onnx onnxruntime onnxscript"):
        export_run(run, tmp_path / "toy.onnx", format="onnx")


class Gated(nn.Module):
    """A change that depends on the input, which no weight can hold."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


def test_a_base_with_four_bits_is_refused_before_it_is_loaded(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    recipe = override(resolve(folder / "recipe.yaml"), {"backbone.quantize": "nf4"})
    (folder / "recipe.yaml").write_text(recipe.dump())
    write_manifest(folder)
    with pytest.raises(ExportError, match=r"four-bit weights.*backbone\.quantize: none"):
        export_run(folder, tmp_path / "toy.pt2")
    assert not (tmp_path / "toy.pt2").exists()


def test_an_adapter_inside_a_wrapper_is_merged():
    model = attach(mlp(), config_class("lora")(r=2, init_lora_weights=False), targets="blocks")
    wrapper, reason = plain(Gated(model))
    assert reason == ""
    assert type(wrapper.inner).__name__ == "Mlp"
    assert not [name for name in wrapper.state_dict() if "lora" in name]


def test_an_adapter_that_cannot_be_merged_is_exported_as_it_is(tmp_path):
    config = config_class("lora")(r=2, init_lora_weights=False, lora_bias=False)
    model = attach(mlp(), config, targets="blocks")
    layer = model.base_model.model.blocks[0].linear
    layer.merge = lambda *_, **__: (_ for _ in ()).throw(NotImplementedError("it has a gate"))
    example = (torch.randn(3, 8),)
    with torch.no_grad():
        expected = model.eval()(*example)
    verified = write_deployed(Deployed(model, example), "pt2", tmp_path / "gated.pt2")
    assert "it has a gate" in verified.unmerged
    again = torch.export.load(tmp_path / "gated.pt2").module()
    assert torch.allclose(again(*example), expected, atol=1e-6)


def test_a_free_batch_takes_any_length(run, tmp_path):
    row = Signal("x", ("batch", "feature"), "1")
    task = load_run(run)
    deployed = Deployed(
        task.backbone, (torch.randn(1, 8),), inputs=(row,), outputs=(row,), dynamic=("batch",)
    )
    x = torch.randn(7, 8)
    with torch.no_grad():
        expected = task.backbone(x)
    verified = write_deployed(deployed, "pt2", tmp_path / "toy.pt2")
    assert verified.shapes == (((2, 8),), ((3, 8),))
    again = torch.export.load(tmp_path / "toy.pt2").module()
    assert torch.allclose(again(x), expected, atol=1e-6)
    assert torch.allclose(again(x[:1]), expected[:1], atol=1e-6)


def test_descriptions_must_fit_the_example():
    with pytest.raises(ExportError, match=r"name \[1\] axes, and the tensors of the example have"):
        Deployed(mlp(), (torch.zeros(2, 8),), inputs=(Signal("x", ("batch",), "1"),))


def test_a_length_must_be_a_multiple():
    deployed = Deployed(
        mlp(),
        (torch.zeros(2, 8),),
        inputs=(Signal("x", ("batch", "time"), "1"),),
        multiples={"time": 16},
        padding="repeat the last sample",
    )
    assert resized(deployed, (32,)).example[0].shape == (2, 32)
    with pytest.raises(ExportError, match=r"multiple of 16. Round it up; the caller pads: repeat"):
        resized(deployed, (24,))
