"""The record of a base: what its weights are, where they come from, and what reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as made
from typing import Any, Literal, NamedTuple, final

PREFIX = "base:"
"""How an option of a recipe names a base: `backbone.weights: base:plugin/name`."""


class Finding(NamedTuple):
    """One line of a verification: whether it holds, None for what was not compared, and what."""

    holds: bool | None
    text: str


@final
@dataclass(frozen=True, kw_only=True)
class Base:
    """Pretrained weights that a user can trust: a record in `BASES` of a plugin's module `bases`.

    The files come from a package of an index, from the hub, or from the user alone. A record holds
    facts; `base_path`, `get_base` and `verify_base` read the files.

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
