"""Encrypted updates as folders, their sum, and the start that a site decrypts.

An encrypted update holds the config and the manifest of the adapter, a record, and ciphertexts of
the tensors that move: B, the head, and copied modules. A must be held, because sums are all that a
server can do with ciphertexts, and with a common A the mean of B is exact.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scionwood import AdapterFileError, adapters
from scionwood.authoring import atomic_folder, check_target, writing
from scionwood_federated.privacy.encryption import (
    decrypted,
    encrypted,
    prune_rate,
    pruned,
    read_key,
    summed,
)
from scionwood_federated.rules.low_rank import pair_names
from scionwood_federated.rules.pooled import Pooled, of_kind
from scionwood_federated.rules.registry import RULES, check_samples
from scionwood_federated.update.folder import (
    ADAPTER,
    RECIPE,
    SITE,
    digest_of,
    read_start,
    write_json,
    write_start,
)
from scionwood_federated.update.record import FederationError, Site, Update
from scionwood_federated.update.together import check_records

VALUES = "values.ckks"
_PLAIN = ("adapter_config.json", "scionwood.json")


def is_encrypted(folder: str | Path) -> bool:
    """Return whether a folder holds an encrypted update."""
    return (Path(folder) / VALUES).exists()


def write_encrypted(
    update: Update,
    start_folder: str | Path | None,
    key_file: str | Path,
    out: str | Path,
    *,
    rounds: int = 200,
) -> None:
    """Write an update whose tensors only the sites can read.

    Args:
        update: the update of a run that held A.
        start_folder: what the round started from; the change from it is sent.
        key_file: the public key.
        out: the folder to write.
        rounds: the number of all rounds, for the schedule of pruning.

    Raises:
        FederationError: A was not held, no start is named or another one, or a value is too large.
        OutputExistsError: the folder exists.
    """
    if start_folder is None:
        raise FederationError("--encrypt", "the change from the start is encrypted", "Add --start")
    start = read_start(start_folder)
    _check_held(update, start)
    check_target(out, overwrite=False)
    key, rate = read_key(key_file), prune_rate(update.about.round, rounds)
    moving, begun = _moving(update), _moving(start)
    flat = [(moving[n].double() - begun[n].double()).flatten() for n in sorted(moving)]
    # Ciphertexts can only be added: the sum of n x over the sum of n is the weighted mean.
    values = update.about.samples * pruned(torch.cat(flat), rate)
    facts = {"key": key.name, "values": len(values), "rate": rate}
    about = replace(update.about, extra={**update.about.extra, "encrypted": facts})
    assert update.folder is not None  # it was read
    with writing(out), atomic_folder(out) as folder:
        _copy(update.folder, folder)
        encrypted(values, key, folder / VALUES)
        write_json(folder / SITE, about.dump())


def sum_encrypted(
    folders: Sequence[str | Path],
    key_file: str | Path,
    out: str | Path,
    *,
    rule: str = "frozen_a",
    most_samples: int | None = None,
) -> Site:
    """Add encrypted updates with the public key alone.

    Args:
        folders: the folders that the sites sent.
        key_file: the public key.
        out: the folder to write.
        rule: a rule that needs a sum only.
        most_samples: the largest number of samples that a site may claim.

    Raises:
        FederationError: the rule needs single updates, or the updates do not fit together.
        AdapterFileError: a folder is damaged.
        OutputExistsError: the folder exists.
    """
    refuse_single(rule)
    check_target(out, overwrite=False)
    paths = [Path(folder) for folder in folders]
    sites = [Site.parse(adapters.read_json(path / SITE), str(path / SITE)) for path in paths]
    check_records(sites)
    check_samples(sites, most_samples)
    facts = [_facts(site) for site in sites]
    key = read_key(key_file)
    for site, fact in zip(sites, facts, strict=True):
        if fact != facts[0] or fact["key"] != key.name:
            rule_ = "its key, its pruning or the number of its values is not that of the others"
            raise FederationError(f"site {site.site}", rule_, "Let all sites use one public key")
    total = sum(site.samples for site in sites)
    names = [site.site for site in sites]
    extra = {"encrypted": facts[0], "rule": rule, "sites": names}
    about = replace(sites[0], site="global", samples=total, extra=extra)
    with writing(out), atomic_folder(out) as folder:
        _copy(paths[0], folder)
        summed([path / VALUES for path in paths], key, folder / VALUES)
        write_json(folder / SITE, about.dump())
    return about


def decrypt_sum(
    folder: str | Path, key_file: str | Path, start: str | Path, out: str | Path
) -> None:
    """Decrypt a sum at a site, into what the next round starts from.

    Args:
        folder: the folder that the server wrote.
        key_file: the secret key.
        start: what the round started from.
        out: the folder to write.

    Raises:
        FederationError: the key is a public one or of other sites, or the start is another one.
        AdapterFileError: a file is damaged.
        OutputExistsError: the folder exists.
    """
    check_target(out, overwrite=False)
    path, begun, key = Path(folder), read_start(start), read_key(key_file)
    about = Site.parse(adapters.read_json(path / SITE), str(path / SITE))
    facts = _facts(about)
    if about.start != digest_of(begun):
        raise FederationError(str(folder), "it started from other weights", "Give its own start")
    if facts["key"] != key.name:
        raise FederationError(str(folder), "it was encrypted with another key", "Give its own key")
    moving = _moving(begun)
    if sum(value.numel() for value in moving.values()) != facts["values"]:
        raise AdapterFileError(str(folder), "its values do not fit the start", "Give its own start")
    values = decrypted(path / VALUES, key, facts["values"]) / about.samples
    sizes = [moving[name].numel() for name in sorted(moving)]
    tensors = {
        name: of_kind(
            moving[name].double() + change.reshape(moving[name].shape), moving[name].dtype
        )
        for name, change in zip(sorted(moving), values.split(sizes), strict=True)
    }
    adapter = {name: tensors.get(name, value) for name, value in begun.adapter.items()}
    head = {name: tensors[f"head:{name}"] for name in begun.head}
    pooled = Pooled(adapter, head, 0.0, tuple(about.extra.get("sites", ())))
    recipe = Path(start) / RECIPE
    text = recipe.read_text(encoding="utf-8") if recipe.is_file() else ""
    write_start(pooled, begun, replace(about, held=""), out, text)


def refuse_single(user: str) -> None:
    """Refuse what needs the updates one by one, which encryption hides.

    Args:
        user: the name of a rule, or of a command.

    Raises:
        FederationError: it needs single updates.
    """
    if user in RULES and RULES[user].additive:
        return
    fact, remedy = "it looks at single updates, and encryption hides them", "Do not encrypt"
    if user not in RULES:
        raise FederationError(user, fact, remedy)
    additive_rules = ", ".join(name for name, rule in RULES.items() if rule.additive)
    raise FederationError(f"rule {user}", fact, f"{remedy}, or use {additive_rules}")


def _moving(update: Update) -> dict[str, Tensor]:
    """Return the tensors that move where A is held, and those of the head under `head:`."""
    still = {a for a, _ in pair_names(update.adapter).values()}
    plain = {name: value for name, value in update.adapter.items() if name not in still}
    return {**plain, **{f"head:{name}": value for name, value in update.head.items()}}


def _check_held(update: Update, start: Update) -> None:
    value = f"site {update.about.site}"
    if update.about.start != digest_of(start):
        raise FederationError(value, "it started from other weights", "Give the start of its run")
    for a, _ in pair_names(update.adapter).values():
        if not torch.equal(update.adapter[a], start.adapter[a]):
            rule = "A moved, and a sum of encrypted factors is exact only where it did not"
            raise FederationError(value, rule, "Train with --hold A")


def _facts(site: Site) -> dict[str, Any]:
    facts: Any = site.extra.get("encrypted")
    match facts:
        case {"key": str(), "values": int(count), "rate": float(rate) | int(rate)}:
            if 0 < count < 1 << 40 and 0 <= rate < 1:
                return dict(facts)
    rule = "its record does not say how it was encrypted"
    raise FederationError(f"site {site.site}", rule, "Write it again: round --encrypt public.key")


def _copy(source: Path, target: Path) -> None:
    (target / ADAPTER).mkdir()
    for name in _PLAIN:
        shutil.copyfile(source / ADAPTER / name, target / ADAPTER / name)
