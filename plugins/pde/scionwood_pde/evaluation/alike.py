"""Whether two files of states have the same units and the same grid."""

from __future__ import annotations

from scionwood import RecipeError
from scionwood_pde.readers.layout import UNKNOWN, Layout

CLOSE = 0.01
"""Largest relative difference of the spacings of two grids that count as one."""


def check_alike(predicted: Layout, reference: Layout) -> None:
    """Check that units and grids agree, as far as both state them.

    Args:
        predicted: the layout of predicted states.
        reference: the layout of the states with which they are compared.

    Raises:
        RecipeError: a unit, a spacing or the direction of an axis differs; the message names both.
    """
    mine, expected = (_units(layout) for layout in (predicted, reference))
    for name in mine.keys() & expected.keys():
        if mine[name] != expected[name] and UNKNOWN not in (mine[name], expected[name]):
            rule = f"unit of {name} is {mine[name]}; in the reference states it is {expected[name]}"
            remedy = "Convert values and unit of one of them"
            if name == "time":
                remedy += ", or open both with decode_times=False"
            raise RecipeError("predicted states", rule, remedy)
    steps, others = predicted.spacing(), reference.spacing()
    for axis in steps.keys() & others.keys():
        spacing, target = steps[axis], others[axis]
        units_known = UNKNOWN not in (predicted.units[axis], reference.units[axis])
        if units_known and abs(spacing - target) > CLOSE * abs(target):
            rule = f"points along {axis} lie {spacing:g} apart; in the reference states {target:g}"
            remedy = "Compare states on one grid; sortby turns an axis"
            raise RecipeError("predicted states", rule, remedy)


def _units(layout: Layout) -> dict[str, str]:
    return {**layout.units, **{channel.name: channel.unit for channel in layout.channels}}
