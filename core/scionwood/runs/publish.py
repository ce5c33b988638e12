"""Share a run: in a repository on the hub, or as a zip archive for a web server.

It must have been measured, the licence of its base must not forbid it, and no file may name a
folder of this machine.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from scionwood.errors import TrainingError, WriteError
from scionwood.recipes.recipe_file import read_yaml
from scionwood.runs import hub
from scionwood.runs.layout import (
    ADAPTER,
    CARD,
    HEAD,
    MANIFEST,
    METRICS,
    RECIPE,
    SIGNATURE,
    file_digest,
    weights_digest,
)
from scionwood.runs.manifest import loadable, measure, read_manifest, write_manifest
from scionwood.runs.metrics import read_metrics
from scionwood.runs.origin import known_origin, metadata, one_line, write_origin
from scionwood.runs.parts import CONFIG, OF_ADAPTER, check_sizes, parts_of
from scionwood.runs.reference import find_run
from scionwood.runs.remote import is_repository
from scionwood_sandbox.archives.packing import pack
from scionwood_sandbox.files import atomic_path, check_target, reading, writing

_USE = """
## From the hub

`scionwood pull {reference}` fetches this run, and
`scionwood.load_run("{reference}")` loads it.
"""


def push(run: str | Path, target: str, *, public: bool = False, force: bool = False) -> str:
    """Share a finished run.

    Only the files of a run are shared: the adapter, the head, the recipe, the card, the metrics and
    the figures. Folders of this machine are removed from the recipe and the card.

    Args:
        run: a reference to the run.
        target: `owner/name` for a repository on the hub, or a file whose name ends in `.zip`.
        public: create a repository that everybody can read, instead of a private one.
        force: replace the run in a repository that holds files, or an archive that exists.

    Returns:
        The reference of the shared run. That of an archive has the host still to be filled in.

    Raises:
        TrainingError: the run is not finished or was not measured, or the target is not a name.
        OutputExistsError: the target exists, and `force` is false.
        WriteError: the licence of the base forbids sharing, a file names a folder of this machine,
            the hub refuses the upload or cannot be reached, or the disk is full.

    Example:
        >>> scionwood.push("seismic/denoise", "denoise.zip")
        'https://HOST/denoise.zip#sha256=...'
    """
    archive = Path(target) if target.endswith(".zip") else None
    if archive is None and not is_repository(target):
        rule = "a run is shared as owner/name on the hub, or as a .zip file"
        raise TrainingError(f"target {target!r}", rule, "Correct the name")
    if archive is not None:
        check_target(archive, force)
    folder = find_run(run, quiet=True)
    refuse_unmeasured(folder)
    refuse_licence(folder)
    reference = f"hf:{target}" if archive is None else ""
    with tempfile.TemporaryDirectory() as place:
        stage(folder, Path(place), reference)
        if archive is None:
            commit = hub.upload(target, Path(place), public=public, force=force)
            return f"{reference}@{commit}"
        with writing(archive), atomic_path(archive, overwrite=force) as part:
            pack(place, part)
    return f"https://HOST/{archive.name}#sha256={file_digest(archive)}"


def stage(run: Path, folder: Path, reference: str = "") -> None:
    """Write the files of a run as others get them.

    Raises:
        TrainingError: the run has no adapter that `peft` could open, and no head.
        AdapterFileError: a file is too large.
        WriteError: a file names a folder of this machine, or the disk is full.
    """
    files = parts_of(run)
    check_sizes(str(run), {name: path.stat().st_size for name, path in files.items()})
    if not {CONFIG, HEAD} & files.keys():
        raise TrainingError(f"run {run}", "it has neither an adapter nor a head", "Train it again")
    paths = local_paths(run)
    with writing(folder):
        for name, path in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, folder / name)
        if paths:
            text = yaml.safe_dump(without_folders(read_yaml(run / RECIPE)), sort_keys=False)
            (folder / RECIPE).write_text(text, encoding="utf-8")
        (folder / CARD).write_text(_card(run, paths, reference), encoding="utf-8")
        digest = weights_digest(run)
        origin = replace(known_origin(run), name=reference, version="", digest=digest)
        write_origin(folder, origin)
        _manifest(run, folder)
    refuse_private(folder, run)
    for key, local in paths.items():
        print(f"{RECIPE}: {key} is shared as {last_part(local)!r}", file=sys.stderr)


def _manifest(run: Path, folder: Path) -> None:
    """Keep the manifest and its signature, or write another one if a file is shared otherwise."""
    placed = {f"{ADAPTER}/{n}" if n in OF_ADAPTER else n: n for n in loadable(folder)}
    measured = measure(folder, list(placed.values()))
    entries = {name: measured[at] for name, at in sorted(placed.items())}
    manifest = read_manifest(run)
    if manifest is not None and manifest[1] == entries:
        return
    if (folder / SIGNATURE).exists():
        print(f"{SIGNATURE} is not shared: {RECIPE} or another file is changed", file=sys.stderr)
    write_manifest(folder, entries)


def _card(run: Path, paths: Mapping[str, str], reference: str) -> str:
    path = run / CARD
    text = path.read_text("utf-8") if path.is_file() else f"# {run.name}\n"
    for local in sorted(paths.values(), key=len, reverse=True):
        text = text.replace(local, last_part(local))
    text = re.sub(r"\n## From the hub\n.*?(?=\n## |\Z)", "", text, flags=re.S)  # of another push
    return text + _USE.format(reference=reference) if reference else text


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
