"""Direct preference optimisation with the options of earlier recipes; the loss is TRL's."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack, final

from torch import nn

from scionwood import Optimiser, RecipeError
from scionwood_language.tasks.trl import Trl


@final
class DirectPreference(Trl):
    """Train a model to prefer the better of two answers, by TRL's loss; see `language/trl`.

    Shapes: a batch has `input_ids`, `labels` and `attention_mask`, each (2 x pair, token) int64.
        All chosen answers precede all rejected answers. Tokens that are not learned have the label
        -100.

    Units: log-probabilities in nats, summed over the tokens of an answer.

    Source: R. Rafailov et al., arXiv:2305.18290, equation 7, as TRL 1.16 computes it.

    Args:
        backbone: a model of `language/causal_lm` with its adapter attached.
        beta: the strength with which the policy is kept close to the reference.
        label_smoothing: the assumed share of pairs with exchanged answers, below 0.5. Above 0 the
            loss is that of S. R. Chowdhury et al., arXiv:2403.00409.
        sft_weight: the weight of the cross-entropy of the chosen answers, nats per token, which
            keeps them likely. 0 gives equation 7.

    Raises:
        RecipeError: an option is out of range, or the backbone has no adapter.
    """

    defaults: ClassVar[Optimiser] = {"lr": 1e-3}

    def __init__(
        self,
        backbone: nn.Module,
        *,
        beta: float = 0.1,
        label_smoothing: float = 0.0,
        sft_weight: float = 0.0,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        if beta <= 0 or not 0 <= label_smoothing < 0.5 or sft_weight < 0:
            setting = f"beta={beta}, label_smoothing={label_smoothing}, sft_weight={sft_weight}"
            rule = "beta must be above 0, label_smoothing in [0, 0.5), sft_weight at least 0"
            raise RecipeError(setting, rule, "Such as 0.1, 0 and 1")
        if not hasattr(backbone, "disable_adapter"):
            rule = "it has no reference: that is the model with its adapter switched off"
            raise RecipeError("task language/dpo", rule, "Name an adapter such as lora")
        options: dict[str, Any] = {"beta": beta, "label_smoothing": label_smoothing}
        options["loss_type"] = ["robust" if label_smoothing else "sigmoid"]
        if sft_weight:
            options["loss_type"].append("sft")
            options["loss_weights"] = [1.0, sft_weight]
        super().__init__(backbone, method="dpo", options=options, **optimiser)
