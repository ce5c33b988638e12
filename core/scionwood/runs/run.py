"""A run folder as Python shows it: a path that says what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.runs.card import scope_and_score
from scionwood.runs.layout import RECIPE, is_finished
from scionwood.runs.origin import Origin, read_origin
from scionwood.terminal import html_table

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # Python 3.11 has no other base for a path


class Run(_Path):
    """The folder of a run: a `pathlib.Path` that shows its recipe and its score.

    Example:
        >>> run = scionwood.find_run("seismic/denoise", quiet=True)
        >>> run
        Run('.../runs/denoise': seismic/denoise, ...)
        >>> (run / "recipe.yaml").is_file()
        True
    """

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
        scope, score = scope_and_score(self)
        origin = read_origin(self) or Origin("", scope=scope, score=score)
        return [
            ("recipe", origin.name or _task(self)),
            ("data", origin.scope),
            ("score", origin.score),
        ]


def _task(folder: Path) -> str:
    from scionwood.recipe_file import read_yaml

    task = read_yaml(folder / RECIPE).get("task")
    return str(task.get("name", "")) if isinstance(task, dict) else str(task or "")
