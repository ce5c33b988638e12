"""The task `language/grpo`: rewards that code can verify train the reasoner."""

from __future__ import annotations

import csv
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack, final

from torch import Tensor, nn

from scionwood import Optimiser, Task
from scionwood.authoring import figure_style
from scionwood_language.verifiable.unir import Grpo, LogitFusion, grpo_loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMOOTH = 20
"""The number of steps of the running mean in the figure."""


def exact(completions: Tensor, answers: Tensor) -> Tensor:
    """Return 1 for each completion that equals the answer including its end token, else 0.

    Args:
        completions: (n, new) tokens; a completion that ended early is padded with its end token.
        answers: (n, m) tokens.

    Returns:
        (n,) float32.
    """
    if completions.shape[1] < answers.shape[1]:  # every completion of the batch ended early
        completions = nn.functional.pad(
            completions, (0, answers.shape[1] - completions.shape[1]), value=-1
        )
    return (completions == answers).all(1).float()


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
        self.options = Grpo(group=group, temperature=temperature)

    @property
    def fusion(self) -> LogitFusion:
        """The policy, without its wrappers."""
        backbone: Any = self.backbone
        fusion: LogitFusion = backbone.fusion
        return fusion

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss of a group for each prompt, and the mean reward of the samples."""
        answers = batch["answer"]
        repeated = answers.repeat_interleave(self.options.group, 0)
        options = Grpo(
            group=self.options.group,
            temperature=self.options.temperature,
            max_new_tokens=answers.shape[1],
            eos_token_id=int(answers[0, -1]),
        )
        loss, reward = grpo_loss(
            self.fusion,
            batch["prompt"],
            lambda _, completions: exact(completions, repeated),
            options,
        )
        return {"loss": loss, "reward": loss.new_tensor(reward)}

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean reward of greedy completions, with the reasoner and without."""
        return {
            "reward": self._greedy(batch, base_only=False),
            "reward_base": self._greedy(batch, base_only=True),
        }

    def draw(self, batch: dict[str, Tensor]) -> dict[str, Figure]:
        """Draw the rewards over the steps, from metrics.csv of the run."""
        path = Path(self.trainer.default_root_dir) / "metrics.csv"
        with path.open(newline="", encoding="utf-8") as file:
            return {"reward": _reward_figure(list(csv.DictReader(file)))}

    def _greedy(self, batch: dict[str, Tensor], *, base_only: bool) -> Tensor:
        prompts, answers = batch["prompt"], batch["answer"]
        tokens = self.fusion.generate(
            prompts,
            max_new_tokens=answers.shape[1],
            eos_token_id=int(answers[0, -1]),
            base_only=base_only,
        )
        return exact(tokens[:, prompts.shape[1] :], answers).mean()


@figure_style()
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
    points = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
    return [step for step, _ in points], [value for _, value in points]


def _running(values: list[float]) -> list[float]:
    sums = [0.0, *accumulate(values)]
    ends = range(1, len(sums))
    return [(sums[end] - sums[max(0, end - SMOOTH)]) / min(end, SMOOTH) for end in ends]
