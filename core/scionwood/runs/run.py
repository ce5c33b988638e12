"""A run folder in Python: a path that says what it holds, and gives it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scionwood
from scionwood.files.terminal import html_table
from scionwood.runs.layout import METRICS, RECIPE, is_finished
from scionwood.runs.metrics import metrics_table
from scionwood.runs.origin import known_origin

if TYPE_CHECKING:
    from torch import nn

    _Path = Path
else:
    _Path = type(Path())  # Python 3.11 has no other base for a path


class Run(_Path):
    """The folder of a run: a `pathlib.Path` that shows its recipe and its score.

    What needs torch is imported when it is first used.

    Example:
        >>> run = scionwood.find_run("seismic/denoise", quiet=True)
        >>> run
        Run('.../runs/denoise': seismic/denoise, ...)
        >>> (run / "recipe.yaml").is_file()
        True
        >>> with torch.no_grad():
        ...     run.model(torch.zeros(1, 1, 64, 64)).shape
        torch.Size([1, 1, 64, 64])
    """

    @cached_property
    def model(self) -> nn.Module:
        """The backbone with the adapter and the head of the run, for inference, on the CPU.

        It is loaded at the first use and kept. `scionwood.load_run` returns the whole task, on any
        device.

        Raises:
            TrainingError: the folder does not hold a finished run.
        """
        return scionwood.load_run(self).backbone

    @property
    def metrics(self) -> Any:
        """The numbers of metrics.csv: a `pandas.DataFrame`, or dictionaries without pandas.

        There is a row for each logged step and for each validation.
        """
        return metrics_table(self / METRICS)

    @property
    def figures(self) -> dict[str, Path]:
        """The PNG files of `figures/` by name, such as `metrics`."""
        return {path.stem: Path(path) for path in sorted(self.glob("figures/*.png"))}

    def merge(self, *, untie: bool = False) -> nn.Module:
        """Return the backbone with the adapter merged into its weights, without peft's wrappers.

        It is loaded anew, so that `model` keeps its adapter.

        Args:
            untie: whether a layer that shares its weight with another one gets a copy of its own.

        Raises:
            AdapterError: the method cannot be merged, or a weight is shared and `untie` is false.
            TrainingError: the folder does not hold a finished run.

        Example:
            >>> merged = scionwood.find_run("seismic/denoise", quiet=True).merge()
            >>> any("lora" in name for name, _ in merged.named_parameters())
            False
        """
        model: Any = scionwood.load_run(self).backbone
        if not hasattr(model, "peft_config"):  # a baseline
            return model  # type: ignore[no-any-return]
        scionwood.merge(model, untie=untie)
        return model.unload()  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        """Return one line; a path inside the folder shows as any path."""
        facts = ", ".join(value for _, value in self._facts() if value)
        return f"Run('{self.as_posix()}': {facts})" if facts else super().__repr__()

    def _repr_html_(self) -> str:
        """Return a table for notebooks, in which every text is escaped."""
        rows = [("folder", self.as_posix()), *self._facts()]
        return html_table(("run", ""), [row for row in rows if row[1]])

    def _facts(self) -> list[tuple[str, str]]:
        if not is_finished(self):
            return []
        origin = known_origin(self)
        return [
            ("recipe", origin.name or _task(self)),
            ("data", origin.scope),
            ("score", origin.score),
        ]


def _task(folder: Path) -> str:
    from scionwood.recipes.recipe_file import read_yaml

    task = read_yaml(folder / RECIPE).get("task")
    return str(task.get("name", "")) if isinstance(task, dict) else str(task or "")
