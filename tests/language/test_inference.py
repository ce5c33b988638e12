"""Generation is independent of batching and reproducible, and it detects the end of answers."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from peft import LoraConfig
from trained import TINY

from scionwood import RecipeError, TrainingError, attach
from scionwood_bangla import Answer, Decoding, Writer
from scionwood_bangla.evaluation.prompts import prompts
from scionwood_bangla.text.examples import Message
from scionwood_language.backbones.causal_lm import causal_lm

PROMPTS = [item.example().prompt for item in prompts("plain")[::12]]
SHORT = Decoding(max_new_tokens=12)


def adapted(model: torch.nn.Module | None = None) -> torch.nn.Module:
    """Return the tiny model with a LoRA of random weights, which changes the answers."""
    tuned = attach(model or causal_lm(model=TINY), LoraConfig(r=2), targets="attention")
    with torch.no_grad():
        for number, weight in enumerate(p for p in tuned.parameters() if p.requires_grad):
            drawn = torch.Generator().manual_seed(number)
            weight.copy_(0.5 * torch.randn(weight.shape, generator=drawn))
    return tuned


@pytest.fixture(scope="module")
def writer():
    return Writer(causal_lm(model=TINY))


def test_padding_and_batching_do_not_change_greedy_answers(writer):
    together = writer.write(PROMPTS, SHORT)
    alone = [writer.write([prompt], SHORT)[0] for prompt in PROMPTS]
    assert together == alone
    assert len({answer.text for answer in together}) > 1


def test_samples_depend_on_the_seed_and_do_not_change_torch(writer):
    before = torch.get_rng_state()
    sampled = Decoding(sampled=True, max_new_tokens=12, seed=1)
    first, again = writer.write(PROMPTS, sampled), writer.write(PROMPTS, sampled)
    other = writer.write(PROMPTS, Decoding(sampled=True, max_new_tokens=12, seed=2))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), before)


def test_an_answer_that_was_cut_off_has_not_ended(writer):
    assert not any(answer.ended for answer in writer.write(PROMPTS[:3], Decoding(max_new_tokens=2)))
    ended = [each for each in writer.write(PROMPTS, Decoding(max_new_tokens=120)) if each.ended]
    assert ended
    assert all("</s>" not in answer.text for answer in ended)


def test_every_end_token_of_the_model_ends_an_answer(writer):
    model = causal_lm(model=TINY)
    (answer,) = writer.write(PROMPTS[:1], SHORT)
    first = writer.tokenizer(answer.text, add_special_tokens=False)["input_ids"][0]
    model.generation_config.eos_token_id = [2, first]
    assert Writer(model).write(PROMPTS[:1], SHORT) == [Answer("", True)]


def test_prompts_have_several_turns_and_fit_the_context(writer, tmp_path):
    turns = (*PROMPTS[0], Message("assistant", "আপনি আসুন।"), Message("user", "আবার বলো।"))
    assert writer.write([turns], SHORT)[0].text != writer.write([PROMPTS[0]], SHORT)[0].text
    with pytest.raises(RecipeError, match="fewer shots"):
        writer.write([(Message("user", "আপনি কেমন আছেন? " * 300),)], SHORT)
    with pytest.raises(TrainingError, match="finished run"):
        Writer.of_run(tmp_path)


def test_without_its_adapter_a_model_answers_like_its_base(writer):
    tuned = Writer(adapted())
    with_adapter = tuned.write(PROMPTS[:3], SHORT)
    with tuned.without_adapter() as base:
        assert base.write(PROMPTS[:3], SHORT) == writer.write(PROMPTS[:3], SHORT) != with_adapter
    assert tuned.write(PROMPTS[:3], SHORT) == with_adapter


def test_builds_the_base_if_the_adapter_cannot_be_switched_off(writer):
    changed = causal_lm(model=TINY)
    with torch.no_grad():
        changed.get_input_embeddings().weight.mul_(0.5)
    with Writer(changed, base=partial(causal_lm, model=TINY)).without_adapter() as base:
        assert base.write(PROMPTS[:2], SHORT) == writer.write(PROMPTS[:2], SHORT)
    with writer.without_adapter() as base:
        assert base is writer


def test_a_merged_model_gives_the_same_answers(tmp_path):
    tuned = Writer(adapted())
    before = tuned.write(PROMPTS, SHORT)
    tuned.save_merged(tmp_path / "merged")
    assert tuned.write(PROMPTS, SHORT) == before
    again = Writer(causal_lm(model=str(tmp_path / "merged")))
    assert again.write(PROMPTS, SHORT) == before
    assert again.tokenizer.chat_template == tuned.tokenizer.chat_template
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]
