"""Share a run: in a repository on the hub, or as a zip archive for a web server.

It must have been measured, the licence of its base must not forbid it, and no file may name a
folder of this machine.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from scionwood.cli.command import prints
from scionwood.errors import TrainingError
from scionwood.recipes.arguments import RunPath
from scionwood.recipes.recipe_file import read_yaml
from scionwood.runs.layout import (
    ADAPTER,
    AT_TOP,
    CARD,
    CONFIG,
    FIGURE,
    HEAD,
    NOTE,
    OF_ADAPTER,
    RECIPE,
    SIGNATURE,
    check_sizes,
    file_digest,
    weights_digest,
)
from scionwood.runs.manifest import loadable, measure, read_manifest, write_manifest
from scionwood.runs.origin import known_origin, write_origin
from scionwood.runs.reference import find_run
from scionwood.runs.remote import is_repository
from scionwood_sandbox.archives.packing import pack
from scionwood_sandbox.files import atomic_path, check_target, writing
from scionwood_share.privacy import (
    last_part,
    local_paths,
    refuse_licence,
    refuse_private,
    refuse_unmeasured,
    without_folders,
)
from scionwood_share.upload import upload

_USE = """
## From the hub

`scionwood pull {reference}` fetches this run, and
`scionwood.load_run("{reference}")` loads it.
"""


def _show(reference: str) -> None:
    print(reference)


@prints(_show)
def push(run: RunPath, target: str, *, public: bool = False, force: bool = False) -> str:
    """Share a run on the hub, or as a zip archive.

    Only the files of a run are shared: the adapter, the head, the recipe, the card, the metrics and
    the figures. Folders of this machine are removed from the recipe and the card.

    Args:
        run: the run folder, or another reference to a run.
        target: owner/name on the hub, or a file whose name ends in .zip.
        public: let everybody read the repository; without it, it is private.
        force: replace the run in a repository that holds files, or an archive that exists.

    Returns:
        The reference of the shared run. That of an archive has the host still to be filled in.

    Raises:
        TrainingError: the run is not finished or was not measured, or the target is not a name.
        OutputExistsError: the target exists, and `force` is false.
        WriteError: the licence of the base forbids sharing, a file names a folder of this machine,
            the hub refuses the upload or cannot be reached, or the disk is full.

    Example:
        >>> scionwood_share.push("seismic/denoise", "denoise.zip")
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
            commit = upload(target, Path(place), public=public, force=force)
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
    files = _parts(run)
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


def _parts(run: Path) -> dict[str, Path]:
    """Return the files of a run folder that are shared, by their names in a repository.

    Links are followed: the run is the user's own.
    """
    files = {name: run / ADAPTER / name for name in OF_ADAPTER}
    notes = (path.name for path in sorted(run.glob("*.json")) if NOTE.fullmatch(path.name))
    files |= {name: run / name for name in (*AT_TOP, *notes) if name not in files}
    figures = (f"figures/{path.name}" for path in sorted((run / "figures").glob("*.png")))
    files |= {name: run / name for name in figures if FIGURE.fullmatch(name)}
    return {name: path for name, path in files.items() if path.is_file()}


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
