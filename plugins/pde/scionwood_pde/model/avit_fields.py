"""Choose rows of a table of fields by name, and put stored tables into larger ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

from torch import Tensor, nn

from scionwood import RecipeError

NEW = "new."
"""Prefix of the name of a field that the weights do not know."""


@final
class FieldNames:
    """The fields of a state as rows of the table that a network has for all its fields.

    Args:
        fields: a name of `rows` for each field of a state. The part after its dot suffices where
            one name has it. A name such as `new.humidity` gets a row of its own after the others.
        rows: names of the rows of the weights, in their order.

    Raises:
        RecipeError: a name is unknown, has several rows, or comes twice.
    """

    def __init__(self, fields: Sequence[str], rows: Sequence[str]) -> None:
        if not fields:
            raise RecipeError("fields: []", "a state has one field or more", "Name its fields")
        self.known = len(rows)
        new_names = [name for name in fields if name.startswith(NEW)]
        names = [*rows, *new_names]
        self.new = len(new_names)
        self.places = tuple(_place(name, names) for name in fields)
        twice = [name for name, n in zip(fields, self.places, strict=True) if _twice(n, self)]
        if twice:
            rule = "a state has each field once"
            raise RecipeError(f"fields: {twice}", rule, "Name each row once, or `new.NAME`")

    @property
    def rows(self) -> int:
        """Number of rows of the table, those of new fields included."""
        return self.known + self.new


def _twice(place: int, names: FieldNames) -> bool:
    return names.places.count(place) > 1


def _place(name: str, names: Sequence[str]) -> int:
    """Return the row of a name.

    Raises:
        RecipeError: no row has it, or several have it.
    """
    rows = [i for i, row_name in enumerate(names) if row_name == name]
    rows = rows or [i for i, row_name in enumerate(names) if row_name.split(".")[-1] == name]
    if len(rows) == 1 or (rows and name.startswith(NEW)):
        return rows[0]
    rule = "several rows have this name" if rows else "the weights have no such row"
    choices = ", ".join(names[i] for i in rows) if rows else ", ".join(names)
    remedy = f"Choose among {choices}" + ("" if rows else f"; or write {NEW}{name}")
    raise RecipeError(f"field {name!r}", rule, remedy)


def put(network: nn.Module, stored: Mapping[str, Tensor]) -> None:
    """Copy tensors into a network; rows of new fields keep their values.

    Args:
        network: is changed in place.
        stored: tensors by name, with the shapes of the network's, or smaller.
    """
    state = network.state_dict()
    for name, value in stored.items():
        if name in state:
            state[name][tuple(slice(0, side) for side in value.shape)].copy_(value)
