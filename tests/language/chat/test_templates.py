"""Chat templates, and the tokens of an example."""

from __future__ import annotations

import pytest
from trained import TINY
from transformers import PreTrainedTokenizerFast

from scionwood import WeightsError
from scionwood_language.chat.templates import encode, plain, prompt_ids, prompt_text
from scionwood_language.model.weights import load_tokenizer


def talk(prompt: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def test_refuses_a_tokenizer_without_an_end_token():
    bare = PreTrainedTokenizerFast(tokenizer_object=load_tokenizer(TINY).backend_tokenizer)
    with pytest.raises(WeightsError, match="no end-of-text token"):
        encode(bare, talk("এক", "দুই"))


TURNS = [{"role": "system", "content": "ভদ্র হও"}, {"role": "user", "content": "কেমন আছ"}]


def test_uses_the_chat_template_of_the_tokenizer():
    tokenizer = load_tokenizer(TINY)
    assert prompt_text(tokenizer, TURNS) == "<|system|>ভদ্র হও<|user|>কেমন আছ<|assistant|>"
    ids = prompt_ids(tokenizer, TURNS)
    assert ids[0] == tokenizer.convert_tokens_to_ids("<|system|>")
    assert ids[-1] == tokenizer.convert_tokens_to_ids("<|assistant|>")


def test_without_a_template_turns_have_headings():
    tokenizer = load_tokenizer(TINY)
    tokenizer.chat_template = None
    assert prompt_text(tokenizer, TURNS) == plain(TURNS)
    assert plain(TURNS) == "### system\nভদ্র হও\n\n### user\nকেমন আছ\n\n### assistant\n"
    assert tokenizer.decode(prompt_ids(tokenizer, TURNS)) == plain(TURNS)


def test_a_template_without_system_turns_gets_the_text_in_the_first_turn():
    tokenizer = load_tokenizer(TINY)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}"
        "{% endif %}{{ m['role'] + ': ' + m['content'] }}{% endfor %}"
    )
    assert prompt_text(tokenizer, TURNS) == "user: ভদ্র হও\n\nকেমন আছ"
