"""Learn answers with an encoder and a decoder: the prompt goes in, the answer comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from scionwood import Optimiser, RecipeError, Task
from scionwood.authoring import Deployed
from scionwood_language.chat.templates import IGNORED
from scionwood_language.tasks.deployed import deployed_seq2seq


@final
class Seq2Seq(Task):
    """Supervised fine-tuning of a model from sequence to sequence, on the answers.

    The tokens that are not learned go to the encoder, and the learned ones are the target of the
    decoder.

    Shapes: a batch has `input_ids`, `labels` and `attention_mask`, each (row, token) int64, as
        `language/conversations` makes them with `packing: false`.

    Units: nats per token of the answer.

    Raises:
        RecipeError: the rows are packed.

    Source: the loss of T5, arXiv:1910.10683, as transformers computes it.

    Args:
        backbone: a model of `language/seq2seq` with its adapter attached.
    """

    defaults: ClassVar[Optimiser] = {"lr": 1e-3, "schedule": "cosine"}

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the cross-entropy of the answers, nats per token."""
        if "attention_mask" not in batch:
            rule = "an encoder reads one prompt at a time"
            raise RecipeError("data.packing true", rule, "Set data.packing: false")
        model: Any = self.backbone
        sources, targets = [], []
        rows = zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True)
        for ids, labels, mask in rows:
            is_learned = labels != IGNORED
            sources.append(ids[mask.bool() & ~is_learned])
            targets.append(ids[is_learned])
        # Padding of 0 is hidden by the mask, whatever token it is.
        inputs = pad_sequence(sources, True, 0)
        attention_mask = pad_sequence([torch.ones_like(source) for source in sources], True, 0)
        target_ids = pad_sequence(targets, True, IGNORED)
        logits = model(input_ids=inputs, attention_mask=attention_mask, labels=target_ids).logits
        loss = nn.functional.cross_entropy(
            logits.float().flatten(0, 1), target_ids.flatten(), ignore_index=IGNORED
        )
        return {"loss": loss}

    def counts(self, batch: dict[str, Any]) -> dict[str, float]:
        """Return the tokens of the answers, over which the loss is a mean."""
        return {"loss": int((batch["labels"] != IGNORED).sum())}

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the model as tokens to logits."""
        return deployed_seq2seq(self.backbone)
