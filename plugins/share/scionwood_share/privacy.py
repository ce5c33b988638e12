"""Which runs are not shared, and what of this machine stays out of a shared run."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from scionwood.errors import TrainingError, WriteError
from scionwood.recipes.recipe_file import read_yaml
from scionwood.runs.layout import ADAPTER, MANIFEST, METRICS, RECIPE
from scionwood.runs.metrics import read_metrics
from scionwood.runs.origin import metadata, one_line
from scionwood_sandbox.files import reading

FORBIDDEN = (
    r"no[- ]?deriv",  # NoDerivatives
    r"\bby(-nc)?-nd\b",
    r"(not|non)[- ]redistributable",
    r"no redistribution",
    r"may not be (shared|redistributed)",
    r"proprietary",
    r"confidential",
    r"all rights reserved",
    r"internal use",
)
"""What a licence says that forbids to share what was trained on top of a base."""

UNKNOWN = r"^$|not known|unknown|see the model's own card"
"""What a base says whose licence was not looked up."""


_ABSOLUTE = re.compile(r"(/|~[\\/]|[A-Za-z]:[\\/]|\\\\).+")
_HOMES = r"/home/[\w.-]+|/Users/[\w.-]+|/root(?=/)|[A-Za-z]:[\\/]+Users[\\/]+[\w.-]+"
_TEXTS = {".json", ".yaml", ".md", ".csv"}


def refuse_unmeasured(run: Path) -> None:
    """Refuse a run without any measured value."""
    with reading(run / METRICS, "CSV"):
        rows = read_metrics(run / METRICS)
    if not any(key.startswith(("val_", "test_")) for row in rows for key in row):
        rule = f"{METRICS} has no value of a validation or a test"
        raise TrainingError(f"run {run}", rule, "Train it with validation, so that it has a score")


def refuse_licence(run: Path) -> None:
    """Refuse a run whose base has a licence that forbids sharing, and print any other on stderr.

    The words of `FORBIDDEN` decide. They are a help and no legal advice.
    """
    licence = base_licence(run)
    if any(re.search(pattern, licence, re.I) for pattern in FORBIDDEN):
        rule = f"the licence of its base forbids sharing ({licence})"
        raise WriteError(f"run {run}", rule, "Ask the owner of the base for permission")
    if re.search(UNKNOWN, licence, re.I):
        licence = "not known; check that it permits sharing"
    print(f"licence of the base: {licence}", file=sys.stderr)


def base_licence(run: Path) -> str:
    """Return what a run states about the licence of its base; empty if it states nothing."""
    path = run / ADAPTER / MANIFEST
    if path.is_file():
        with reading(path, "JSON"):
            base = json.loads(path.read_text("utf-8"))["base"]
        if isinstance(base, dict) and base.get("licence"):
            return one_line(str(base["licence"]))
    facts = metadata(run)
    licence = facts.get("license_name") or facts.get("license") or ""
    return one_line(str(licence))


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
    """Refuse to share a text that names a folder of this machine, or JSON with an absolute path."""
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
