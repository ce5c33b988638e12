"""UniR: add the logits of small reasoners to those of a frozen language model; train by rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self, final

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError, TrainingError

Reward = Callable[[Tensor, Tensor], Tensor]
"""A function `(prompts (n, token), completions (n, new)) -> (n,)` float."""


@final
class LogitFusion(nn.Module):
    """`log pi = log pi_base + sum_i alpha_i log pi_i - log Z`: raw logits are added.

    The base never trains. A reasoner is a complete small model with the same tokens; it may have
    its own adapters. During generation each model has its own key-value cache.

    Args:
        base: a causal language model of transformers; its parameters are frozen here.
        reasoners: causal language models with the same vocabulary.
        weights: alpha_i for each reasoner; `None` means 1 for each.

    Raises:
        AdapterError: there is no reasoner, or the number of weights or a vocabulary is wrong.

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
            value = f"{len(reasoners)} reasoners, {len(self.weights)} weights"
            raise AdapterError(value, "at least one reasoner and one weight for each are needed")
        self.base = base.requires_grad_(False).eval()
        self.reasoners = nn.ModuleList(reasoners)
        sizes = [_vocabulary(model) for model in (base, *reasoners)]
        if len(set(sizes)) != 1:
            rule = "all models need the same tokens"
            remedy = "Use models of one family"
            raise AdapterError(f"vocabularies of {sizes} tokens", rule, remedy)

    def train(self, mode: bool = True) -> Self:
        """Switch the mode of the reasoners; the base stays in evaluation mode."""
        super().train(mode)
        # The frozen base gives the same logits in training as in use: no dropout.
        self.base.eval()
        return self

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return the logits of the combined model.

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
        """Continue prompts of equal length.

        Args:
            input_ids: (batch, token) int64, without padding.
            max_new_tokens: the largest number of new tokens.
            temperature: the temperature of the sampling; 0 takes the most probable token.
            eos_token_id: the token that ends a sequence; it also pads a sequence that has ended.
            generator: the generator of the samples; `None` means the global one of torch.
            base_only: leave the reasoners out, for a comparison.

        Returns:
            (batch, token + new) int64, including the prompts.
        """
        caches: list[Any] = [None] * (1 + len(self.reasoners))
        tokens, new_tokens = input_ids, input_ids
        is_ended = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
        for _ in range(max_new_tokens):
            logits = self._fused(new_tokens, caches, base_only)[:, -1]
            new_tokens = _pick(logits, temperature, generator)
            if eos_token_id is not None:
                new_tokens = torch.where(is_ended[:, None], eos_token_id, new_tokens)
                is_ended |= new_tokens[:, 0] == eos_token_id
            tokens = torch.cat([tokens, new_tokens], 1)
            if is_ended.all():
                break
        return tokens

    def _fused(
        self, input_ids: Tensor, caches: list[Any] | None, base_only: bool = False
    ) -> Tensor:
        def logits(model: nn.Module, index: int) -> Tensor:
            past = None if caches is None else caches[index]
            out = model(input_ids=input_ids, past_key_values=past, use_cache=caches is not None)
            if caches is not None:
                caches[index] = out.past_key_values
            values: Tensor = out.logits
            return values

        with torch.no_grad():
            total = logits(self.base, 0)
        for index, reasoner in enumerate(() if base_only else self.reasoners):
            total = total + self.weights[index] * logits(reasoner, 1 + index)
        return total


def grpo_loss(
    fusion: LogitFusion,
    prompts: Tensor,
    reward: Reward,
    *,
    group: int,
    temperature: float,
    max_new_tokens: int,
    eos_token_id: int,
) -> tuple[Tensor, float]:
    """Sample a group for each prompt; return a loss that favours completions above its mean.

    `-1/n sum_i 1/|o_i| sum_t A_i log pi(o_it)`. The advantage A_i is the reward minus the mean of
    its group, divided by the standard deviation of the group. Each sample is used for one step, so
    GRPO's ratio is 1 and its clipping has no effect. TRL's GRPO cannot compute it: it multiplies
    hidden states by one output layer, and here the logits of two models are added.

    Args:
        fusion: the policy.
        prompts: (batch, token) int64, without padding.
        reward: see `Reward`.
        group: the completions of each prompt.
        temperature: the temperature of the samples and of the trained policy.
        max_new_tokens: the most tokens of a completion.
        eos_token_id: the token that ends a completion; tokens after it are ignored.

    Returns:
        The scalar loss, and the mean reward.

    Raises:
        TrainingError: a reward is NaN or infinite.

    Source: GRPO, arXiv 2402.03300, without a KL term.
    """
    group_prompts = prompts.repeat_interleave(group, 0)
    tokens = fusion.generate(
        group_prompts,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        eos_token_id=eos_token_id,
    )
    start = group_prompts.shape[1]
    completions = tokens[:, start:]
    rewards = reward(group_prompts, completions).float()
    if not rewards.isfinite().all():
        at = int((~rewards.isfinite()).nonzero()[0])
        rule = f"it is {rewards[at].item()} for completion {at} of the batch"
        raise TrainingError("the reward", rule, "Return a finite number for every completion")
    groups = rewards.view(-1, group)
    # A group of equal rewards has the advantage 0, not 0 / 0.
    spread = groups.std(1, keepdim=True) + 1e-4
    advantage = ((groups - groups.mean(1, keepdim=True)) / spread).flatten()
    # The logits at the last token of the prompt, `start - 1`, predict the first of the completion.
    # The policy that is trained is the one that was sampled, with its temperature.
    logits = fusion(tokens[:, :-1])[:, start - 1 :] / temperature
    chosen = logits.log_softmax(-1).gather(-1, completions[..., None])[..., 0]
    ends = (completions == eos_token_id).long()
    # Up to the first end token, which counts: that a text ends is learned too.
    counts = (ends.cumsum(1) - ends == 0).float()
    log_probabilities = (chosen * counts).sum(1) / counts.sum(1)
    return -(advantage * log_probabilities).mean(), rewards.mean().item()


def _pick(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    shares = (logits.float() / temperature).softmax(-1)
    return torch.multinomial(shares, 1, generator=generator)


def _vocabulary(model: Any) -> int:
    return int(model.get_output_embeddings().weight.shape[0])
