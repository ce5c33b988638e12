"""A layout as plain values that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scionwood_pde.readers.layout import UNKNOWN, Channel, Layout


def to_card(layout: Layout) -> dict[str, Any]:
    """Return a layout as numbers, strings, lists and dicts."""
    return {
        "samples": layout.samples,
        "times": layout.times.tolist(),
        "coords": {axis: points.tolist() for axis, points in layout.coords.items()},
        "channels": {channel.name: channel.unit for channel in layout.channels},
        "units": dict(layout.units),
        "boundary": dict(layout.boundary),
        "dtype": layout.dtype.name,
        "equation": layout.equation,
    }


def from_card(card: Mapping[str, Any]) -> Layout:
    """Return the layout that `to_card` turned into plain values.

    Raises:
        KeyError: a value is missing.
    """
    axes = ("sample", "time", *card["coords"])
    return Layout(
        card["samples"],
        np.array(card["times"]),
        {axis: np.array(points) for axis, points in card["coords"].items()},
        tuple(Channel(name, unit, name, axes) for name, unit in card["channels"].items()),
        card["units"],
        card["boundary"],
        np.dtype(card["dtype"]),
        equation=card.get("equation", UNKNOWN),
    )
