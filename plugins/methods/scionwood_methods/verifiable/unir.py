"""UniR: a frozen language model and small reasoners, their logits added; trained by rewards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError, TrainingError

Reward = Callable[[Tensor, Tensor], Tensor]


@final
class LogitFusion(nn.Module):
    """`log pi = log pi_base + sum_i alpha_i log pi_i - log Z`: raw logits are added.

    The base never trains; a reasoner is a whole small model with the same tokens, with or without
    adapters of its own. Each model keeps a key-value cache of its own when it generates.

    Args:
        base: a causal language model of transformers; its parameters are frozen here.
        reasoners: causal language models of the same vocabulary.
        weights: alpha_i, one a reasoner; 1 each where None.

    Raises:
        AdapterError: there is no reasoner, another number of weights, or another vocabulary.

    Source: arXiv 2505.19075; the sum of raw logits as in the authors' code (hangeol/UniR).
    """

    def __init__(
        self,
        base: nn.Module,
        reasoners: Sequence[nn.Module],
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.weights = list(weights) if weights is not None else [1.0] * len(reasoners)
        if not reasoners or len(self.weights) != len(reasoners):
            found = f"{len(reasoners)} reasoners, {len(self.weights)} weights"
            raise AdapterError(found, "one reasoner or more, and a weight for each")
        self.base = base.requires_grad_(False).eval()
        self.reasoners = nn.ModuleList(reasoners)
        sizes = [_vocabulary(model) for model in (base, *reasoners)]
        if len(set(sizes)) != 1:
            rule = "all models need the same tokens"
            raise AdapterError(f"vocabularies of {sizes} tokens", rule, "Take models of one family")

    def train(self, mode: bool = True) -> Self:
        """Switch the reasoners; the base stays in evaluation mode."""
        super().train(mode)
        self.base.eval()
        return self

    def forward(self, input_ids: Tensor) -> Tensor:
        """The logits of the combined model.

        Args:
            input_ids: (batch, token) int64, without padding.

        Returns:
            (batch, token, vocabulary), with gradients for the reasoners only.
        """
        return self._fused(input_ids, None)

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor,
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        eos_token_id: int | None = None,
        generator: torch.Generator | None = None,
        base_only: bool = False,
    ) -> Tensor:
        """Continue prompts of one length.

        Args:
            input_ids: (batch, token) int64, without padding.
            max_new_tokens: at most.
            temperature: of the sampling; 0 takes the most probable token.
            eos_token_id: ends a sequence, and fills what follows in it.
            generator: of the samples; torch's own where None.
            base_only: leave the reasoners out, to compare.

        Returns:
            (batch, token + new) int64, the prompts included.
        """
        caches: list[Any] = [None] * (1 + len(self.reasoners))
        found, fresh = input_ids, input_ids
        done = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
        for _ in range(max_new_tokens):
            logits = self._fused(fresh, caches, base_only)[:, -1]
            fresh = _pick(logits, temperature, generator)
            if eos_token_id is not None:
                fresh = torch.where(done[:, None], eos_token_id, fresh)
                done |= fresh[:, 0] == eos_token_id
            found = torch.cat([found, fresh], 1)
            if done.all():
                break
        return found

    def _fused(
        self, input_ids: Tensor, caches: list[Any] | None, base_only: bool = False
    ) -> Tensor:
        with torch.no_grad():
            total = self._logits(self.base, input_ids, caches, 0)
        if base_only:
            return total
        for index, (reasoner, weight) in enumerate(zip(self.reasoners, self.weights, strict=True)):
            total = total + weight * self._logits(reasoner, input_ids, caches, 1 + index)
        return total

    def _logits(
        self, model: nn.Module, input_ids: Tensor, caches: list[Any] | None, index: int
    ) -> Tensor:
        if caches is None:
            logits: Tensor = model(input_ids=input_ids, use_cache=False).logits
            return logits
        out = model(input_ids=input_ids, past_key_values=caches[index], use_cache=True)
        caches[index] = out.past_key_values
        logits = out.logits
        return logits


@final
@dataclass(frozen=True)
class Grpo:
    """Options of group-relative policy optimisation, without a KL term.

    Args:
        group: completions sampled for each prompt, 2 or more.
        temperature: of the samples, and of the policy that is trained.
        max_new_tokens: of a completion.
        eos_token_id: ends a completion; tokens after it do not count.
        lr: learning rate of AdamW; it falls along a cosine to a tenth.
        clip: the largest norm of the gradient.

    Source: GRPO, arXiv 2402.03300; beta = 0, the group of 8, the temperature and the schedule as in
    the recipe of arXiv 2505.19075, whose learning rate for models of 0.5 to 1 billion is 1e-6.
    """

    group: int = 8
    temperature: float = 0.7
    max_new_tokens: int = 16
    eos_token_id: int | None = None
    lr: float = 1e-6
    clip: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            TrainingError: naming the option.
        """
        if self.group < 2 or self.temperature <= 0:
            found = f"group={self.group}, temperature={self.temperature}"
            rule = "a group of 2 or more, sampled at a temperature above 0"
            raise TrainingError(found, rule)


def train_grpo(
    fusion: LogitFusion, prompts: Iterable[Tensor], reward: Reward, options: Grpo, *, steps: int
) -> list[float]:
    """Train the reasoners so that the combined model earns rewards that can be verified.

    Each step samples groups with the current weights and takes one optimiser step.

    Args:
        fusion: its reasoners' trainable parameters learn.
        prompts: of each step: (batch, token) int64, without padding.
        reward: `(prompts (n, token), completions (n, new)) -> (n,)` float.
        options: see `Grpo`.
        steps: at most; training also ends with the prompts.

    Returns:
        The mean reward of each step, before the step.

    Raises:
        TrainingError: nothing in the reasoners trains.
    """
    trained = [p for p in fusion.parameters() if p.requires_grad]
    if not trained:
        raise TrainingError("reasoners", "nothing in them requires a gradient", "Unfreeze them")
    optimizer = torch.optim.AdamW(trained, lr=options.lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 0.1 * options.lr)
    rewards = []
    for _, batch in zip(range(steps), prompts, strict=False):
        loss, mean = grpo_loss(fusion, batch, reward, options)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, options.clip)
        optimizer.step()
        schedule.step()
        rewards.append(mean)
    return rewards


def grpo_loss(
    fusion: LogitFusion, prompts: Tensor, reward: Reward, options: Grpo
) -> tuple[Tensor, float]:
    """Sample a group for each prompt; the loss whose gradient raises what was rewarded above it.

    `-1/n sum_i 1/|o_i| sum_t A_i log pi(o_it)`, A_i the reward less its group's mean over its
    group's standard deviation. With one step for each sample, GRPO's ratio is 1 and its clipping
    does nothing.

    Args:
        fusion: the policy.
        prompts: (batch, token) int64.
        reward: see `train_grpo`.
        options: see `Grpo`.

    Returns:
        The scalar loss, and the mean reward.
    """
    asked = prompts.repeat_interleave(options.group, 0)
    whole = fusion.generate(
        asked,
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        eos_token_id=options.eos_token_id,
    )
    start = asked.shape[1]
    made = whole[:, start:]
    earned = reward(asked, made).float()
    advantage = _advantages(earned.view(-1, options.group)).flatten()
    logits = fusion(whole[:, :-1])[:, start - 1 :] / options.temperature
    chosen = logits.log_softmax(-1).gather(-1, made[..., None])[..., 0]
    counts = _counts(made, options.eos_token_id)
    each = (chosen * counts).sum(1) / counts.sum(1)
    return -(advantage * each).mean(), earned.mean().item()


def _advantages(rewards: Tensor) -> Tensor:
    """(prompt, group), with mean 0 and deviation 1 in each group, or 0 where all are equal."""
    centred = rewards - rewards.mean(1, keepdim=True)
    return centred / (rewards.std(1, keepdim=True) + 1e-4)


def _counts(made: Tensor, eos: int | None) -> Tensor:
    """1 for tokens up to the first end, which is included; (n, new)."""
    if eos is None:
        return torch.ones_like(made, dtype=torch.float32)
    ends = (made == eos).long()
    return (ends.cumsum(1) - ends == 0).float()


def _pick(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    shares = (logits.float() / temperature).softmax(-1)
    return torch.multinomial(shares, 1, generator=generator)


def _vocabulary(model: Any) -> int:
    return int(model.get_output_embeddings().weight.shape[0])
