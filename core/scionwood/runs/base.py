"""The weights from which a run was adapted: their hash, and where they are now.

A recipe names them by a path, `backbone.weights: pretrained`. The folder may be moved, or another
may get its name. The run therefore states their hash in `base.json`, and finds them by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.errors import ReadError, TrainingError
from scionwood.runs.cache import all_cached
from scionwood.runs.layout import BASE, HEAD, file_digest
from scionwood.runs.shipped import all_shipped
from scionwood_sandbox.files import atomic_path, reading, writing

if TYPE_CHECKING:
    from scionwood.recipes.resolved import Recipe

OPTION = "weights"
"""The option of a backbone that names a run, or a file of weights."""


@dataclass(frozen=True)
class Base:
    """The file of weights from which a run was adapted.

    Attributes:
        name: of the run folder or of the file, for messages; it finds nothing.
        bytes: the size of the file.
        sha256: the hash of the file.
    """

    name: str
    bytes: int
    sha256: str


def write_base(folder: Path, recipe: Recipe) -> None:
    """Write `base.json` into a run folder, if the recipe names weights on this machine."""
    weights = _weights_path(recipe)
    file = None if weights is None else _file(weights)
    if weights is None or file is None:
        return
    base = Base(weights.name, file.stat().st_size, file_digest(file))
    with writing(folder), atomic_path(folder / BASE, overwrite=True) as part:
        part.write_text(json.dumps(asdict(base), indent=2) + "\n", encoding="utf-8")


def read_base(folder: Path) -> Base | None:
    """Return the base of a run; None if the run does not state one."""
    path = folder / BASE
    if not path.is_file():
        return None
    with reading(path, "base of a run"):
        match json.loads(path.read_text("utf-8")):
            case {"name": str(name), "bytes": int(size), "sha256": str(digest)}:
                return Base(name, size, digest)
    raise ReadError(str(path), "it does not state name, bytes and sha256", "Fetch the run again")


def with_base(folder: Path, recipe: Recipe) -> Recipe:
    """Return a run's recipe with the present place of the weights from which it was adapted.

    It looks at the path in the recipe, beside the run, in `runs`, and at the runs that are shipped
    or were fetched. Weights count only if they have the hash; a name is never enough.

    Args:
        folder: the run folder.
        recipe: its recipe.

    Raises:
        TrainingError: none of these places has the weights.
        ReadError: `base.json` is damaged.

    Example:
        >>> run = scionwood.find_run("seismic/denoise", quiet=True)
        >>> recipe = scionwood.resolve(run / "recipe.yaml")
        >>> authoring.with_base(run, recipe) == recipe
        True
    """
    base, weights = read_base(folder), _weights_path(recipe)
    if base is None or weights is None:
        return recipe
    candidates: list[Path] = []
    for place in _places(folder, weights):
        file = _file(place)
        if file is None or file in candidates:
            continue
        candidates.append(file)
        if file.stat().st_size == base.bytes and file_digest(file) == base.sha256:
            options = {**recipe.backbone.options, OPTION: str(place)}
            slot = replace(recipe.backbone, options=options)
            return recipe if place == weights else replace(recipe, backbone=slot)
    same = next((file for file in candidates if base.name in (file.name, file.parent.name)), None)
    rule = f"it was adapted from {base.name!r} with the SHA-256 {base.sha256[:12]}..., "
    rule += f"and {same} has other weights" if same else "which is in none of the known places"
    places = f"beside {folder}, or into runs"
    raise TrainingError(f"run {folder}", rule, f"Copy that run {places}; its name does not matter")


def _weights_path(recipe: Recipe) -> Path | None:
    value = recipe.backbone.options.get(OPTION)
    return Path(value) if isinstance(value, str | Path) and str(value) else None


def _file(place: Path) -> Path | None:
    """Return the weights of a run folder, or the file itself; None if there are none."""
    file = place / HEAD if place.is_dir() else place
    return file if file.is_file() and file.suffix == ".safetensors" else None


def _places(folder: Path, weights: Path) -> Iterator[Path]:
    yield weights
    parent = folder.absolute().parent
    yield from (folder / weights, parent / weights, parent / weights.name)
    for place in (parent, Path("runs")):
        yield from sorted(place.iterdir()) if place.is_dir() else ()
    yield from (*all_shipped().values(), *all_cached())
