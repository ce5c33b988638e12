"""Folders for vLLM."""

import json
import os
import subprocess

import pytest
from case_table import table
from safetensors.torch import load_file

import scionwood
from scionwood_serve import ServingError, export_vllm
from scionwood_serve.verbs.references import named_run


def test_vllm_gets_plain_folders_that_its_resolver_accepts(tmp_path):
    run = "bangla/register_tiny"
    folder = export_vllm({"letters": run}, tmp_path / "vllm", base="owner/model name")
    adapter = folder / "adapters" / "letters"
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"  # what the resolver compares
    assert config["base_model_name_or_path"] == "owner/model name"
    assert any("lora_A" in name for name in load_file(adapter / "adapter_model.safetensors"))
    script = folder / "serve.sh"
    fake = tmp_path / "bin" / "vllm"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s|" "$VLLM_LORA_RESOLVER_CACHE_DIR" "$@"\n')
    fake.chmod(0o755)
    path = f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([script], capture_output=True, text=True, env={"PATH": path})
    words = done.stdout.split("|")
    assert words[:4] == [str(folder / "adapters"), "serve", "owner/model name", "--enable-lora"]
    assert words[words.index("--max-lora-rank") + 1] == "8"


@table(
    ("change", "rule"),
    [
        ({"use_dora": True}, "it is DoRA"),
        ({"peft_type": "SMOA"}, "its method is SMOA"),
        ({"bias": "all"}, "it trains biases"),
        ({"modules_to_save": ["head"]}, "it replaces whole modules"),
        ({"rank_pattern": {"x": 2}}, "its layers differ in rank"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_vllm_computes_otherwise_is_refused(change, rule, tmp_path):
    run = tmp_path / "run" / "adapter"
    run.mkdir(parents=True)
    shipped = scionwood.find_run("bangla/register_tiny", quiet=True)
    (run.parent / "recipe.yaml").write_bytes((shipped / "recipe.yaml").read_bytes())
    config = json.loads((shipped / "adapter" / "adapter_config.json").read_text())
    (run / "adapter_config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ServingError, match=rule):
        export_vllm({"a": run.parent}, tmp_path / "vllm", base="owner/model")
    assert not (tmp_path / "vllm").exists()


def test_a_trained_head_is_refused_and_a_base_must_be_named(tmp_path):
    with pytest.raises(ServingError, match="it has a trained head"):
        export_vllm({"a": "seismic/denoise"}, tmp_path / "vllm", base="owner/model")
    with pytest.raises(ServingError, match="do not name one model"):
        export_vllm({"a": "bangla/register_tiny"}, tmp_path / "vllm")


@table(
    ("text", "named"),
    [
        ("seismic/denoise", ("", "seismic/denoise")),
        ("clean=runs/a", ("clean", "runs/a")),
        ("https://host/a.zip#sha256=ab", ("", "https://host/a.zip#sha256=ab")),
        ("a=https://host/a.zip#sha256=ab", ("a", "https://host/a.zip#sha256=ab")),
    ],
)
def test_runs_may_have_names(text, named):
    assert named_run(text) == named
