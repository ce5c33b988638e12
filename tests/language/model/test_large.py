"""Language models without values: the same names, buffers and hash as those that are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from case_table import table
from trained import TINY
from transformers import LlamaConfig
from transformers.models.llama import LlamaForCausalLM

from scionwood.adapters import base_hash
from scionwood.adapters.stored import deferring
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.model.weights import load_tokenizer

pytestmark = pytest.mark.usefixtures("_one_thread")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A random model with tied embeddings in several files, as transformers writes it."""
    torch.manual_seed(1)
    sizes = {"vocab_size": 4096, "hidden_size": 64, "intermediate_size": 96}
    config = LlamaConfig(**sizes, num_hidden_layers=3, num_attention_heads=4)
    config.tie_word_embeddings = True
    LlamaForCausalLM(config).save_pretrained(tmp_path / "lm", max_shard_size="300KB")
    load_tokenizer(TINY).save_pretrained(tmp_path / "lm")
    assert len(list((tmp_path / "lm").glob("model-*.safetensors"))) > 1
    return tmp_path / "lm"


@table("dtype", ["float32", "bfloat16"])
@table("model", ["tiny", "folder"])
def test_a_model_without_values_is_that_of_the_files(model, dtype, folder):
    place = str(folder) if model == "folder" else TINY
    loaded = causal_lm(model=place, dtype=dtype)
    before = torch.random.get_rng_state()
    with deferring():
        empty = causal_lm(model=place, dtype=dtype)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(parameter.is_meta for parameter in empty.parameters())
    assert empty.get_output_embeddings().weight is empty.get_input_embeddings().weight
    own = dict(empty.named_buffers())
    assert own.keys() == dict(loaded.named_buffers()).keys() >= {"model.rotary_emb.inv_freq"}
    assert all(torch.equal(own[name], value) for name, value in loaded.named_buffers())
    assert base_hash(empty) == base_hash(loaded)
    assert empty.adapter_targets == loaded.adapter_targets
    assert not empty.training


@pytest.mark.slow
def test_two_processes_fit_a_model_of_several_files(folder, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    strategy = ["--trainer.devices=2", "--trainer.strategy=scale/model_parallel"]
    errors = {}
    for name, extra in {"one": [], "two": strategy}.items():
        size = "--data.batch_size=1" if name == "two" else "--data.batch_size=2"
        command = [sys.executable, "-m", "scionwood.cli", "fit", "bangla/register_tiny", "--smoke"]
        options = [f"--backbone.model={folder}", "--trainer.accelerator=cpu", size, *extra]
        done = subprocess.run(
            [*command, "--run", str(tmp_path / name), *options],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        errors[name] = done.stderr
    assert "each process reads its own part of" in errors["two"]
    one, two = (
        (tmp_path / name / "adapter" / "scionwood.json").read_text() for name in ("one", "two")
    )
    assert one == two  # with the hash of the base
