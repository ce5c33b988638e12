"""The task `language/grpo` of UniR; other models are trained by rewards with `language/trl`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Unpack, final

from torch import Tensor, nn

from scionwood import Optimiser, Task, TrainingError
from scionwood_language.verifiable.unir import LogitFusion, grpo_loss


def exact(completions: Tensor, answers: Tensor) -> Tensor:
    """Return 1 for each completion (n, new) that equals the answer (n, m) with its end, else 0."""
    missing = max(0, answers.shape[1] - completions.shape[1])  # if every completion ended early
    padded = nn.functional.pad(completions, (0, missing), value=-1)
    return (padded == answers).all(1).float()


@final
class VerifiableReward(Task):
    """Group-relative policy optimisation of the combined policy; only the reasoner trains.

    The reward of a completion is 1 if its tokens equal those of the answer, else 0. Training logs
    the mean reward of the samples (`train_reward`). Validation and test log the reward of greedy
    completions: `reward` with the reasoner, and `reward_base` with the base alone.

    Shapes: a batch holds `prompt` (batch, token) and `answer` (batch, new) int64, without padding;
        the last token of the answer ends the text.

    Units: rewards from 0 to 1.

    Source: GRPO, arXiv 2402.03300, on the sum of logits of UniR, arXiv 2505.19075. There is no KL
        term, and each sample is used for one step. The paper uses a temperature of 0.7 and a
        learning rate of 1e-6, for larger models.

    Args:
        backbone: `language/unir` with an adapter in its reasoner, or with its reasoner as the head.
        group: completions that are sampled for each prompt.
        temperature: the temperature of the samples.

    Raises:
        TrainingError: the group is smaller than 2, or the temperature is not above 0.
    """

    defaults: ClassVar[Optimiser] = {"lr": 3e-3, "schedule": "cosine"}
    monitor: ClassVar[str] = "val_reward"
    mode: ClassVar[Literal["min", "max"]] = "max"

    def __init__(
        self,
        backbone: nn.Module,
        *,
        group: int = 8,
        temperature: float = 1.0,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        if group < 2 or temperature <= 0:
            value = f"group={group}, temperature={temperature}"
            rule = "the group must be at least 2, and the temperature above 0"
            raise TrainingError(value, rule)
        self.group, self.temperature = group, temperature

    @property
    def fusion(self) -> LogitFusion:
        """The policy, without its wrappers."""
        backbone: Any = self.backbone
        fusion: LogitFusion = backbone.fusion
        return fusion

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss of a group for each prompt, and the mean reward of the samples."""
        answers = batch["answer"]
        repeated = answers.repeat_interleave(self.group, 0)
        loss, reward = grpo_loss(
            self.fusion,
            batch["prompt"],
            lambda _, completions: exact(completions, repeated),
            group=self.group,
            temperature=self.temperature,
            max_new_tokens=answers.shape[1],
            eos_token_id=int(answers[0, -1]),
        )
        return {"loss": loss, "reward": loss.new_tensor(reward)}

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean reward of greedy completions, with the reasoner and without."""
        prompts, answers = batch["prompt"], batch["answer"]
        rewards = {}
        for name, base_only in (("reward", False), ("reward_base", True)):
            tokens = self.fusion.generate(
                prompts,
                max_new_tokens=answers.shape[1],
                eos_token_id=int(answers[0, -1]),
                base_only=base_only,
            )
            rewards[name] = exact(tokens[:, prompts.shape[1] :], answers).mean()
        return rewards
