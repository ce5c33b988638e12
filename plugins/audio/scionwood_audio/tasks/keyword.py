"""Keyword spotting by text: does a clip say it?"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Unpack, final

import torch
from torch import Tensor, nn

from scionwood import Optimiser, Task
from scionwood.authoring import minimise, warm_cosine
from scionwood_audio.evaluation.trials import of_trials
from scionwood_audio.model.whisper import WhisperText
from scionwood_audio.tasks.scores import Score, checked

CLIPS = 16
"""Clips whose features are computed at once when a split is scored."""

HEAD_RATE = {"ctc": 3e-3, "matcher": 1e-3}


@final
class Keyword(Task):
    """Score whether a clip says a text; train the score on clips with their texts.

    `likelihood` is the mean log-probability of the text's tokens in Whisper's decoder, minus that
    on silence; it means something before any training, and few clips improve it. `ctc` is the
    log-probability of its letters under a new head, and `matcher` the logit of stage II of DMA-KWS.
    A new head is fitted to frozen features first; then head and adapter train together.

    Validation and test give the area under the curve `easy` against random texts and `hard` against
    those of nearest spelling, in percent, and `zero_shot`, the `hard` of the decoder's likelihood
    with the same weights and no training. A run below it is not recommended.

    Shapes: a batch holds `sound` (batch, sample) float32, `frames` (batch,) int64, `letters`
        (batch, letter) int64 and `others` (batch, 4, letter) int64; see `audio/words`.

    Units: samples from -1 to 1 at 16 kHz; losses in nats; rates in percent.

    Raises:
        RecipeError: the score needs another backbone.

    Source: likelihood: this project's; ctc: A. Graves et al. (2006); matcher: a reconstruction of
        DMA-KWS (arXiv:2605.22120), see `Matcher`.

    Args:
        backbone: `audio/whisper_text`, `audio/whisper` with 28 outputs, or `audio/matcher`. New
            heads read layer 3 best: a window of 3 s changes layer 4 most.
        score: likelihood, ctc or matcher.
        head_steps: steps in which a new head is fitted to frozen features; set 0 for the later
            tasks of a sequence, which go on with the head of the earlier ones.
        compare: whether validation and test compute `zero_shot`.
        optimiser: the options of the optimiser; see `Task`.
    """

    defaults: ClassVar[Optimiser] = {
        "lr": 1e-3,
        "weight_decay": 0.01,
        "warmup_steps": 5,
        "schedule": "cosine",
    }
    monitor: ClassVar[str] = "val_hard"
    mode: ClassVar[Literal["min", "max"]] = "max"

    def __init__(
        self,
        backbone: nn.Module,
        *,
        score: Score = "likelihood",
        head_steps: int = 400,
        compare: bool = True,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        base: Any = backbone
        self.scorer = checked(score, getattr(base, "get_base_model", lambda: base)())
        self.score, self.head_steps, self.compare = score, head_steps, compare

    @property
    def network(self) -> Any:
        """The backbone; the wrapper of an adapter forwards its methods."""
        return self.backbone

    def on_fit_start(self) -> None:
        """Fit the head to frozen features, unless the run goes on from a checkpoint."""
        data = getattr(self.trainer, "datamodule", None)
        if self.scorer.head and self.head_steps and data is not None and not self.trainer.ckpt_path:
            self.fit_head(list(data.train_dataloader()))

    def fit_head(self, batches: list[dict[str, Tensor]]) -> None:
        """Fit the head to the features of the frozen tower, which are computed once."""
        head = getattr(self.network, self.scorer.head)
        training = self.backbone.training
        self.backbone.eval()
        split = {key: torch.cat([batch[key] for batch in batches]).to(self.device) for key in KEYS}
        hidden = self.features(split["sound"])
        draws = torch.Generator().manual_seed(len(hidden))

        def loss(step: int) -> Tensor:
            pick = torch.randint(len(hidden), (CLIPS,), generator=draws).to(self.device)
            batch = {key: values[pick] for key, values in split.items()}
            random = torch.randint(len(hidden), (CLIPS,), generator=draws).to(self.device)
            batch["others"] = _other_texts(batch, split["letters"][random], step)
            return self.scorer.loss(self.network, hidden[pick], batch)

        head.train()
        minimise(
            loss,
            head.parameters(),
            steps=self.head_steps,
            lr=HEAD_RATE[self.score],
            weight_decay=0.01,
            schedule=warm_cosine(self.head_steps),
            clip=1.0,
            label="head",
        )
        self.backbone.train(training)

    @torch.no_grad()
    def features(self, sound: Tensor) -> Tensor:
        """Return the last layer of the encoder (clip, position, width), some clips at a time."""
        return torch.cat([self.network.hidden(part)[-1] for part in sound.split(CLIPS)])

    @torch.no_grad()
    def scores(self, sound: Tensor, frames: Tensor, letters: Tensor) -> Tensor:
        """Return the score of each text of each clip, (clip, text); see the shapes above."""
        texts, where = letters.flatten(0, 1).unique(dim=0, return_inverse=True)
        hidden = self.features(sound)
        values = self.scorer.values(self.network, hidden, frames, letters)
        return values - self.scorer.offset(self.network, texts)[where].view_as(values)

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss of the score."""
        hidden = self.network.hidden(batch["sound"])[-1].float()
        return {"loss": self.scorer.loss(self.network, hidden, batch)}

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the rates of all trials of a batch, and `zero_shot`."""
        measured = of_trials(self.trial_scores(batch))
        if self.compare:
            plain = zero_shot(self.network.weights, self.network.window).to(self.device)
            measured["zero_shot"] = of_trials(plain.trial_scores(batch))["hard"]
        return measured

    def trial_scores(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the scores of the text of each clip and of its four others, (clip, 5)."""
        letters = torch.cat([batch["letters"][:, None], batch["others"]], 1)
        return self.scores(batch["sound"], batch["frames"], letters)


KEYS = ("sound", "frames", "letters", "others")


def zero_shot(weights: str, window: float = 3.0) -> Keyword:
    """Return the decoder's likelihood without training, in evaluation mode."""
    return Keyword(WhisperText(weights=weights, window=window), compare=False).eval()


def _other_texts(batch: dict[str, Tensor], random: Tensor, step: int) -> Tensor:
    # Texts of other clips, and the nearest ones in turn; a text that is said is none of them.
    same = (random == batch["letters"]).all(1, keepdim=True)
    easy = torch.where(same, batch["others"][:, 0], random)
    hard = batch["others"][:, 2 + step % 2]
    return torch.stack([easy, easy, hard, hard], 1)
