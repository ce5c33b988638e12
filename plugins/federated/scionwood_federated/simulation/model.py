"""One model that takes the weights of every site in turn."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from tempfile import TemporaryDirectory
from typing import Any

import lightning as L
import torch
from peft.utils import set_peft_model_state_dict
from torch import Tensor

from scionwood import TrainingError, adapters, build
from scionwood_federated.update.hashes import own_options, preprocessing_hash, recipe_hash
from scionwood_federated.update.record import FederationError, Site, Update
from scionwood_federated.update.training import HeldOut, hold_factor


class HomeData(L.LightningDataModule):
    """What the hooks of a task see of the data: all training data of a site.

    A task that measures its training data at the start of a run asks the trainer for the data
    module. The steps of a round take their batches from a stream instead.

    Args:
        data: the data module of a site, which is set up already.
        loaders: the training batches of the site, or of all sites where data are pooled.
    """

    def __init__(self, data: Any, loaders: Sequence[Iterable[Any]]) -> None:
        super().__init__()
        self._data, self._loaders = data, loaders

    def train_dataloader(self) -> Iterator[Any]:
        """Return all training batches once."""
        return chain.from_iterable(self._loaders)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the site's data module."""
        return getattr(self.__dict__["_data"], name)


class Summary(L.Callback):
    """Show the tasks' hooks a data module that Lightning itself takes no batch from."""

    def __init__(self, data: HomeData) -> None:
        self.data = data

    def setup(self, trainer: Any, *_: Any, **__: Any) -> None:
        """Name the data module."""
        trainer.datamodule = self.data


class Proximal(L.Callback):
    """Hold the weights to where a round starts: FedProx (Li et al. 2020, arXiv 1812.06127).

    Args:
        weight: mu; the loss gains mu / 2 times the squared distance to the start.
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self._start: list[Tensor] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Remember the start."""
        self._start = [p.detach().clone() for p in pl_module.parameters() if p.requires_grad]

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Add the gradient of the term, mu times the way from the start."""
        moving = [p for p in pl_module.parameters() if p.requires_grad]
        for parameter, start in zip(moving, self._start, strict=True):
            if parameter.grad is not None:
                parameter.grad.add_(parameter.detach() - start, alpha=self.weight)


class SharedModel:
    """The backbone of a recipe with its adapter, which is loaded once.

    Args:
        recipe: the recipe that all sites share.
        hold: the factor of a LoRA that does not move.
    """

    def __init__(self, recipe: Any, hold: HeldOut = "") -> None:
        if recipe.adapter.component is None:
            rule = f"{recipe.adapter.name} is a baseline, and a federation trains an adapter"
            raise FederationError(f"recipe {recipe.name}", rule, "Name a method, such as lora")
        L.seed_everything(recipe.seed, workers=True, verbose=False)
        self.recipe, self.backbone = recipe, build(recipe)[0].backbone
        hold_factor(self.backbone, hold)
        model: Any = self.backbone
        self.config = next(iter(model.peft_config.values()))
        site_options = own_options(recipe)
        hashes = recipe_hash(recipe), preprocessing_hash(recipe, site_options)
        base = adapters.remembered_identity(model).sha256
        self._about = Site("global", 0, 0, 0, "", base, *hashes, site_options, hold)

    def state(self, site: str, samples: int, steps: int, round_: int) -> Update:
        """Return the weights as the update of a site.

        Raises:
            TrainingError: a weight is not finite.
        """
        about = Site(**{**vars(self._about), "site": site, "samples": samples, "steps": steps,
                        "round": round_})  # fmt: skip
        adapter = {k: v.clone() for k, v in adapters.adapter_state(self.backbone).items()}
        head = {k: v.clone() for k, v in adapters.head_state(self.backbone).items()}
        if not all(bool(v.isfinite().all()) for v in (*adapter.values(), *head.values())):
            rule = f"its weights are not finite after the training of round {round_}"
            raise TrainingError(f"site {site}", rule, "Lower task.lr, or look at its data")
        return Update(about, self.config, adapter, head)

    def put(self, adapter: Mapping[str, Tensor], head: Mapping[str, Tensor]) -> None:
        """Take weights; the head keeps its own where `head` is empty."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The following rank_pattern keys")
            set_peft_model_state_dict(self.backbone, dict(adapter))
        with torch.no_grad():
            for name, value in adapters.head_state(self.backbone).items():
                if name in head:
                    value.copy_(head[name])

    @contextmanager
    def shifted(self, products: Mapping[str, tuple[Tensor, Tensor]]) -> Iterator[None]:
        """Add products B A, by module, to the frozen weights inside the block."""
        modules: list[Any] = [self.backbone.get_submodule(name) for name in products]
        weights = [module.base_layer.weight for module in modules]
        before = [weight.clone() for weight in weights]
        with torch.no_grad():
            for weight, (b, a) in zip(weights, products.values(), strict=True):
                weight += (b @ a).reshape(weight.shape).to(weight.dtype)
        try:
            yield
        finally:
            with torch.no_grad():
                for weight, value in zip(weights, before, strict=True):
                    weight.copy_(value)

    def train(
        self,
        batches: Iterable[Any],
        steps: int,
        seed: int,
        home: HomeData | None = None,
        proximal: float = 0.0,
    ) -> None:
        """Take optimiser steps from the present weights, with a new optimiser.

        Args:
            batches: batches without end.
            steps: the number of steps.
            seed: the seed of everything random in training.
            home: what the hooks of the task see of the data.
            proximal: the weight of FedProx.
        """
        L.seed_everything(seed, workers=True, verbose=False)
        task = self.recipe.task.build(self.backbone).train()
        # Schedules of the rate look at the end of the training, which here is that of the round.
        task.max_steps = steps
        callbacks: list[L.Callback] = [] if home is None else [Summary(home)]
        callbacks += [Proximal(proximal)] if proximal else []
        with quiet(), TemporaryDirectory() as aside:  # tasks may leave files beside a run
            trainer = self._trainer(
                max_steps=steps, max_epochs=-1, callbacks=callbacks, default_root_dir=aside
            )
            trainer.fit(task, islice(batches, steps))

    def score(self, loader: Any) -> float:
        """Return the task's monitor on the batches of a loader."""
        task = self.recipe.task.build(self.backbone)
        with quiet():
            trainer = self._trainer(inference_mode=not task.needs_gradient)
            (values,) = trainer.test(task, loader, verbose=False)
        name = "test_" + task.monitor.removeprefix("val_")
        if name not in values:
            rule = f"the test of {self.recipe.task.name} has no {name}"
            raise FederationError("score", rule, f"It has: {', '.join(values)}")
        return float(values[name])

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger score is better."""
        return bool(self.recipe.task.component.mode == "max")

    def _trainer(self, **options: Any) -> L.Trainer:
        chosen = ("accelerator", "precision", "gradient_clip_val")
        settings = {key: self.recipe.trainer[key] for key in chosen if key in self.recipe.trainer}
        return L.Trainer(
            **settings,
            **options,
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            log_every_n_steps=1,
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the advice of Lightning about short runs, and its notes about devices."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
