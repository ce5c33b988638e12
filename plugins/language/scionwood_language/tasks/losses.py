"""The cross-entropy of a language model, without the logits of a whole batch in memory."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from scionwood_language.chat.templates import IGNORED

CHUNK = 1024
"""The number of positions whose logits are in memory at a time."""

Head = Callable[[Tensor], Tensor]
"""A function from hidden states (n, width) to logits (n, vocabulary)."""


def completion_loss(
    hidden: Tensor, labels: Tensor, head: Head, *, smoothing: float = 0.0, chunk: int = CHUNK
) -> Tensor:
    """Return the mean cross-entropy of the next token over the learned positions.

    Hidden states of other positions are dropped before the output layer. If Liger is installed, its
    fused operator is used on a GPU for a head that is a plain linear layer. Otherwise logits are
    computed for `chunk` positions at a time, and again in the backward pass.

    Args:
        hidden: (batch, token, width), the states before the output layer.
        labels: (batch, token) int64, the tokens. `IGNORED` marks tokens that are not learned.
        head: the output layer.
        smoothing: the share of the target distribution that is spread over the vocabulary.
        chunk: the number of positions whose logits are in memory at a time.

    Returns:
        A scalar, nats per token; 0 if no token is learned.

    Source: label smoothing of Szegedy et al. 2016, eq. 7; the fused operator of Liger-Kernel.
    """
    states, targets = select_learned(hidden, labels)
    if not len(targets):
        # A zero that hangs on the graph: `backward` works, and processes in step do not wait in
        # vain.
        return states.sum() * 0.0
    if fuses(head, states):
        return _liger(states, targets, head, smoothing)
    # Checkpoints drop the logits of a chunk after it, and compute them again in the backward pass:
    # they are larger than all else by vocabulary over width.
    total = states.new_zeros((), dtype=torch.float32)
    for part, target in zip(torch.split(states, chunk), torch.split(targets, chunk), strict=True):
        total = total + checkpoint(
            _summed, part, target, head, smoothing, use_reentrant=False, preserve_rng_state=False
        )
    return total / len(targets)


def select_learned(hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the states that predict a learned token, (n, width), and these tokens, (n,).

    Args:
        hidden: (batch, token, width).
        labels: (batch, token) int64.
    """
    # The state at a token predicts the next one.
    targets = labels[:, 1:]
    is_learned = targets != IGNORED
    return hidden[:, :-1][is_learned], targets[is_learned]


def fuses(head: Head, states: Tensor) -> bool:
    """Return whether Liger's operator is used: on CUDA, if installed, for a plain linear head."""
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
