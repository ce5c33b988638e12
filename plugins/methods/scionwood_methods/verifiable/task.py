"""The task `methods/grpo`: rewards that code verifies teach the reasoner."""

from __future__ import annotations

import csv
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

from torch import Tensor, nn

from scionwood import Task
from scionwood_methods.verifiable.unir import Grpo, LogitFusion, grpo_loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMOOTH = 20
"""Steps of the running mean in the figure."""


def exact(made: Tensor, answers: Tensor) -> Tensor:
    """1 where a completion is the answer, its end included, else 0.

    Args:
        made: (n, new) tokens; a completion that ended early is padded with its end.
        answers: (n, m) tokens.

    Returns:
        (n,) float32.
    """
    if made.shape[1] < answers.shape[1]:  # every completion of the batch ended early
        made = nn.functional.pad(made, (0, answers.shape[1] - made.shape[1]), value=-1)
    return (made == answers).all(1).float()


@final
class VerifiableReward(Task):
    """Group-relative policy optimisation of the combined policy; only the reasoner trains.

    A completion's reward is 1 where its tokens are those of the answer, else 0. Logged are the
    mean reward of the samples (`train_reward`), and in validation and test the reward of greedy
    completions: `reward` by base and reasoner together, `reward_base` by the base alone.

    Shapes: a batch holds `prompt` (batch, token) and `answer` (batch, new) int64, without padding;
        the answer's last token is the one that ends a text.

    Units: rewards from 0 to 1.

    Source: GRPO, arXiv 2402.03300, on the sum of logits of UniR, arXiv 2505.19075; no KL term, one
        step for each sample. The paper's temperature is 0.7 and its rate 1e-6, for larger models.

    Args:
        backbone: `methods/unir`, an adapter in its reasoner or its reasoner the head.
        group: completions that are sampled for each prompt.
        temperature: of the samples.
        lr: learning rate.
        weight_decay: decoupled weight decay.
        warmup_steps: steps over which the rate rises from zero.
        schedule: a constant rate, or half a cosine down to zero.
    """

    monitor: ClassVar[str] = "val_reward"
    mode: ClassVar[Literal["min", "max"]] = "max"

    def __init__(
        self,
        backbone: nn.Module,
        *,
        group: int = 8,
        temperature: float = 1.0,
        lr: float = 3e-3,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        schedule: Literal["constant", "cosine"] = "cosine",
    ) -> None:
        super().__init__(
            backbone, lr=lr, weight_decay=weight_decay, warmup_steps=warmup_steps, schedule=schedule
        )
        self.options = Grpo(group=group, temperature=temperature)

    @property
    def fusion(self) -> LogitFusion:
        """The policy, without what wraps it."""
        backbone: Any = self.backbone
        found: LogitFusion = backbone.fusion
        return found

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss of a group for each prompt, and the mean reward of the samples."""
        answers = batch["answer"]
        repeated = answers.repeat_interleave(self.options.group, 0)
        options = Grpo(
            group=self.options.group,
            temperature=self.options.temperature,
            max_new_tokens=answers.shape[1],
            eos_token_id=int(answers[0, -1]),
        )
        loss, reward = grpo_loss(
            self.fusion, batch["prompt"], lambda _, made: exact(made, repeated), options
        )
        return {"loss": loss, "reward": loss.new_tensor(reward)}

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The mean reward of greedy completions, with the reasoner and without."""
        return {
            "reward": self._greedy(batch, base_only=False),
            "reward_base": self._greedy(batch, base_only=True),
        }

    def draw(self, batch: dict[str, Tensor]) -> dict[str, Figure]:
        """The rewards over the steps, as the run's metrics.csv has them."""
        path = Path(self.trainer.default_root_dir) / "metrics.csv"
        with path.open(newline="", encoding="utf-8") as file:
            return {"reward": _reward_figure(list(csv.DictReader(file)))}

    def _greedy(self, batch: dict[str, Tensor], *, base_only: bool) -> Tensor:
        prompts, answers = batch["prompt"], batch["answer"]
        whole = self.fusion.generate(
            prompts,
            max_new_tokens=answers.shape[1],
            eos_token_id=int(answers[0, -1]),
            base_only=base_only,
        )
        return exact(whole[:, prompts.shape[1] :], answers).mean()


def _reward_figure(rows: list[dict[str, str]]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axis = figure.subplots()
    steps, rewards = _column(rows, "train_reward")
    axis.plot(steps, rewards, color="0.8", label="samples")
    axis.plot(steps, _running(rewards), color="#0072B2", label=f"samples, mean of {SMOOTH} steps")
    axis.plot(*_column(rows, "val_reward"), "o", color="#D55E00", label="validation, greedy")
    axis.plot(*_column(rows, "val_reward_base"), "s", color="0.3", label="the base alone, greedy")
    axis.set(xlabel="optimiser step", ylabel="mean reward", ylim=(-0.02, 1.02))
    axis.legend(fontsize="small")
    return figure


def _column(rows: list[dict[str, str]], name: str) -> tuple[list[int], list[float]]:
    found = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
    return [step for step, _ in found], [value for _, value in found]


def _running(values: list[float]) -> list[float]:
    sums = [0.0, *accumulate(values)]
    ends = range(1, len(sums))
    return [(sums[end] - sums[max(0, end - SMOOTH)]) / min(end, SMOOTH) for end in ends]
