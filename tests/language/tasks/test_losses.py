"""The chunked cross-entropy equals the plain cross-entropy, with few logits in memory."""

from __future__ import annotations

import torch
from case_table import table
from torch import nn
from torch.nn import functional as F

from scionwood_language.chat.templates import IGNORED
from scionwood_language.tasks.causal import completion_loss, fuses

WIDTH, VOCABULARY = 16, 500


def batch(rows: int = 3, tokens: int = 40) -> tuple[torch.Tensor, torch.Tensor, nn.Linear]:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(rows, tokens, WIDTH, generator=generator, dtype=torch.float64)
    labels = torch.randint(VOCABULARY, (rows, tokens), generator=generator)
    labels[:, :11] = IGNORED
    labels[0, 30:] = IGNORED
    head = nn.Linear(WIDTH, VOCABULARY, dtype=torch.float64)
    return hidden.requires_grad_(), labels, head


def plain(hidden, labels, head, smoothing):
    logits = head(hidden).float()[:, :-1].flatten(0, 1)
    goals = labels[:, 1:].flatten()
    return F.cross_entropy(logits, goals, ignore_index=IGNORED, label_smoothing=smoothing)


@table("smoothing", [0.0, 0.1])
@table("chunk", [1, 7, 1024])
def test_loss_and_gradients_equal_the_plain_cross_entropy(smoothing, chunk):
    hidden, labels, head = batch()
    wanted = plain(hidden, labels, head, smoothing)
    right = torch.autograd.grad(wanted, [hidden, *head.parameters()])
    loss = completion_loss(hidden, labels, head, smoothing=smoothing, chunk=chunk)
    ours = torch.autograd.grad(loss, [hidden, *head.parameters()])
    torch.testing.assert_close(loss, wanted, rtol=1e-6, atol=0)
    for mine, theirs in zip(ours, right, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


def test_never_has_the_logits_of_all_positions_in_memory():
    hidden, labels, _ = batch(rows=8)
    seen = []

    def head(states):
        logits = states.float() @ torch.ones(WIDTH, VOCABULARY)
        seen.append(len(logits))
        return logits

    loss = completion_loss(hidden, labels, head, chunk=16)
    kept = []
    pack = torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, id)
    with pack:
        completion_loss(hidden, labels, head, chunk=16)
    learned = int((labels[:, 1:] != IGNORED).sum())
    assert max(seen) == 16 < learned
    assert max(kept) <= hidden.numel() < learned * VOCABULARY  # saved for the backward pass
    assert loss.isfinite()


def test_computes_no_logits_for_prompts():
    hidden, labels, _ = batch()
    seen = []

    def head(states):
        seen.append(len(states))
        return torch.zeros(len(states), VOCABULARY)

    completion_loss(hidden, labels, head, chunk=10**6)
    assert sum(seen) == int((labels[:, 1:] != IGNORED).sum())


def test_a_batch_without_learned_tokens_has_zero_loss():
    hidden, labels, head = batch()
    loss = completion_loss(hidden, torch.full_like(labels, IGNORED), head)
    loss.backward()
    assert loss.item() == 0
    assert hidden.grad.abs().sum() == 0


def test_the_fused_operator_needs_a_gpu_and_a_plain_head():
    hidden, _, head = batch()
    assert not fuses(head, hidden)
    assert not fuses(lambda states: states, hidden)
