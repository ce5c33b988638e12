"""The pretraining of the tiny model and its tokenizer."""

from __future__ import annotations

import pytest
import torch

from scionwood_bangla.model.pretrain import cut, pretrain, save, texts, train_tokenizer
from scionwood_bangla.model.weights import causal_lm, load_tokenizer

pytestmark = pytest.mark.usefixtures("_one_thread")


def test_the_levels_of_a_verb_share_its_first_token_and_all_verbs_the_endings():
    tokenizer = load_tokenizer("tiny")

    def tokens(word: str) -> list[str]:
        ids = tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
        return [tokenizer.decode([token]) for token in ids]

    for stem in ("জানাব", "আনব", "দেখব", "পাঠাব"):
        assert [tokens(stem + ending) for ending in ("ি", "ে", "েন")] == [
            [f" {stem}", "ি"],
            [f" {stem}", "ে"],
            [f" {stem}", "েন"],
        ]


def test_the_tokenizer_decodes_what_it_encodes():
    tokenizer = load_tokenizer("tiny")
    for text in ("তারিখ: ৫ মে ২০২৪\nজনাব,", "র‍্যাব — émigré 漢字", "  দুই  ফাঁক"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_trains_and_saves_a_model(tmp_path):
    tokenizer = train_tokenizer(texts(0, 60), vocabulary=500)
    losses = []
    model = pretrain(tokenizer, steps=2, report=lambda step, loss: losses.append(loss))
    assert losses[-1] < losses[0]
    save(model, tokenizer, tmp_path)
    loaded = causal_lm(model=str(tmp_path))
    assert loaded.tokenizer.chat_template == load_tokenizer("tiny").chat_template
    for name, value in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value.half().float(), rtol=0, atol=0)


def test_cuts_verb_forms_where_their_level_shows():
    assert cut("তুই বইটি আনলি। আপনি আসবেন।") == ["তুই বইটি আনল", "ি। আপনি আসব", "েন।"]
    assert cut("সবাই মাছ খায়।") == ["সবাই মাছ খায়।"]
