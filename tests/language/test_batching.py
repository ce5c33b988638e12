"""Answers that are written together are those that the model writes alone."""

import json

import pytest
import torch

from scionwood import RecipeError, attach
from scionwood.adapters.methods import config_class
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.backbones.seq2seq import seq2seq
from scionwood_language.inference.batching import Batcher, Request
from scionwood_language.inference.service import generate_request

pytestmark = pytest.mark.usefixtures("_one_thread")


@pytest.fixture(scope="module")
def model():
    return causal_lm()


def batcher(model, capacity=8):
    made = Batcher(model, model.tokenizer, capacity)
    made.ends = set()  # the random model ends a text at any time
    return made


def ask(pieces, prompt, **options):
    return Request(list(prompt), pieces.append, **{"temperature": 0.0, **options})


def finish(made):
    while made.is_busy:
        made.step()


def alone(model, prompt, new):
    ids = torch.tensor([list(prompt)])
    options = {"max_new_tokens": new, "min_new_tokens": new, "do_sample": False}
    out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)
    return out[0, ids.shape[1] :].tolist()


def test_requests_that_join_and_leave_write_what_each_writes_alone(model):
    made, prompts = batcher(model, capacity=3), [b"abc", b"hello there", b"x", b"one two three"]
    lengths = [5, 12, 9, 7]
    requests = [ask([], p, max_tokens=n) for p, n in zip(prompts, lengths, strict=True)]
    for request in requests:
        made.add(request)
        made.step()  # each joins while the others are under way; the last one has to wait
    finish(made)
    for request, prompt, new in zip(requests, prompts, lengths, strict=True):
        assert request.written == alone(model, prompt, new)
        assert request.finish == "length"


def test_pieces_join_to_the_text_and_a_stop_text_is_left_out(model):
    pieces, made = [], batcher(model)
    made.add(ask(pieces, b"abc", max_tokens=30, temperature=1.0, logprobs=2))
    finish(made)
    text = "".join(piece.get("text", "") for piece in pieces)
    tokens = [token for piece in pieces for token in piece.get("tokens", [])]
    assert len(tokens) == 30
    assert all(len(token["top"]) == 2 and token["logprob"] <= 0 for token in tokens)
    assert pieces[-1] == {"finish": "length", "prompt_tokens": 3, "completion_tokens": 30}
    stop, stopped = text[5:8], []
    made.add(ask(stopped, b"abc", max_tokens=30, temperature=1.0, stop=(stop,)))
    finish(made)
    assert "".join(p.get("text", "") for p in stopped) == text[: text.index(stop)]
    assert stopped[-1]["finish"] == "stop"


def test_a_request_that_nobody_waits_for_leaves(model):
    made, pieces, gone = batcher(model), [], []
    cancelled = ask(pieces, b"abc", max_tokens=50, is_cancelled=lambda: bool(gone))
    other = ask([], b"other", max_tokens=6)
    made.add(cancelled)
    made.add(other)
    made.step()
    gone.append(True)
    finish(made)
    assert pieces[-1]["finish"] == "cancelled"
    assert len(cancelled.written) < 4
    assert other.written == alone(model, b"other", 6)


def test_samples_depend_on_their_seed_and_not_on_their_company(model):
    made = batcher(model)
    requests = [ask([], b"abc", max_tokens=8, temperature=1.0, seed=s) for s in (3, 4, 3)]
    for request in requests:
        made.add(request)
    finish(made)
    assert requests[0].written == requests[2].written != requests[1].written


def tuned(seed):
    model = attach(causal_lm(), config_class("lora")(r=2 + seed), targets="attention")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in (p for p in model.parameters() if p.requires_grad):
            weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
    return model


def test_adapters_of_runs_on_one_base_share_a_batch(model):
    one, two = tuned(0), tuned(1)
    wanted = [alone(one, b"hello", 8), alone(two, b"hello", 8)]
    made = batcher(one)
    assert [made.adopt(two, "two"), made.adopt(model, "bare")] == [True, False]
    requests = [ask([], b"hello", max_tokens=8, adapter=name) for name in (None, "two")]
    for request in requests:
        made.add(request)
    finish(made)
    assert [request.written for request in requests] == wanted
    assert wanted[0] != wanted[1]


def test_a_known_beginning_is_not_read_again(model):
    made, prompt = batcher(model), bytes(range(65, 105))
    for text in (prompt, prompt + b"and more"):
        request = ask([], text, max_tokens=6)
        made.add(request)
        start = made._begun(request)[1]
        finish(made)
        assert request.written == alone(model, text, 6)
    assert start == len(prompt)


def test_an_answer_has_the_schema_that_is_asked_for(model):
    pytest.importorskip("llguidance", reason="the extra scionwood-language[json]")
    pieces, made = [], Batcher(model, model.tokenizer)
    properties = {"right": {"type": "boolean"}, "n": {"enum": [1, 2]}}
    schema = {"type": "object", "properties": properties, "required": ["right", "n"]}
    made.add(ask(pieces, b"abc", max_tokens=90, schema=schema | {"additionalProperties": False}))
    finish(made)
    answer = json.loads("".join(piece.get("text", "") for piece in pieces))
    assert isinstance(answer["right"], bool) and answer["n"] in (1, 2)  # noqa: PT018
    assert pieces[-1]["finish"] == "stop"


def test_what_cannot_be_batched_is_refused():
    prompts = attach(
        causal_lm(), config_class("prompt_tuning")(num_virtual_tokens=2, task_type="CAUSAL_LM")
    )
    with pytest.raises(RecipeError, match="virtual tokens"):
        Batcher(prompts, prompts.tokenizer)
    with pytest.raises(RecipeError, match="no causal language model"):
        Batcher(seq2seq(), None)


def test_a_request_out_of_range_is_refused_by_name(model):
    made = batcher(model)
    good = {"messages": [{"role": "user", "content": "Hi"}]}
    for bad, match in (
        ({"temperature": 9}, "temperature: 9"),
        ({"max_tokens": True}, "max_tokens: True"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"messages": [{"role": "user"}]}, "a message has a role"),
    ):
        with pytest.raises(RecipeError, match=match):
            generate_request(made, good | bad, print, bool)
    with pytest.raises(RecipeError, match="no token"):
        made.add(ask([], b""))
    with pytest.raises(RecipeError, match="the context of the model has 1024"):
        made.add(ask([], bytes(1024)))
