"""Only the completion and its end are learned, and packed examples do not affect each other."""

from __future__ import annotations

from random import Random

import pytest
import torch
from trained import TINY
from transformers import MambaConfig, MambaForCausalLM, MistralConfig, MistralForCausalLM

from scionwood import RecipeError
from scionwood_bangla.data.conversations import Generated, shipped
from scionwood_bangla.model.weights import plain
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.chat.templates import IGNORED, encode, end_of_text
from scionwood_language.data.packing import Collate, join, pack
from scionwood_language.model.weights import load_tokenizer
from scionwood_language.tasks.causal import check_isolated

pytestmark = pytest.mark.usefixtures("_one_thread")


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(TINY)


@pytest.fixture(scope="module")
def model():
    return causal_lm(model=TINY)


def learned(row: dict) -> list[int]:
    return [label for label in row["labels"].tolist() if label != IGNORED]


@pytest.mark.parametrize("packing", [True, False])
def test_only_the_completion_and_its_end_are_learned(tokenizer, packing):
    data = Generated(n_train=60, packing=packing)
    wanted = []
    for example in data.examples("train"):
        ids = tokenizer(example.completion, add_special_tokens=False)["input_ids"]
        wanted.append([*ids, tokenizer.eos_token_id])
    rows = data.rows("train")
    labels_in_rows = [label for row in rows for label in learned(row)]
    assert sorted(labels_in_rows) == sorted(token for tokens in wanted for token in tokens)
    for row in rows:
        ids, labels = row["input_ids"], row["labels"]
        assert ((labels == ids) | (labels == IGNORED)).all()
        starts = (row.get("position_ids", torch.arange(len(ids))) == 0).nonzero().flatten().tolist()
        for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
            assert learned({"labels": labels[start:end]}) in wanted
            assert ids[end - 1] == end_of_text(tokenizer)


def test_a_batch_keeps_the_labels_of_each_row(tokenizer):
    rows = Generated(n_train=30).rows("train")
    batch = Collate(tokenizer.pad_token_id)(rows)
    for i, row in enumerate(rows):
        width = len(row["labels"])
        assert torch.equal(batch["labels"][i, :width], row["labels"])
        assert (batch["labels"][i, width:] == IGNORED).all()


def encoded(tokenizer, count: int) -> list[dict]:
    codes = [encode(tokenizer, plain(example.messages)) for example in shipped("train")[:count]]
    return [
        {"input_ids": torch.tensor(c.input_ids), "labels": torch.tensor(c.labels)} for c in codes
    ]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_logits_of_a_packed_example_equal_its_logits_alone(tokenizer, model, attention):
    rows = encoded(tokenizer, 4)
    model.set_attn_implementation(attention)
    batch = Collate(tokenizer.pad_token_id)([join(rows), join(rows[:2])])
    inputs = {name: batch[name] for name in ("input_ids", "position_ids")}
    with torch.no_grad():
        packed = model(**inputs, use_cache=False).logits
        at = 0
        for row in rows:
            alone = model(input_ids=row["input_ids"][None], use_cache=False).logits[0]
            difference = (packed[0, at : at + len(alone)] - alone).abs().max()
            assert difference < 1e-5
            at += len(alone)
    model.set_attn_implementation("sdpa")


def test_without_restarted_positions_examples_affect_each_other(tokenizer, model):
    rows = encoded(tokenizer, 2)
    row = join(rows)
    with torch.no_grad():
        seeing = model(input_ids=row["input_ids"][None], use_cache=False).logits[0]
        alone = model(input_ids=rows[1]["input_ids"][None], use_cache=False).logits[0]
    assert (seeing[-len(alone) :] - alone).abs().max() > 0.1


def test_refuses_packed_rows_for_a_recurrent_model():
    config = MambaConfig(
        vocab_size=64, hidden_size=16, state_size=4, num_hidden_layers=1, expand=1, conv_kernel=2
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MambaForCausalLM(config).eval()
    inputs = {
        "input_ids": torch.arange(12)[None],
        "position_ids": torch.tensor([[*range(6), *range(6)]]),
    }
    with pytest.raises(RecipeError, match="does not separate packed examples"):
        check_isolated(model, inputs)


def test_a_decoder_with_sliding_windows_separates_examples():
    config = MistralConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        sliding_window=4,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MistralForCausalLM(config).eval()
    positions = torch.tensor([[*range(6), *range(6)]])
    check_isolated(model, {"input_ids": torch.arange(12)[None], "position_ids": positions})


def test_rows_are_full_and_contain_each_example_once():
    random = Random(0)
    lengths = [random.randint(5, 90) for _ in range(500)]
    rows = pack(lengths, 100)
    assert sorted(number for row in rows for number in row) == list(range(500))
    assert all(sum(lengths[number] for number in row) <= 100 for row in rows)
    assert sum(lengths) / (100 * len(rows)) > 0.95


def test_rows_of_validation_have_their_requests():
    batch = next(iter(Generated(n_val=6, n_test=1).val_dataloader()))
    assert set(batch["register"]) == {"tui", "tumi", "apni"}
    assert [turns[-1]["role"] for turns in batch["turns"]] == ["user"] * 6
