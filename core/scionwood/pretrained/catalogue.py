"""The records of bases by name, and references to them in recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as made
from functools import cache
from importlib import import_module
from typing import Any, Literal, final

from scionwood.errors import PluginError, RecipeError
from scionwood.plugins import discovery

PREFIX = "base:"
"""How an option of a recipe names a base: `backbone.weights: base:plugin/name`."""


@final
@dataclass(frozen=True, kw_only=True)
class Base:
    """Pretrained weights that a user can trust: a record in `BASES` of a plugin's module `bases`.

    The files come from a package of an index, from the hub, or from the user alone. A record holds
    facts; `base_path` gives the files, which `scionwood bases get` fetches.

    Attributes:
        title: what it is, in one line.
        field: the field of science.
        trained_on: the data of the pretraining.
        parameters: how many numbers the file holds.
        licence: of code and weights, as their authors state it.
        commercial: whether the licence allows commercial use; `terms` if it has conditions of its
            own. Anything but `yes` must be accepted by name.
        files: SHA-256 by the path of each file in the package or repository; an empty text where
            the authors' file could not be hashed here.
        contract: the input in plain words: shape, units, normalisation.
        seen: whether common test data were in the pretraining: `yes`, `no` or `unknown`, and which.
        package: `name==version` on the package index.
        archive: the name of its wheel or source archive there.
        hub: `owner/name@revision` on the hub.
        gated: whether the hub asks for an account that accepted the terms.
        steps: what a user does who brings the files, if neither package nor hub can be asked.
        size: bytes to fetch.
        layout: the number of tensors, and a digest of their names and shapes.
        backbones: options by backbone; the value `base:` stands for the place of the files. The
            first one verifies the base, if there is no `probe`.
        lay_out: `"module:function"`; `function(files, folder)` writes what a backbone reads.
        probe: `"module:function"`; `function(place)` builds the network strictly and returns
            its output on a fixed input.
        outputs: the digest of that output; empty means that it was never compared.
        name: `plugin/name`, which the catalogue sets.

    Example:
        >>> facts = {"title": "A", "field": "sound", "trained_on": "speech", "parameters": 10}
        >>> base = authoring.Base(
        ...     **facts, licence="MIT", commercial="yes", files={"a.safetensors": ""}, contract="1"
        ... )
        >>> base.source
        'a file of yours'
    """

    title: str
    field: str
    trained_on: str
    parameters: int
    licence: str
    commercial: Literal["yes", "no", "terms"]
    files: Mapping[str, str]
    contract: str
    seen: str = "unknown"
    package: str = ""
    archive: str = ""
    hub: str = ""
    gated: bool = False
    steps: str = ""
    size: int = 0
    layout: str = ""
    backbones: Mapping[str, Mapping[str, Any]] = made(default_factory=dict)
    lay_out: str = ""
    probe: str = ""
    outputs: tuple[float, ...] = ()
    name: str = ""

    @property
    def source(self) -> str:
        """Where the files come from, in words."""
        if self.package:
            return f"package {self.package}"
        return f"hub {self.hub}" if self.hub else "a file of yours"


def bases() -> list[Base]:
    """Return the records of the pretrained weights that the installed plugins know, by name.

    Raises:
        PluginError: the module of a plugin's bases cannot be imported.

    Example:
        >>> "atoms/sevennet-0" in [base.name for base in scionwood.bases()]
        True
    """
    return [base for entry in discovery.plugins() if entry.plugin for base in _of(entry.name)]


def base(name: str | Base) -> Base:
    """Return the record of pretrained weights by its name.

    Args:
        name: `plugin/name`, with or without `base:` before it; a record gives itself.

    Raises:
        PluginError: there is no such base; the message has the nearest name.

    Example:
        >>> scionwood.base("atoms/sevennet-0").licence
        'MIT'
    """
    if isinstance(name, Base):
        return name
    name = name.removeprefix(PREFIX)
    owner, slash, _ = name.partition("/")
    table = {base.name: base for base in (_of(owner) if slash else bases())}
    if name not in table:
        rule = "no plugin knows this base"
        near = discovery.did_you_mean(name, table)
        raise PluginError(f"base {name!r}", rule, near or "See: scionwood bases")
    return table[name]


@cache
def _of(owner: str) -> tuple[Base, ...]:
    module = discovery.record(owner).bases
    if module is None:
        return ()
    try:
        table: dict[str, Base] = import_module(module).BASES
    except (ImportError, AttributeError) as error:
        rule = f"its bases cannot be imported ({error})"
        raise PluginError(f"plugin {owner!r}", rule, "Reinstall the plugin") from error
    return tuple(replace(base, name=f"{owner}/{name}") for name, base in table.items())


def spread(where: str, raw: dict[str, Any]) -> None:
    """Replace `backbone.weights: base:NAME` by the options of the base; other options stay."""
    backbone = raw.get("backbone")
    reference = backbone.get("weights") if isinstance(backbone, dict) else None
    if not isinstance(reference, str) or not reference.startswith(PREFIX):
        return
    named_base, name = base(reference), raw["backbone"].get("name")
    if name not in named_base.backbones:
        takers = ", ".join(named_base.backbones) or "none that is installed"
        rule = f"{name} cannot take {named_base.name}; backbones that can: {takers}"
        raise RecipeError(f"{where}: backbone.weights", rule, "See: scionwood bases")
    options = named_base.backbones[name]
    others = {key: value for key, value in raw["backbone"].items() if key != "weights"}
    chosen = {key: reference if value == PREFIX else value for key, value in options.items()}
    raw["backbone"] = {**others, **chosen}


def facts(options: Mapping[str, Any]) -> dict[str, str]:
    """Return what the card of a run states of the base that an option of its backbone names."""
    for value in options.values():
        if isinstance(value, str) and value.startswith(PREFIX):
            named_base = base(value)
            return {
                "weights": f"{named_base.name} of {named_base.source}",
                "licence": named_base.licence,
                "seen in pretraining": named_base.seen,
            }
    return {}
