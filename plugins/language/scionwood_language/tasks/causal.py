"""The loss of a causal language model, without the logits of a whole batch in memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from scionwood import RecipeError
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


def inner(model: Any) -> Any:
    """Return the language model of transformers inside a model of peft, or the model itself."""
    return model.get_base_model() if hasattr(model, "peft_config") else model


def loss_of(
    model: Any,
    inputs: Mapping[str, Tensor],
    labels: Tensor,
    *,
    smoothing: float = 0.0,
    whole: bool = False,
) -> Tensor:
    """Return the loss of a batch, nats per token; see `completion_loss`.

    Args:
        model: a language model, with or without adapters.
        inputs: `input_ids`, and `attention_mask` or `position_ids`, each (batch, token) int64.
        labels: (batch, token) int64.
        smoothing: the label smoothing.
        whole: whether to use the logits that the model computes for all positions. It needs more
            memory.
    """
    if whole:
        width = inputs["input_ids"].shape[1]
        # An adapter may put virtual tokens before the text.
        logits = model(**inputs, use_cache=False).logits[:, -width:]
        return completion_loss(logits, labels, nn.Identity(), smoothing=smoothing)
    hidden, _ = hidden_states(model, inputs)
    return completion_loss(hidden, labels, head_of(model), smoothing=smoothing)


def hidden_states(model: Any, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the input of the output layer, and the logits of the last position.

    Returns:
        Hidden states (batch, token, width), and logits (batch, 1, vocabulary).
    """
    states: list[Tensor] = []
    body = inner(model).base_model
    hook = body.register_forward_hook(lambda module, args, out: states.append(out[0]))
    try:
        logits = model(**inputs, use_cache=False, logits_to_keep=1).logits
    finally:
        hook.remove()
    # An adapter may put virtual tokens before the text. Their positions are left out.
    return states[0][:, -inputs["input_ids"].shape[1] :], logits


def head_of(model: Any) -> Head:
    """Return the output layer, with the soft cap that some models apply to their logits."""
    bare = inner(model)
    head: Head = bare.get_output_embeddings()
    cap = getattr(bare.config, "final_logit_softcapping", None)
    if cap is None:
        return head
    return lambda states: cap * torch.tanh(head(states) / cap)


@torch.no_grad()
def splits_at_head(model: Any, inputs: Mapping[str, Tensor]) -> bool:
    """Return whether `head_of` applied to `hidden_states` gives the logits of the model.

    It does not if the model scales its logits in another way. Then `loss_of` needs `whole`.
    """
    if "logits_to_keep" not in inspect.signature(inner(model).forward).parameters:
        return False
    training = model.training
    model.eval()
    hidden, logits = hidden_states(model, inputs)
    model.train(training)
    if hidden.ndim != 3:
        return False
    # Within a hundredth, as bfloat16 has 8 bits and the order of sums may differ; another scale of
    # the logits, such as a temperature or a cap, is off by far more.
    head_logits, model_logits = head_of(model)(hidden[:, -1:]).float(), logits.float()
    return bool(
        head_logits.shape == model_logits.shape
        and (head_logits - model_logits).abs().max() <= 1e-2 * model_logits.abs().max()
    )


def check_context(model: Any, inputs: Mapping[str, Tensor]) -> None:
    """Refuse an example that is longer than the context of the model.

    Raises:
        RecipeError: a position is beyond the context. The message names both.
    """
    context = getattr(model.config, "max_position_embeddings", None)
    longest = inputs["input_ids"].shape[1]
    if context is None or longest <= context:
        return
    if "position_ids" in inputs:
        longest = int(inputs["position_ids"].max()) + 1
    if longest > context:
        rule = f"the context of the model has {context} tokens"
        raise RecipeError(f"an example of {longest} tokens", rule, "Lower data.max_length")


@torch.no_grad()
def check_isolated(model: Any, inputs: Mapping[str, Tensor]) -> None:
    """Check that the second example of a packed row does not attend to the first example.

    The states of the second example in the row are compared with its states without the row.

    Args:
        model: a language model, with or without adapters.
        inputs: `input_ids` and `position_ids`, each (row, token) int64. Positions restart at zero
            with each example.

    Raises:
        RecipeError: packed examples affect each other, as in a recurrent model, or the adapter puts
            virtual tokens before the row.
    """
    if any(config.is_prompt_learning for config in getattr(model, "peft_config", {}).values()):
        rule = "the adapter puts its virtual tokens before a row, not before each example in it"
        raise RecipeError("data.packing true", rule, "Set data.packing: false")
    starts = (inputs["position_ids"][0] == 0).nonzero().flatten().tolist()
    if len(starts) < 2:
        return
    begin, end = starts[1], (*starts, inputs["input_ids"].shape[1])[2]
    alone = {name: value[:1, begin:end] for name, value in inputs.items()}
    training = model.training
    model.eval()
    packed, single = (hidden_states(model, batch)[0] for batch in (_first(inputs), alone))
    model.train(training)
    error = (packed[:, begin:end] - single).float().abs().max()
    # In bfloat16 a row of another length rounds otherwise; neighbours that leak in change much
    # more. `not <=` also refuses NaN.
    if not error <= 5e-2 * single.float().abs().max():
        rule = f"{type(inner(model)).__name__} does not separate packed examples"
        raise RecipeError("data.packing true", rule, "Set data.packing: false")


def _first(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value[:1] for name, value in inputs.items()}
