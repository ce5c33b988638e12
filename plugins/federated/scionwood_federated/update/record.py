"""An update in memory, and the record that travels with it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from peft import PeftConfig
from torch import Tensor

from scionwood import AdapterFileError, ScionwoodError

FORMAT = 1
"""The newest format of `site.json` and `pool.json` that this version reads."""

_NUMBERS = ("samples", "steps", "round")
Poolable = Literal["product", "mean", "no"]


class FederationError(ScionwoodError):
    """Updates do not fit together, or a rule cannot pool them.

    Example:
        >>> from scionwood_federated import FederationError
        >>> error = FederationError("site north", "it sent no samples", "Ask for another update")
        >>> error.rule
        'it sent no samples'
    """


def is_name(name: object) -> bool:
    """Return whether a value can name a site: 1 to 200 printable characters, not all spaces.

    Args:
        name: the value.
    """
    return (
        isinstance(name, str) and 0 < len(name.strip()) <= len(name) <= 200 and name.isprintable()
    )


def folded(name: str) -> str:
    """Return the name of a site without case, outer spaces and ways to write the same letters.

    Two names that fold to one are those of one site.

    Args:
        name: the name as the site writes it.
    """
    return unicodedata.normalize("NFKC", name).strip().casefold()


@dataclass(frozen=True)
class Site:
    """What a site says of its update. It holds no statistic of the data.

    Attributes:
        site: the name of the site; `global` for what a round starts from.
        samples: the number of training samples.
        steps: the optimiser steps of the round.
        round: the number of the round, from 1; a start has the number of the last round.
        start: the hash of the weights that the round started from; empty for the first start.
        base: the hash of the frozen base.
        recipe: the hash of task, backbone and adapter, without rank and without local paths.
        preprocessing: the hash of the options of the data that all sites share.
        own: the names of the options of the data that each site sets for itself.
        held: the factors that did not move: `A` for the rule `frozen_a`, or nothing.
        extra: what else the file says, such as the budget of differential privacy.

    Example:
        >>> from scionwood_federated import update_of
        >>> update_of("seismic/denoise", site="north", samples=1).about.site
        'north'
    """

    site: str
    samples: int
    steps: int
    round: int
    start: str
    base: str
    recipe: str
    preprocessing: str
    own: tuple[str, ...] = ()
    held: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """Return the record as JSON takes it."""
        record = {"format": FORMAT, **asdict(self), "own": list(self.own)}
        # In this order, so that nothing extra can stand for a field.
        return {**record.pop("extra"), **record}

    @classmethod
    def parse(cls, record: Mapping[str, Any], where: str) -> Self:
        """Return the record of a file.

        Args:
            record: the content of the file.
            where: the name of the file, for the error.

        Raises:
            AdapterFileError: a key is missing, or has a value of another type.
        """
        if record.get("format") != FORMAT:
            rule = f"its format is {record.get('format')!r}, not {FORMAT}"
            raise AdapterFileError(where, rule, "Upgrade scionwood-federated")
        stored = {f.name: record[f.name] for f in fields(cls) if f.name in record}
        values: dict[str, Any] = {"own": [], "held": "", **stored}
        texts = ("start", "base", "recipe", "preprocessing", "held")
        good = (
            is_name(values.get("site"))
            and all(type(n := values.get(key)) is int and 0 <= n < 1 << 48 for key in _NUMBERS)
            and all(isinstance(s := values.get(key), str) and len(s) <= 200 for key in texts)
            and isinstance(values["own"], list)
            and all(isinstance(name, str) for name in values["own"])
        )
        if not good:
            rule = "site, samples, steps, round, start, base, recipe or preprocessing is wrong"
            raise AdapterFileError(where, rule, "Write it again: scionwood federated round")
        extra = {key: v for key, v in record.items() if key not in values and key != "format"}
        return cls(**{**values, "own": tuple(values["own"]), "extra": extra})


@dataclass(frozen=True)
class Update:
    """The weights of a site, with its record.

    Attributes:
        about: the record.
        config: the config of the adapter, as peft has it.
        adapter: the tensors of the adapter by the names of peft's file.
        head: the tensors that train beside the adapter.
        folder: where it was read; `None` if it was never written.

    Example:
        >>> from scionwood_federated import update_of
        >>> update = update_of("seismic/denoise", samples=1)
        >>> len(update.adapter) > 0
        True
    """

    about: Site
    config: PeftConfig
    adapter: Mapping[str, Tensor]
    head: Mapping[str, Tensor]
    folder: Path | None = None


_VARIANTS = ("use_dora", "kasa_config", "monteclora_config", "use_bdlora", "arrow_config")
"""Options of LoRA with which the change of a weight is not linear in B A."""


def variants(config: PeftConfig) -> list[str]:
    """Return the options of an adapter with which the mean of its products means nothing.

    Args:
        config: the config of an adapter.
    """
    return [name for name in _VARIANTS if getattr(config, name, None)]


def poolable(config: PeftConfig) -> Poolable:
    """Return how adapters of a method may be pooled.

    A method of a plugin says so in the attribute `poolable` of its config class.

    Args:
        config: the config of an adapter.

    Returns:
        `product` if the change of a weight is linear in B A, `mean` if it is linear in the
        parameters, else `no`.

    Example:
        >>> from peft import IA3Config, LoraConfig
        >>> from scionwood_federated import poolable
        >>> poolable(LoraConfig()), poolable(IA3Config()), poolable(LoraConfig(use_dora=True))
        ('product', 'mean', 'no')
    """
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    if kind == "LORA":
        return "no" if variants(config) else "product"
    declared: Any = getattr(type(config), "poolable", "mean" if kind == "IA3" else "no")
    return declared if declared in ("product", "mean") else "no"
