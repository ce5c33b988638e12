"""Train on chosen examples only, by the key `data.subset`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial, wraps
from pathlib import Path
from typing import Any, Self, final

import lightning as L
import numpy as np

from scionwood.errors import ReadError, TrainingError
from scionwood.training.loader import DataLoader
from scionwood.training.seeded import Seeded, sample_content
from scionwood_sandbox.files import atomic_path, reading, writing

FILE = "subset.json"
"""The list in its folder."""

_READS = 8
_AGAIN = "choose again: scionwood methods select RECIPE"


@final
@dataclass(frozen=True)
class TrainingSubset:
    """Chosen examples of a training split, with what tells this split from others.

    A dataset may name its examples by a method `name_of(index) -> str`, such as by their files. The
    list then has the names too, and they must be the same where it is used.

    Attributes:
        chosen: the indices of the examples, each once.
        names: their names; empty if the data have none.
        length: the number of examples of the whole split.
        sha256: the hash of eight examples of the split, from the first to the last.

    Example:
        >>> data = scionwood.resolve("pde/dynamics", smoke=True).data.build()
        >>> subset = authoring.TrainingSubset.of(data.train_dataloader(), [2, 0])
        >>> path = subset.write("chosen")
        >>> recipe = scionwood.resolve("pde/dynamics", {"data.subset": "chosen"}, smoke=True)
        >>> len(recipe.data.build().train_dataloader().dataset), subset.length
        (2, 4)
    """

    chosen: tuple[int, ...]
    names: tuple[str, ...]
    length: int
    sha256: str

    @classmethod
    def of(cls, loader: Any, chosen: Sequence[int]) -> Self:
        """Return the list of chosen examples.

        Args:
            loader: what `train_dataloader` of the data returns.
            chosen: the indices of the examples.

        Raises:
            TrainingError: the loader is not an `authoring.DataLoader` of data with a length, or an
                index is twice in the list or out of range.
        """
        data = examples(loader)
        wrong = set(chosen) - set(range(len(data)))
        if wrong or len(set(chosen)) < len(chosen) or not chosen:
            rule = f"at least one index, each from 0 to {len(data) - 1} and only once"
            raise TrainingError(f"indices {[*chosen][:5]}", rule, "Correct the list")
        indices = tuple(int(index) for index in chosen)
        return cls(indices, _names(data, indices), len(data), _digest(data))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a list.

        Args:
            path: the file, or the folder of `subset.json`.

        Raises:
            ReadError: there is no such file, or it is no such list.
        """
        path = _file(path)
        with reading(path, "list of examples"):
            match json.loads(path.read_text("utf-8")):
                case {
                    "chosen": [*chosen],
                    "names": [*names],
                    "length": int(length),
                    "sha256": sha256,
                } if all(type(n) is int and 0 <= n < length for n in chosen):
                    return cls(tuple(chosen), tuple(names), length, str(sha256))
        rule = "it needs `chosen`, indices below `length`, and the lists' `names` and `sha256`"
        raise ReadError(str(path), rule, _AGAIN.capitalize())

    def write(self, path: str | Path) -> Path:
        """Write the list, whole or not at all; return its file.

        Args:
            path: the file, or a folder for `subset.json`.

        Raises:
            WriteError: it cannot be written.
        """
        path = _file(path)
        with writing(path), atomic_path(path) as part:
            part.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        return path

    def loader(self, batches: Any) -> DataLoader:
        """Return the batches of the chosen examples.

        Args:
            batches: what `train_dataloader` of the same data returns.

        Raises:
            TrainingError: the list was made for other data.
        """
        data = examples(batches)
        rule = ""
        if self.length != len(data):
            rule = f"it is for {self.length} training examples, and these data have {len(data)}"
        elif self.names != _names(data, self.chosen):
            rule = "its examples have other names than those of these data"
        elif self.sha256 != _digest(data):
            rule = "the examples of these data are others"
        if rule:
            raise TrainingError("data.subset", rule, f"Keep the options of data, or {_AGAIN}")
        part: DataLoader = batches.part(self.chosen)
        return part


def examples(loader: Any) -> Seeded:
    """Return the training examples of a loader, whose random draws depend on the index alone.

    Raises:
        TrainingError: it is not an `authoring.DataLoader`, or its data are a stream.
    """
    dataset = getattr(loader, "dataset", None)
    if not isinstance(loader, DataLoader) or not isinstance(dataset, Seeded):
        rule = "examples are chosen by their index, which an authoring.DataLoader of a list gives"
        raise TrainingError(f"training data {type(loader).__name__}", rule, "Take all of the data")
    return Seeded(dataset.inner, 0)


@lru_cache
def chosen_part(component: Callable[..., Any]) -> Callable[..., Any]:
    """Return a data component with the option `subset`: `None`, or the path of a list."""

    @wraps(component)
    def build(**options: Any) -> L.LightningDataModule:
        path = options.pop("subset")
        data: Any = component(**options)
        if path is not None:
            data.train_dataloader = partial(_part, data.train_dataloader, path)
        return data  # type: ignore[no-any-return]

    return build


def _part(make_data: Callable[[], Any], path: str) -> DataLoader:
    # The list is read when the examples are needed: a test of the run needs none of them.
    return TrainingSubset.read(path).loader(make_data())


def _file(path: str | Path) -> Path:
    path = Path(path)
    return path if path.suffix == ".json" else path / FILE


def _names(data: Seeded, chosen: Sequence[int]) -> tuple[str, ...]:
    name_of = getattr(data.inner, "name_of", None)
    return () if name_of is None else tuple(str(name_of(index)) for index in chosen)


def _digest(data: Seeded) -> str:
    total = hashlib.sha256(str(len(data)).encode())
    for index in np.unique(np.linspace(0, len(data) - 1, _READS).round().astype(int)).tolist():
        for content in sample_content(data, index):
            total.update(repr(content).encode())
    return total.hexdigest()
