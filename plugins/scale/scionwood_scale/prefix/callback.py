"""The cache of a frozen prefix as a callback, for recipes and for any lightning.Trainer."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from scionwood import TrainingError
from scionwood_scale.prefix.cache import FrozenPrefix

_DTYPES = {"own": None, "float32": torch.float32, "bfloat16": torch.bfloat16}


@final
class PrefixCache(Callback):
    """Skip the frozen blocks before the first adapter for samples that were seen before.

    It acts on the module's `backbone`, or on the module itself if it has none, from the start of
    training to its end, validation included.

    Args:
        folder: a folder inside the run folder (`default_root_dir` of the trainer) in which to store
            the features for a resumed run; `None` means memory.
        budget_gb: GiB that the features may take in each process.
        dtype: the precision of the stored features: their own, float32, or bfloat16, which takes
            half the space and rounds.
        blocks: names of the blocks to skip; `None` means the frozen blocks that begin a stack.

    Raises:
        TrainingError: an unknown dtype.

    Example:
        >>> from lightning import Trainer
        >>> from peft import LoraConfig
        >>> from scionwood_scale import PrefixCache
        >>> class Shrink(scionwood.Task):
        ...     def losses(self, batch):
        ...         return {"loss": self.backbone(batch).square().mean()}
        >>> blocks = torch.nn.Sequential(*(torch.nn.Linear(8, 8) for _ in range(4)))
        >>> model = torch.nn.Sequential(blocks)
        >>> tuned = scionwood.attach(model, LoraConfig(), targets="0.3", head=())
        >>> data = authoring.DataLoader(torch.randn(16, 8), batch_size=4)
        >>> off = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        >>> off["enable_model_summary"] = False
        >>> trainer = Trainer(max_epochs=3, accelerator="cpu", callbacks=[PrefixCache()], **off)
        >>> trainer.fit(Shrink(tuned), data, data)  # the frozen blocks run in one epoch only
    """

    def __init__(
        self,
        *,
        folder: str | None = None,
        budget_gb: float = 4.0,
        dtype: Literal["own", "float32", "bfloat16"] = "own",
        blocks: list[str] | None = None,
    ) -> None:
        if dtype not in _DTYPES:
            raise TrainingError(f"dtype {dtype!r}", f"one of {', '.join(_DTYPES)}", "Change it")
        self._folder = None if folder is None else Path(folder)
        self._budget, self._dtype, self._blocks = int(budget_gb * 2**30), dtype, blocks
        self._prefix: FrozenPrefix | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Check the model and the data, and start the cache.

        Raises:
            AdapterError: the model has no frozen prefix, or its features cannot be cached.
            TrainingError: the data are augmented at random, the model is sharded or compiled, or
                the folder lies outside of the run folder.
        """
        model = getattr(pl_module, "backbone", pl_module)
        if any(part._compiled_call_impl is not None for part in model.modules()):
            rule = "it skips blocks, and compiled blocks cannot be skipped"
            raise TrainingError("the callback scale/prefix_cache", rule, "Leave out compile")
        dataset = getattr(trainer.train_dataloader, "dataset", None)
        self._prefix = FrozenPrefix(
            model,
            dataset,
            blocks=self._blocks,
            folder=self._folder and _inside(Path(trainer.default_root_dir), self._folder),
            budget=self._budget,
            dtype=_DTYPES[self._dtype],
        )

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Check that features are stored.

        Raises:
            TrainingError: the first batch stored none.
        """
        if self._prefix is not None and not len(self._prefix):
            raise TrainingError(
                f"cache of the frozen prefix of {type(pl_module).__name__}",
                "a training step stored nothing: the backbone is not called as a whole, or its "
                "input requires a gradient",
                "Call `self.backbone(...)` in `losses`, or train without the cache",
            )

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Switch the cache off with a warning if no sample comes a second time."""
        prefix = self._prefix
        if prefix is None or prefix.hits or not 0 < 2 * prefix.samples <= prefix.misses:
            return
        warnings.warn(
            f"not one of {prefix.misses} samples came a second time, so that the cache of the "
            "frozen prefix is switched off: something changes the samples at random",
            stacklevel=2,
        )
        self._remove()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Restore the model."""
        self._remove()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Restore the model."""
        self._remove()

    def _remove(self) -> None:
        if self._prefix is not None:
            self._prefix.remove()
            self._prefix = None


def _inside(run: Path, folder: Path) -> Path:
    """Return a folder inside a run folder; links are followed first."""
    root, place = run.resolve(), (run / folder).resolve()
    if not place.is_relative_to(root):
        rule = "it lies outside of the run folder, and a recipe of a stranger could name any folder"
        remedy = "Name a folder inside it, such as features"
        raise TrainingError(f"scale/prefix_cache: folder {folder}", rule, remedy)
    return place
