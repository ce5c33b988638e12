"""The cross-entropy of a language model, which never holds the logits of a whole batch."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from scionwood_bangla.text.templates import IGNORED

CHUNK = 1024
"""Positions whose logits are held at a time."""

Head = Callable[[Tensor], Tensor]
"""From hidden states (n, width) to logits (n, vocabulary)."""


def completion_loss(
    hidden: Tensor, labels: Tensor, head: Head, *, smoothing: float = 0.0, chunk: int = CHUNK
) -> Tensor:
    """The mean cross-entropy of the next token over the positions that are learned.

    Hidden states of other positions are left out before any logits are made. On a GPU, where Liger
    is installed and the head is a bare linear layer, its fused operator is used; elsewhere logits
    are made for `chunk` positions at a time, and anew in the backward pass.

    Args:
        hidden: (batch, token, width), before the output layer.
        labels: (batch, token) int64, the tokens themselves; `IGNORED` where nothing is learned.
        head: the output layer.
        smoothing: the share of the target that is spread over the vocabulary.
        chunk: positions whose logits are held at a time.

    Returns:
        A scalar, nats a token; 0 where nothing is learned.

    Source: label smoothing of Szegedy et al. 2016, eq. 7; the fused operator of Liger-Kernel.
    """
    states, targets = learned(hidden, labels)
    if not len(targets):
        return states.sum() * 0.0
    if fuses(head, states):
        return _liger(states, targets, head, smoothing)
    total = states.new_zeros((), dtype=torch.float32)
    for part, goal in zip(states.split(chunk), targets.split(chunk), strict=True):
        total = total + checkpoint(
            _summed, part, goal, head, smoothing, use_reentrant=False, preserve_rng_state=False
        )
    return total / len(targets)


def learned(hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The hidden states from which a learned token is predicted, (n, width), and those tokens.

    Args:
        hidden: (batch, token, width).
        labels: (batch, token).
    """
    goals = labels[:, 1:]
    kept = goals != IGNORED
    return hidden[:, :-1][kept], goals[kept]


def fuses(head: Head, states: Tensor) -> bool:
    """Whether Liger's operator serves: on CUDA, installed, and no adapter on the output layer.

    Args:
        head: the output layer.
        states: what goes into it.
    """
    return states.is_cuda and type(head) is nn.Linear and find_spec("liger_kernel") is not None


def _liger(states: Tensor, targets: Tensor, head: Head, smoothing: float) -> Tensor:
    from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

    assert isinstance(head, nn.Linear)
    fused = LigerFusedLinearCrossEntropyLoss(label_smoothing=smoothing)
    loss: Tensor = fused(head.weight, states, targets, head.bias)
    return loss


def _summed(states: Tensor, targets: Tensor, head: Head, smoothing: float) -> Tensor:
    logits = head(states).float()
    return F.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
