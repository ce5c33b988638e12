"""Masked diffusion: an encoder learns to fill masked tokens, at every share of masks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Unpack, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Optimiser, RecipeError, Task
from scionwood.authoring import Corruption, Deployed
from scionwood_language.diffusion.masking import (
    UNMASKED_SHARE,
    WEIGHTS,
    Schedule,
    draw_times,
    mask_tokens,
)
from scionwood_language.tasks.causal import inner
from scionwood_language.tasks.deployed import deployed_encoder

PASSES = 4
"""How many sets of times a validation averages."""


@final
class MaskedDiffusion(Task):
    """Train a bidirectional encoder as a masked diffusion language model.

    The loss is an upper bound of the negative log-likelihood. In an instruction, the prompt is
    never masked: tokens with the label -100 stay, as in LLaDA.

    Shapes: a batch has `input_ids` (batch, token) int64, and may have `labels` (batch, token), with
        -100 for tokens that are never masked, and `attention_mask` (batch, token), 0 for padding.

    Units: nats per token.

    Raises:
        RecipeError: the tokenizer of the backbone has no mask token, or the rows are packed.

    Source: MDLM, Sahoo et al., arXiv:2406.07524, equation 10; LLaDA, arXiv:2502.09992. Times are
        spread evenly over a batch.

    Args:
        backbone: a model of `language/encoder` with its adapter attached.
        noise: how the share of masked tokens grows with time: linear or cosine.
    """

    defaults: ClassVar[Optimiser] = {"lr": 1e-3, "schedule": "cosine"}

    def __init__(
        self,
        backbone: nn.Module,
        *,
        noise: Schedule = "linear",
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.noise = noise
        mask = inner(backbone).tokenizer.mask_token_id
        if mask is None:
            rule = "the tokenizer of the backbone has no mask token"
            raise RecipeError("task language/masked_diffusion", rule, "Use language/encoder")
        self.mask_id = int(mask)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the bound, nats per token, at times that are drawn anew.

        In validation the times and masks are the same for every batch of the same size.
        """
        ids = batch["input_ids"]
        if self.training:
            return {"loss": self.bound(batch, draw_times(len(ids)).to(ids.device))}
        values = []
        # Fixed seeds, so that the loss of validation differs between epochs by the network alone.
        for seed in range(PASSES):
            generator = torch.Generator().manual_seed(seed)
            times = draw_times(len(ids), generator).to(ids.device)
            values.append(self.bound(batch, times, torch.Generator(ids.device).manual_seed(seed)))
        return {"loss": torch.stack(values).mean()}

    def bound(
        self, batch: dict[str, Tensor], times: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the weighted cross-entropy of the masked tokens, nats per token.

        Args:
            batch: see the class.
            times: (batch,), above 0 and at most 1.
            generator: the generator of the masks; `None` means the global one of torch.

        Raises:
            RecipeError: the rows are packed, so that an example would attend to its neighbours.
        """
        if "position_ids" in batch:
            rule = "an encoder reads one text at a time"
            raise RecipeError("data.packing true", rule, "Set data.packing: false")
        ids = batch["input_ids"]
        fixed = batch["labels"] == -100 if "labels" in batch else None
        corrupted, hidden = mask_tokens(ids, times, self.mask_id, self.noise, fixed, generator)
        model: Any = self.backbone
        padding = {name: batch[name] for name in ("attention_mask",) if name in batch}
        logits = model(input_ids=corrupted, **padding).logits.float()
        nats = F.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none").view_as(ids)
        weights = WEIGHTS[self.noise](times.double()).float()[:, None]
        # Over all tokens that can be masked, not over the masked ones: the weight has the share
        # already.
        return (nats * hidden * weights).sum() / max(1.0, self.counts(batch)["loss"])

    def counts(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """Return the tokens that can be masked, over which the loss is a mean."""
        ids = batch["input_ids"]
        return {"loss": int((batch["labels"] != -100).sum()) if "labels" in batch else ids.numel()}

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the encoder as tokens to logits."""
        return deployed_encoder(self.backbone)

    def corruption(self) -> Corruption:
        """Return the masks of the task, which `scionwood audit training` tests."""
        vocabulary = int(inner(self.backbone).config.vocab_size)
        return Corruption(
            "masked diffusion",
            (mask_tokens, UNMASKED_SHARE[self.noise]),
            sample=lambda n: (_tokens(n, vocabulary, self.mask_id), torch.randint(2, (n,))),
            apply=lambda clean, time, label: mask_tokens(
                clean, cast(Tensor, time), self.mask_id, self.noise
            ),
            time=draw_times,
            rate=partial(_rate, schedule=self.noise),
            mask=self.mask_id,
            terminal=1.0,
        )


def _rate(time: Any, schedule: Schedule) -> Any:
    return 1 - UNMASKED_SHARE[schedule](torch.as_tensor(time, dtype=torch.float64))


def _tokens(n: int, vocabulary: int, mask_id: int) -> Tensor:
    ids = torch.randint(vocabulary - 1, (n, 16))
    # Skips the mask token, which clean text does not have.
    return ids + (ids >= mask_id)
