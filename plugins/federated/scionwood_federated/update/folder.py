"""Updates and starts as folders: the adapter as peft has it, the head, and a record.

An update holds `adapter/`, `head.safetensors` and `site.json`. A start holds the same with
`federation.json`, and `recipe.yaml` if the recipe is known: then it is a run that every command
takes. What others made is read like any stranger's adapter.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from scionwood import (
    AdapterFileError,
    TrainingError,
    adapters,
    build,
    find_run,
    resolve,
    save_adapter,
    save_head,
)
from scionwood.authoring import (
    atomic_folder,
    atomic_path,
    changing,
    weights_digest,
    write_manifest,
    writing,
)
from scionwood_federated.rules.pooled import Pooled
from scionwood_federated.update.hashes import own_options, preprocessing_hash, recipe_hash
from scionwood_federated.update.record import FederationError, Site, Update, is_name

ADAPTER, HEAD, RECIPE = "adapter", "head.safetensors", "recipe.yaml"

SITE, FEDERATION = "site.json", "federation.json"
_FILES = {ADAPTER, HEAD, RECIPE, SITE, FEDERATION, "files.json", "signature.json"}


def begin_round(recipe: Any, out: str | Path, *, own: tuple[str, ...] = ()) -> Update:
    """Write what the first round starts from: the adapter of a recipe before training.

    All sites start from the same file, so that they have the same A.

    Args:
        recipe: the recipe that all sites share.
        out: the folder to write.
        own: further options of the data that each site sets for itself.

    Raises:
        OutputExistsError: the folder exists.
        FederationError: the recipe has no adapter.

    Example:
        >>> from scionwood_federated import begin_round
        >>> recipe = scionwood.resolve("pde/dynamics", smoke=True)
        >>> begin_round(recipe, "round0").about.round
        0
    """
    if recipe.adapter.component is None:
        rule = f"{recipe.adapter.name} is a baseline, and a federation trains an adapter"
        raise FederationError(f"recipe {recipe.name}", rule, "Name a method, such as lora")
    import lightning as L

    L.seed_everything(recipe.seed, workers=True, verbose=False)
    model: Any = build(recipe)[0].backbone
    own = own_options(recipe, own)
    with atomic_folder(out) as folder:
        save_weights(model, folder)
        (folder / RECIPE).write_text(recipe.dump(), encoding="utf-8")
        manifest = adapters.read_folder(folder / ADAPTER).manifest
        assert manifest is not None  # it was just written
        hashes = recipe_hash(recipe), preprocessing_hash(recipe, own)
        site = Site("global", 0, 0, 0, "", manifest.sha256, *hashes, own)
        write_json(folder / FEDERATION, site.dump())
        write_manifest(folder)
    return read_start(out)


def update_of(
    run: str | Path, *, site: str = "site", samples: int | None = None, personal: bool = False
) -> Update:
    """Return the update of a finished run.

    Args:
        run: the run, by any reference that `find_run` takes.
        site: the name of the site.
        samples: the number of training samples; `None` counts them, which reads the data.
        personal: whether the head stays at the site.

    Raises:
        TrainingError: the folder holds no finished run with an adapter.
        FederationError: the name or the number of samples is wrong, or they cannot be counted.

    Example:
        >>> from scionwood_federated import update_of
        >>> update_of("seismic/denoise", site="north", samples=100).about.samples
        100
    """
    if not is_name(site):
        rule = "a name has 1 to 200 printable characters"
        raise FederationError(f"site {site!r:.80}", rule, "Name it otherwise: --site")
    if samples is not None and not 0 < samples < 1 << 48:
        rule = "a site has at least one sample, and fewer than 2^48"
        raise FederationError(f"{samples} samples", rule, "Correct --samples, or leave it out")
    folder = find_run(run, quiet=True)
    if not (folder / ADAPTER).is_dir():
        raise TrainingError(f"run {folder}", "it has no adapter", "Train with an adapter")
    recipe = resolve(folder / RECIPE)
    note = adapters.read_json(folder / FEDERATION) if (folder / FEDERATION).is_file() else {}
    site_options = own_options(recipe, [n for n in note.get("own", ()) if n in recipe.data.options])
    update = _read(folder, _recorded(folder, recipe, site_options, note, site), personal)
    count = _count(recipe) if samples is None else samples
    return replace(update, about=replace(update.about, samples=count))


def write_update(update: Update, out: str | Path) -> None:
    """Write an update as the folder that a site sends.

    Args:
        update: an update that was read from a run.
        out: the folder; it must not exist.

    Raises:
        OutputExistsError: the folder exists.
        WriteError: the disk is full or not writable.

    Example:
        >>> from scionwood_federated import read_update, update_of, write_update
        >>> write_update(update_of("seismic/denoise", samples=1), "sent")
        >>> read_update("sent").about.samples
        1
    """
    assert update.folder is not None  # update_of sets it
    with writing(out), atomic_folder(out) as folder:
        _copy_adapter(update.folder, folder)
        if update.head:
            save_file(dict(update.head), folder / HEAD, metadata={"format": "pt"})
        write_json(folder / SITE, update.about.dump())


def read_update(folder: str | Path) -> Update:
    """Read the update that a site sent, without trusting it.

    Raises:
        AdapterFileError: a file is missing, damaged, foreign, or holds values that are not finite
            or absurd.

    Example:
        >>> from scionwood_federated import read_update, update_of, write_update
        >>> write_update(update_of("seismic/denoise", site="north", samples=1), "sent")
        >>> read_update("sent").about.site
        'north'
    """
    return _read_recorded(Path(folder), SITE)


def read_start(folder: str | Path) -> Update:
    """Read what a round starts from.

    Raises:
        AdapterFileError: a file is missing, damaged, foreign, or holds values that are not finite.
    """
    return _read_recorded(Path(folder), FEDERATION)


def write_start(
    pooled: Pooled,
    like: Update,
    about: Site,
    out: str | Path,
    recipe: str,
) -> None:
    """Write what the next round starts from.

    Args:
        pooled: the weights.
        like: the update or the start whose config and manifest the result takes.
        about: the record.
        out: the folder; it must not exist.
        recipe: the recipe as YAML, or an empty text.

    Raises:
        OutputExistsError: the folder exists.
        WriteError: the disk is full or not writable.
    """
    assert like.folder is not None  # it was read
    with writing(out), atomic_folder(out) as folder:
        _copy_adapter(like.folder, folder)
        tensors = {name: value.contiguous() for name, value in pooled.adapter.items()}
        save_file(
            tensors, folder / ADAPTER / "adapter_model.safetensors", metadata={"format": "pt"}
        )
        record = folder / ADAPTER / "scionwood.json"
        adapters.state_hash(record, "adapter", adapters.tensors_hash(tensors))
        head = dict(pooled.head)
        if head:
            save_file(head, folder / HEAD, metadata={"format": "pt"})
        adapters.state_hash(record, "head", adapters.tensors_hash(head) if head else "")
        if recipe:
            (folder / RECIPE).write_text(recipe, encoding="utf-8")
        write_json(folder / FEDERATION, about.dump())
        write_manifest(folder)


def save_weights(model: Any, folder: Path) -> None:
    """Write the adapter of a model and its head, if it has one."""
    card = {str(k): str(v) for k, v in getattr(model.get_base_model(), "card", {}).items()}
    save_adapter(model, folder / ADAPTER, base=card)
    if adapters.head_state(model):
        save_head(model, folder / HEAD)


def digest_of(update: Update) -> str:
    """Return the hash of the weight files of an update or a start."""
    assert update.folder is not None  # it was read
    return weights_digest(update.folder)


def note_start(
    run: Path, start: Update, held_factor: str, privacy: Mapping[str, Any] | None = None
) -> None:
    """Record in a run what its round started from, and what budget of privacy it spent."""
    about = start.about
    record = {"round": about.round + 1, "start": digest_of(start), "held": held_factor}
    with changing(run, [FEDERATION]):
        spent = {} if privacy is None else {"privacy": dict(privacy)}
        write_json(run / FEDERATION, {**record, "own": list(about.own), **spent})


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON object as a whole."""
    with atomic_path(path) as part:
        part.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _read_recorded(folder: Path, record: str) -> Update:
    if not folder.is_dir():
        raise AdapterFileError(str(folder), "there is no such folder", "Check the path")
    if foreign := sorted({path.name for path in folder.iterdir()} - _FILES):
        rule = f"it holds {foreign[0]!r}, which no update has"
        raise AdapterFileError(str(folder), rule, "Ask the site for the folder that `round` wrote")
    about = Site.parse(adapters.read_json(folder / record), str(folder / record))
    update = _read(folder, about, personal=False)
    manifest = adapters.read_folder(folder / ADAPTER).manifest
    if manifest is None or manifest.sha256 != about.base:
        rule = "its adapter was made for another base than its record says"
        raise AdapterFileError(str(folder), rule, "Write it again: scionwood federated round")
    return update


def _read(folder: Path, about: Site, personal: bool) -> Update:
    saved = adapters.read_folder(folder / ADAPTER)
    head: dict[str, Tensor] = {}
    if (folder / HEAD).exists() and not personal:
        head = adapters.read_untrusted(folder / HEAD)
    return Update(about, saved.config, adapters.read_untrusted(saved.path), head, folder)


def _recorded(
    folder: Path, recipe: Any, site_options: tuple[str, ...], note: Mapping[str, Any], site: str
) -> Site:
    manifest = adapters.read_folder(folder / ADAPTER).manifest
    if manifest is None:
        rule = "its adapter has no scionwood.json, so its base is not known"
        raise AdapterFileError(str(folder), rule, "Train it with scionwood fit")
    return Site(
        site=site,
        samples=0,
        steps=_steps(folder),
        round=int(note.get("round", 1)),
        start=str(note.get("start", "")),
        base=manifest.sha256,
        recipe=recipe_hash(recipe),
        preprocessing=preprocessing_hash(recipe, site_options),
        own=site_options,
        held=str(note.get("held", "")),
        extra={"privacy": note["privacy"]} if "privacy" in note else {},
    )


def _steps(folder: Path) -> int:
    path = folder / "metrics.csv"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return max((int(float(row.get("step") or 0)) for row in csv.DictReader(lines)), default=0)


def _count(recipe: Any) -> int:
    data = recipe.data.build()
    data.prepare_data()
    data.setup("fit")
    try:
        return len(data.train_dataloader().dataset)
    except TypeError as error:
        rule = "its data are a stream whose length nobody knows"
        raise FederationError(f"recipe {recipe.name}", rule, "Say it: --samples N") from error


def _copy_adapter(source: Path, target: Path) -> None:
    (target / ADAPTER).mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors", "scionwood.json"):
        shutil.copyfile(source / ADAPTER / name, target / ADAPTER / name)
