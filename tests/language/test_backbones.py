"""Causal language models of transformers as backbones, and their losses."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import pytest
import torch
from case_table import table
from trained import TINY
from transformers import (
    Gemma2Config,
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    LlamaConfig,
)
from transformers.models.gemma2 import Gemma2ForCausalLM
from transformers.models.granite import GraniteForCausalLM
from transformers.models.llama import LlamaForCausalLM

from scionwood import PluginError, WeightsError
from scionwood_bangla.model.weights import FOLDER
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.chat.templates import IGNORED
from scionwood_language.model.weights import load_tokenizer
from scionwood_language.tasks.causal import loss_of, splits_at_head

pytestmark = pytest.mark.usefixtures("_one_thread")

SMALL = {"vocab_size": 128, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
MODELS = {
    "llama": (LlamaForCausalLM, LlamaConfig(**SMALL, intermediate_size=32)),
    "gemma2": (
        Gemma2ForCausalLM,
        Gemma2Config(**SMALL, intermediate_size=32, num_key_value_heads=1, head_dim=8),
    ),
    "granite": (
        GraniteForCausalLM,
        GraniteConfig(**SMALL, intermediate_size=32, logits_scaling=7.0),
    ),
    "gpt2": (GPT2LMHeadModel, GPT2Config(vocab_size=128, n_embd=16, n_layer=2, n_head=2)),
}


def built(kind: str):
    build, config = MODELS[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(config).eval()


def folder_of(model, tmp_path, *, safe: bool = True):
    model.config.save_pretrained(tmp_path)
    load_tokenizer(TINY).save_pretrained(tmp_path)
    if safe:
        model.save_pretrained(tmp_path)
    else:
        torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    return str(tmp_path)


def test_the_tiny_model_is_small_and_has_a_card():
    model = causal_lm(model=TINY)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(1.33e6, rel=0.01)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 4e6
    assert model.card["licence"] == "Apache-2.0"
    assert list(model.adapter_targets) == ["attention", "mlp", "all-linear"]
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_folder_gives_the_same_model_as_its_name(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "copy")
    model, copy = causal_lm(model=TINY), causal_lm(model=str(tmp_path / "copy"))
    example = model.example_input()
    with torch.no_grad():
        assert torch.equal(model(*example).logits, copy(*example).logits)
    assert copy.tokenizer.get_vocab() == model.tokenizer.get_vocab()
    assert str(tmp_path) not in str(copy.card)


@table("kind", MODELS)
def test_the_loss_equals_that_of_the_model(kind):
    model = built(kind)
    ids = torch.arange(2 * 20).view(2, -1) % 128
    labels = ids.clone()
    labels[:, :6] = IGNORED
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    wanted = model(**inputs, labels=labels, use_cache=False).loss
    splits = splits_at_head(model, inputs)
    assert splits == (kind != "granite")  # it scales its logits in its own forward
    loss = loss_of(model, inputs, labels, whole=not splits)
    torch.testing.assert_close(loss, wanted, rtol=0, atol=1e-5)


def test_checkpointing_gives_the_same_gradients():
    ids = torch.arange(24).view(1, -1)
    gradients = []
    for checkpointing in (False, True):
        model = causal_lm(model=TINY, checkpointing=checkpointing).train()
        loss_of(model, {"input_ids": ids}, ids).backward()
        gradients.append(model.model.layers[0].mlp.up_proj.weight.grad)
    torch.testing.assert_close(*gradients)


def test_what_cannot_be_loaded_has_a_remedy(tmp_path, monkeypatch):
    with pytest.raises(WeightsError, match="transformers cannot load it"):
        causal_lm(model=folder_of(built("llama"), tmp_path, safe=False))  # pickled weights
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for model in ("no/such-model", "/no/such/folder"):
        with pytest.raises(WeightsError, match="Name `tiny`, `smollm2`, a folder"):
            causal_lm(model=model)
    if find_spec("bitsandbytes") is None:
        with pytest.raises(PluginError, match=r"bitsandbytes is not installed\. Run: pip install"):
            causal_lm(quantize="nf4")
