"""The same few operations in Scionwood and in plain peft."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

import torch.nn as nn
from catalogue import Entry
from peft import LoraConfig, PeftModel, get_peft_model


class Library(Protocol):
    """What the walk through a model's life needs."""

    def attach(self, entry: Entry) -> PeftModel: ...
    def save(self, model: PeftModel, folder: Path) -> None: ...
    def load(self, model: nn.Module, folder: Path) -> PeftModel: ...
    def merge(self, model: PeftModel) -> None: ...
    def unmerge(self, model: PeftModel) -> None: ...


class Scionwood:
    """The adapter interface of this repository."""

    def attach(self, entry: Entry) -> PeftModel:
        import scionwood
        from scionwood import kernels

        example: Any = entry.example()
        tuned = scionwood.attach(
            entry.model(),
            LoraConfig(r=4, **entry.options),
            targets=entry.targets,
            head=(),
            example=example if isinstance(example, tuple) else None,
        )
        kernels.enable(tuned)
        return tuned

    def save(self, model: PeftModel, folder: Path) -> None:
        import scionwood

        scionwood.save_adapter(model, folder)

    def load(self, model: nn.Module, folder: Path) -> PeftModel:
        import scionwood
        from scionwood import kernels

        loaded = scionwood.load_adapter(model, folder)
        kernels.enable(loaded)
        return loaded

    def merge(self, model: PeftModel) -> None:
        import scionwood

        scionwood.merge(model)

    def unmerge(self, model: PeftModel) -> None:
        import scionwood

        scionwood.unmerge(model)


class Peft:
    """Plain peft with the same configuration."""

    def attach(self, entry: Entry) -> PeftModel:
        model = entry.model()
        config = LoraConfig(r=4, target_modules=_targets(entry, model), **entry.options)
        return get_peft_model(model, config)

    def save(self, model: PeftModel, folder: Path) -> None:
        model.save_pretrained(str(folder))

    def load(self, model: nn.Module, folder: Path) -> PeftModel:
        return PeftModel.from_pretrained(model, str(folder))

    def merge(self, model: PeftModel) -> None:
        model.merge_adapter()

    def unmerge(self, model: PeftModel) -> None:
        model.unmerge_adapter()


def _targets(entry: Entry, model: nn.Module) -> str | list[str]:
    """Return the targets for peft, whose `all-linear` works for transformers' models alone."""
    if entry.targets != "all-linear" or entry.package == "transformers":
        return entry.targets
    return [
        name for name, part in model.named_modules() if re.search("Linear$", type(part).__name__)
    ]
