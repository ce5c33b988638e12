"""What the folders for all engines share: a copy of the start of the first round."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scionwood.authoring import atomic_folder, writing
from scionwood_federated.update.folder import RECIPE, read_start
from scionwood_federated.update.record import FederationError

START = "start"
"""The folder of the start in an export."""


@contextmanager
def export_folder(start: str | Path, out: str | Path) -> Iterator[Path]:
    """Make the folder of an export, which appears when the block ends without an error.

    Args:
        start: what the first round starts from, as `begin` or `pool` wrote it.
        out: the folder to write.

    Raises:
        FederationError: the start has no recipe.
        AdapterFileError: the start is damaged.
        OutputExistsError: `out` exists.

    Example:
        >>> import scionwood
        >>> from scionwood_federated import begin_round
        >>> start = begin_round(scionwood.resolve("pde/dynamics", smoke=True), "begun")
        >>> with export_folder("begun", "job") as folder:
        ...     size = (folder / "README.md").write_text("Ask the operator.")
        >>> sorted(path.name for path in Path("job").iterdir())
        ['README.md', 'start']
    """
    read_start(start)
    if not (Path(start) / RECIPE).is_file():
        raise FederationError(f"start {start}", "it has no recipe", "Write it with begin")
    with writing(out), atomic_folder(out) as folder:
        shutil.copytree(start, folder / START)
        yield folder
