"""What a language model computes before its output layer, whatever wraps the model."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from scionwood import RecipeError
from scionwood_bangla.tasks.losses import Head, completion_loss


def inner(model: Any) -> Any:
    """The language model of transformers inside a model with adapters, or the model itself.

    Args:
        model: with adapters of peft, or without.
    """
    return model.get_base_model() if hasattr(model, "peft_config") else model


def loss_of(
    model: Any,
    inputs: Mapping[str, Tensor],
    labels: Tensor,
    *,
    smoothing: float = 0.0,
    whole: bool = False,
) -> Tensor:
    """The loss of a batch, see `losses.completion_loss`.

    Args:
        model: with adapters or without.
        inputs: `input_ids` (batch, token), and `attention_mask` or `position_ids`.
        labels: (batch, token).
        smoothing: of the labels.
        whole: take the model's own logits of all positions, which needs more memory.
    """
    if whole:
        width = inputs["input_ids"].shape[1]
        logits = model(**inputs, use_cache=False).logits[:, -width:]
        return completion_loss(logits, labels, nn.Identity(), smoothing=smoothing)
    hidden, _ = hidden_states(model, inputs)
    return completion_loss(hidden, labels, head_of(model), smoothing=smoothing)


def hidden_states(model: Any, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """What goes into the output layer, (batch, token, width), and the logits of the last position.

    Args:
        model: with adapters or without.
        inputs: as for `loss_of`.
    """
    seen: list[Tensor] = []
    body = inner(model).base_model
    hook = body.register_forward_hook(lambda module, args, out: seen.append(out[0]))
    try:
        logits = model(**inputs, use_cache=False, logits_to_keep=1).logits
    finally:
        hook.remove()
    # Prompts that an adapter put before the text are no positions of it.
    return seen[0][:, -inputs["input_ids"].shape[1] :], logits


def head_of(model: Any) -> Head:
    """The output layer, with the bound that some models put on their logits.

    Args:
        model: with adapters or without.
    """
    bare = inner(model)
    head: Head = bare.get_output_embeddings()
    cap = getattr(bare.config, "final_logit_softcapping", None)
    if cap is None:
        return head
    return lambda states: cap * torch.tanh(head(states) / cap)


@torch.no_grad()
def splits_at_head(model: Any, inputs: Mapping[str, Tensor]) -> bool:
    """Whether `head_of` applied to `hidden_states` gives the model's own logits.

    It does not where a model scales its logits in a way of its own: then `loss_of` needs `whole`.

    Args:
        model: with adapters or without.
        inputs: as for `loss_of`.
    """
    if "logits_to_keep" not in inspect.signature(inner(model).forward).parameters:
        return False
    training = model.training
    model.eval()
    hidden, logits = hidden_states(model, inputs)
    model.train(training)
    if hidden.ndim != 3:
        return False
    ours, own = head_of(model)(hidden[:, -1:]).float(), logits.float()
    return bool(ours.shape == own.shape and (ours - own).abs().max() <= 1e-2 * own.abs().max())


@torch.no_grad()
def check_isolated(model: Any, inputs: Mapping[str, Tensor]) -> None:
    """Run the second example of a packed row alone, and compare: it must not see the first.

    Args:
        model: with adapters or without.
        inputs: `input_ids` and `position_ids` (row, token), which start over with each example.

    Raises:
        RecipeError: the model lets packed examples see each other, as a recurrent one does, or
            an adapter puts a prompt before the row.
    """
    if any(config.is_prompt_learning for config in getattr(model, "peft_config", {}).values()):
        rule = "the adapter's own prompt stands before a row, not before each example in it"
        raise RecipeError("data.packing true", rule, "Set it to false")
    starts = (inputs["position_ids"][0] == 0).nonzero().flatten().tolist()
    if len(starts) < 2:
        return
    begin, end = starts[1], (*starts, inputs["input_ids"].shape[1])[2]
    alone = {name: value[:1, begin:end] for name, value in inputs.items()}
    training = model.training
    model.eval()
    packed, single = (hidden_states(model, each)[0] for each in (_first(inputs), alone))
    model.train(training)
    error = (packed[:, begin:end] - single).float().abs().max()
    if not error <= 5e-2 * single.float().abs().max():
        rule = f"{type(inner(model)).__name__} lets packed examples see each other"
        raise RecipeError("data.packing true", rule, "Set it to false")


def _first(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value[:1] for name, value in inputs.items()}
