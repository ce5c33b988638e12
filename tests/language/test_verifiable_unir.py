"""UniR: logits are added, the base is frozen, and rewards train the reasoner."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from scionwood import AdapterError
from scionwood_language.verifiable.unir import LogitFusion, grpo_loss

WORDS, END = 12, 11


def model(seed, width=16, words=WORDS):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=32,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
    )
    return LlamaForCausalLM(config).eval()


def prompts(count=4, length=3):
    return torch.randint(WORDS - 2, (count, length))


def test_logits_are_the_weighted_sum_and_the_base_is_frozen():
    base, first, second = model(0, 32), model(1), model(2)
    fusion, x = LogitFusion(base, [first, second], [0.5, 2.0]), prompts()
    expected = base(x).logits + 0.5 * first(x).logits + 2 * second(x).logits
    torch.testing.assert_close(fusion(x), expected)
    unheard = LogitFusion(base, [first], [0.0])
    torch.testing.assert_close(unheard(x), base(x).logits)
    fusion(x).sum().backward()
    assert all(p.grad is None for p in base.parameters())
    assert all(p.grad is not None for p in first.parameters())
    assert not fusion.train().base.training
    assert fusion.reasoners[0].training


def test_greedy_generation_is_the_same_with_and_without_caches():
    fusion, x = LogitFusion(model(0, 32), [model(1)], [3.0]), prompts()
    expected = x
    for _ in range(5):
        expected = torch.cat([expected, fusion(expected)[:, -1:].argmax(-1)], 1)
    assert torch.equal(fusion.generate(x, max_new_tokens=5), expected)


def test_samples_follow_the_combined_distribution():
    fusion, x = LogitFusion(model(0), [model(1)], [20.0]), prompts(1)
    generator = torch.Generator().manual_seed(0)
    drawn = fusion.generate(
        x.expand(4000, -1), max_new_tokens=1, temperature=0.5, generator=generator
    )
    frequencies = drawn[:, -1].bincount(minlength=WORDS) / 4000
    expected = (fusion(x)[0, -1] / 0.5).softmax(-1)
    torch.testing.assert_close(frequencies, expected.detach(), atol=0.03, rtol=0)


def test_tokens_after_the_end_are_ignored():
    fusion = LogitFusion(model(0), [model(1)], [5.0])
    options = {"group": 4, "max_new_tokens": 5, "temperature": 1.0, "eos_token_id": END}
    torch.manual_seed(3)
    loss, mean = grpo_loss(fusion, prompts(), lengths, **options)
    torch.manual_seed(3)
    asked = prompts().repeat_interleave(4, 0)
    whole = fusion.generate(asked, max_new_tokens=5, temperature=1.0, eos_token_id=END)
    earned, expected = lengths(asked, whole[:, 3:]), []
    for i, row in enumerate(whole):
        group = earned[4 * (i // 4) : 4 * (i // 4) + 4]
        advantage = (earned[i] - group.mean()) / (group.std() + 1e-4)
        size = 3 + int(earned[i])
        steps = fusion(row[None, : size - 1])[0, 2:].log_softmax(-1)
        expected.append(-advantage * steps.gather(1, row[3:size, None]).mean())
    torch.testing.assert_close(loss, torch.stack(expected).mean())
    assert mean == pytest.approx(earned.mean().item())
    assert earned.min() < 5


def lengths(asked, made):
    """Return the tokens up to the end token, which is included."""
    return ((made == END).cumsum(1) - (made == END).long() == 0).sum(1).float()


def test_refuses_models_that_do_not_fit():
    with pytest.raises(AdapterError, match="same tokens"):
        LogitFusion(model(0), [model(1, words=9)])
    with pytest.raises(AdapterError, match="0 reasoners"):
        LogitFusion(model(0), [])
    with pytest.raises(AdapterError, match="1 reasoners, 2 weights"):
        LogitFusion(model(0), [model(1)], [1.0, 1.0])
