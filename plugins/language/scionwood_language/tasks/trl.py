"""Losses of TRL behind a recipe: fine-tuning, preferences, verdicts, reward models and GRPO."""

from __future__ import annotations

import math
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Unpack

import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from scionwood import Optimiser, PluginError, RecipeError, Task
from scionwood.authoring import Deployed
from scionwood_language.chat.templates import IGNORED
from scionwood_language.tasks.causal import check_context, check_isolated, inner
from scionwood_language.tasks.deployed import deployed, deployed_encoder
from scionwood_language.tasks.rewards import reward_functions
from scionwood_language.tasks.trl_inputs import (
    Method,
    check_options,
    inputs_of,
    placeholder,
    quietly,
    rollouts,
)

NAMES: dict[Method, str] = {
    "sft": "SFT",
    "dpo": "DPO",
    "kto": "KTO",
    "reward": "Reward",
    "grpo": "GRPO",
}
"""The prefix of TRL's classes, such as `DPOTrainer` and `DPOConfig`."""

INPUTS = ("input_ids", "attention_mask", "position_ids")
UNSTABLE = ("num_tokens", "step_time")
"""What TRL counts beside the loss, which a resumed run would count from zero or from its clock."""


class Trl(Task):
    """A loss of TRL in the training loop of Scionwood.

    TRL's trainer computes the loss and its metrics. It also samples and scores the completions of
    GRPO. Everything else is as in any run: the adapter, optimiser, batches, validation, exact
    resume, and the files of the run folder. A loaded run needs no TRL.

    The reference of `dpo`, `kto`, and of `grpo` with `beta`, is the model at the start of the
    training, as in TRL. A test of a finished run takes the base without its adapter.

    Shapes: for `sft` the batches of `language/conversations`; for `dpo`, `kto` and `reward` those
        of `language/preferences`, (2 x pair, token) int64, chosen answers first; `kto` reads each
        pair as a good and a bad answer, or takes `language/verdicts`. `grpo` takes
        `language/conversations`, or any conversations with a judge, and `data.packing: false`.

    Units: nats per token for `sft`; the others as in TRL's documentation.

    Source: TRL 1.16 (Apache-2.0), whose losses are equal to these within 1e-5, see
        `tests/language/tasks/test_trl_parity.py`.

    Raises:
        RecipeError: an option is unknown or belongs to another section, a reward cannot be found,
            the data does not fit, or several processes train.
        PluginError: TRL is not installed, and training or testing needs it.

    Args:
        backbone: a model of `language/causal_lm`, or of `language/reward_model` for `reward`.
        method: sft, dpo, kto, reward (a reward model) or grpo.
        options: options of TRL's config of this method, such as `{beta: 0.1}`.
        rewards: for `grpo`: `judge` for the judge of the data component; a name of the entry-point
            group `scionwood.rewards`; `FILE.py:FUNCTION`, a file of your own, whose code runs; or
            `run:FOLDER`, a reward model trained here. `null` means `judge`.
    """

    defaults: ClassVar[Optimiser] = {"lr": 1e-5, "schedule": "cosine"}

    def __init__(
        self,
        backbone: nn.Module,
        *,
        method: Method = "sft",
        options: dict[str, Any] | None = None,
        rewards: list[str] | None = None,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.method, self.options = method, dict(options or {})
        self.rewards = ["judge"] if rewards is None else rewards
        self._trainer_of_trl: Any = None
        self._checked = False
        if method == "grpo":
            # The loss of GRPO is near zero whatever the model does: the reward chooses the weights.
            self.monitor, self.mode = "val_reward", "max"  # type: ignore[misc]

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the backbone."""
        return inner(self.backbone).tokenizer

    @property
    def _has_reference(self) -> bool:
        return self.method in ("dpo", "kto") or bool(self.options.get("beta"))

    def setup(self, stage: str) -> None:
        """Make TRL's trainer, before a checkpoint is loaded: its reference is the start."""
        if self.trainer.world_size > 1:
            rule = "TRL's losses run in one process here"
            raise RecipeError(f"{self.trainer.world_size} processes", rule, "Set devices: 1")
        if self._trainer_of_trl is None:
            device = self.trainer.strategy.root_device
            self._trainer_of_trl = self._made(device, getattr(self.trainer, "datamodule", None))
        if stage != "fit":
            _drop_reference(self.backbone)

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return TRL's loss of a batch, and what TRL logs of it."""
        if self._trainer_of_trl is None:  # outside of a fit, such as in a loop of one's own
            self._trainer_of_trl = self._made(self.device, None)
        trainer = self._trainer_of_trl
        inputs = self._inputs(batch)
        with quietly():
            if self.method == "grpo":
                inputs = trainer._prepare_inputs(inputs)
            loss = trainer.compute_loss(self.backbone, inputs)
        logged = trainer._metrics["train" if self.backbone.training else "eval"]
        values = {
            name.replace("/", "_"): loss.new_tensor(entries[-1])
            for name, entries in logged.items()
            if name not in UNSTABLE and entries and math.isfinite(entries[-1])
        }
        logged.clear()
        return {"loss": loss, **values}

    def batch_size(self, batch: dict[str, Any]) -> int:
        """Return the number of conversations or of pairs."""
        rows = len(batch["input_ids"])
        in_pairs = self.method in ("dpo", "kto", "reward") and "label" not in batch
        return rows // 2 if in_pairs else rows

    def counts(self, batch: dict[str, Any]) -> dict[str, float]:
        """Return the learned tokens of fine-tuning, over which its loss is a mean."""
        if self.method != "sft":
            return {}
        return {"loss": int((batch["labels"][:, 1:] != IGNORED).sum())}

    def on_fit_end(self) -> None:
        """Remove the reference adapter: the run exports only what was trained."""
        _drop_reference(self.backbone)

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the model as tokens to logits, or to the reward."""
        make = deployed_encoder if self.method == "reward" else deployed
        return make(self.backbone)

    def _inputs(self, batch: dict[str, Any]) -> Any:
        model_inputs = {name: batch[name] for name in INPUTS if name in batch}
        check_context(inner(self.backbone), model_inputs)
        if "position_ids" in model_inputs and not self._checked:
            check_isolated(self.backbone, model_inputs)
            self._checked = True
        if self.method == "grpo":
            name = "num_generations" if self.backbone.training else "num_generations_eval"
            return rollouts(batch, getattr(self._trainer_of_trl, name))
        return inputs_of(self.method, batch)

    def _made(self, device: torch.device, data: Any) -> Any:
        if find_spec("trl") is None:
            remedy = "pip install 'trl>=1.16,<2'"
            raise PluginError(f"method {self.method}", "it needs TRL", remedy)
        if self._has_reference and not hasattr(self.backbone, "disable_adapter"):
            rule = "its reference is the model with its adapter switched off, and it has none"
            raise RecipeError(f"method {self.method}", rule, "Name an adapter such as lora")
        trl = import_module("trl")
        config = getattr(trl, f"{NAMES[self.method]}Config")
        check_options(self.options, config)
        rows = 2 * getattr(data, "batch_size", 1)  # both answers of each pair
        extra: dict[str, Any] = {}
        if self.method == "grpo":
            extra["reward_funcs"] = reward_functions(self.rewards, data)
            # Groups are made here of each prompt, so TRL only has to find the sizes consistent.
            rows = self.options.get("num_generations", 8)
        from datasets import Dataset

        # TRL seeds all generators when it starts; those of the run go on as they were.
        with isolate_rng(), TemporaryDirectory() as folder, quietly():
            try:
                arguments = config(
                    output_dir=folder,
                    per_device_train_batch_size=rows,
                    per_device_eval_batch_size=rows,
                    use_cpu=device.type == "cpu",
                    bf16=False,  # the precision is that of the recipe's trainer
                    gradient_checkpointing=False,
                    report_to=[],
                    disable_tqdm=True,
                    **self.options,
                )
                trainer = getattr(trl, f"{NAMES[self.method]}Trainer")(
                    model=self.backbone,
                    args=arguments,
                    # TRL wants a data set to start; the batches are those of the data component.
                    train_dataset=Dataset.from_list(placeholder(self.method)),
                    processing_class=self.tokenizer,
                    **extra,
                )
                # What the loop of transformers would set; Lightning divides the loss itself.
                trainer.current_gradient_accumulation_steps = 1
                return trainer
            except (ValueError, TypeError, NotImplementedError) as error:
                rule = f"TRL refuses it: {str(error).splitlines()[0]}"
                raise RecipeError(f"method {self.method}", rule, "Change task.options") from error


def _drop_reference(model: Any) -> None:
    # Only the copy of the adapter's start goes; the trained adapter stays active.
    if "ref" in getattr(model, "peft_config", {}):
        model.delete_adapter("ref")
