"""Keep folders of this machine out of what is shared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from scionwood.errors import WriteError
from scionwood.recipes.recipe_file import read_yaml
from scionwood.runs.layout import RECIPE
from scionwood_sandbox.files import reading

_ABSOLUTE = re.compile(r"(/|~[\\/]|[A-Za-z]:[\\/]|\\\\).+")
_HOMES = r"/home/[\w.-]+|/Users/[\w.-]+|/root(?=/)|[A-Za-z]:[\\/]+Users[\\/]+[\w.-]+"
_TEXTS = {".json", ".yaml", ".md", ".csv"}


def local_paths(run: Path) -> dict[str, str]:
    """Return the absolute paths in a run's recipe by dotted key, such as `data.folder`."""
    return _absolute(read_yaml(run / RECIPE))


def without_folders(value: Any) -> Any:
    """Return the content of a recipe with each absolute path replaced by its last part."""
    if isinstance(value, dict):
        return {key: without_folders(child) for key, child in value.items()}
    if isinstance(value, list):
        return [without_folders(child) for child in value]
    local = isinstance(value, str) and _ABSOLUTE.fullmatch(value)
    return last_part(value) if local else value


def last_part(path: str) -> str:
    """Return the last part of a path of any system: `a.sgy` of `C:/data/a.sgy`."""
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1]


def refuse_private(folder: Path, run: Path) -> None:
    """Refuse to share a text that names a folder of this machine, or JSON with an absolute path.

    Args:
        folder: the files to be shared.
        run: the run folder, which they must not name.

    Raises:
        WriteError: naming the file and the folder.
    """
    places = [place.resolve() for place in (run, Path.home())]
    alternatives = "|".join(re.escape(str(place)) for place in places if place != place.parent)
    pattern = re.compile(rf"(?<![\w/.:-])(?:{alternatives}(?=[\\/\s\"']|$)|{_HOMES})")
    for path in sorted(folder.rglob("*")):
        text = path.read_text("utf-8", errors="replace") if path.suffix in _TEXTS else ""
        private_names = [match[0] for match in pattern.finditer(text)]
        if path.suffix == ".json":
            with reading(path, "JSON"):
                private_names += _absolute(json.loads(text)).values()
        if private_names:
            rule = f"it names {private_names[0]!r}, a place on this machine"
            raise WriteError(f"{path.name} of {run}", rule, "Remove it from the file, then push")


def _absolute(value: Any) -> dict[str, str]:
    leaves = _leaves("", value)
    return {k: v for k, v in leaves if isinstance(v, str) and _ABSOLUTE.fullmatch(v)}


def _leaves(key: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        pairs = [(f"{key}.{name}".lstrip("."), child) for name, child in value.items()]
        return [leaf for name, child in pairs for leaf in _leaves(name, child)]
    if isinstance(value, list):
        return [leaf for n, child in enumerate(value) for leaf in _leaves(f"{key}.{n}", child)]
    return [(key, value)]
