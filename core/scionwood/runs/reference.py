"""One way to name a run, wherever a run is expected, and to fetch one that somebody shared."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from scionwood.errors import TrainingError
from scionwood.plugins import discovery
from scionwood.recipes.recipe_file import recipes
from scionwood.runs.cache import cached
from scionwood.runs.layout import RECIPE, is_finished
from scionwood.runs.origin import read_origin
from scionwood.runs.receive import receive
from scionwood.runs.remote import is_repository, parse_remote
from scionwood.runs.run import Run
from scionwood.runs.seal import check_run
from scionwood.runs.shipped import all_shipped, shipped_runs
from scionwood_sandbox.files import atomic_folder, check_target, writing

_announced: set[Path] = set()


def find_run(reference: str | Path, *, quiet: bool = False) -> Run:
    """Return the folder of a finished run.

    A run on the hub or on a web server is fetched once. Later the copy in the cache is used, and no
    network is needed; `scionwood pull` asks for a newer one.

    Args:
        reference: a folder; `plugin/name` for a run that a plugin ships; `hf:owner/name`, with
            `@revision` for a branch, tag or commit; or `https://host/name.zip#sha256=HEX`.
        quiet: do not print where the run comes from. Without it, one line on stderr says so the
            first time that a shipped or pulled run is used in a process.

    Raises:
        TrainingError: nothing has this name, or the folder does not hold a finished run.
        PluginError: the plugin is missing or broken.
        ReadError: the run cannot be fetched.
        AdapterFileError: the fetched run is not acceptable. Or a file is missing, changed or
            additional, or not signed although `SCIONWOOD_REQUIRE_SIGNED` requires it.

    Example:
        >>> run = scionwood.find_run("seismic/denoise")  # or "hf:owner/name"
        >>> run.name
        'denoise'
    """
    folder = locate(reference)
    if not is_finished(folder):
        resume = f"Finish it: scionwood fit --resume {folder}"
        remedy = resume if (folder / RECIPE).is_file() else "Name the folder that fit printed"
        raise TrainingError(f"run {folder}", "it does not hold a finished run", remedy)
    check_run(folder, quiet=quiet)
    origin = read_origin(folder)
    if origin and not quiet and folder not in _announced:
        _announced.add(folder)
        print(f"using {origin}", file=sys.stderr)
    return Run(folder)


def locate(reference: str | Path) -> Path:
    """Return the folder that a reference of `find_run` names; nothing in it is checked."""
    if (path := Path(reference)).exists():
        return path
    if remote := parse_remote(reference):
        return cached(remote) or receive(remote)
    text = path.as_posix()
    owner, slash, name = text.partition("/")
    if slash and owner in {*discovery.entries(), *discovery.extras()}:
        return _shipped(owner, name)
    rule = "there is no such folder, and no plugin ships a run of this name"
    raise TrainingError(f"run {text}", rule, _remedy(path))


def pull(reference: str | Path, to: str | Path | None = None, *, force: bool = False) -> Path:
    """Fetch a run into the cache, or copy it into a folder.

    Args:
        reference: any reference that `find_run` takes. The hub is asked for the present commit of a
            branch or tag.
        to: a folder to write the run to; `None` leaves it in the cache.
        force: replace a folder that exists.

    Returns:
        The run folder.

    Raises:
        OutputExistsError: `to` exists, and `force` is false.
        ScionwoodError: see `find_run`.
        WriteError: the disk is full or not writable.

    Example:
        >>> scionwood.pull("seismic/denoise", "runs/theirs").as_posix()
        'runs/theirs'
    """
    if to is not None:
        check_target(to, force)
    remote = parse_remote(reference)
    folder = receive(remote) if remote else find_run(reference, quiet=True)
    if to is None:
        return folder
    target = Path(to)
    with writing(target), atomic_folder(target, overwrite=force) as part:
        shutil.copytree(folder, part, dirs_exist_ok=True)
    return target


def _remedy(path: Path) -> str:
    run_folders = [recipe.parent for recipe in path.parent.glob(f"*/{RECIPE}")]
    siblings = [folder.as_posix() for folder in run_folders if is_finished(folder)]
    near = discovery.did_you_mean(path.as_posix(), [*siblings, *all_shipped()])
    if not near and not siblings and is_repository(path.as_posix()):
        return f"On the hub it is hf:{path.as_posix()}"
    return near or "See: scionwood runs"


def _shipped(plugin: str, name: str) -> Path:
    runs = shipped_runs(plugin)
    if name in runs:
        return runs[name]
    remedy = discovery.did_you_mean(name, runs) or f"It ships: {', '.join(runs) or 'none'}"
    if name in recipes(plugin):
        remedy = f"Train it: scionwood fit {plugin}/{name}"
    raise TrainingError(f"run {plugin}/{name}", f"plugin {plugin!r} ships no such run", remedy)
