"""The families of the suite: single parts, and assemblies of several pieces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scionwood import RecipeError
from scionwood_crash.suite.assemblies import bumper_boxes, hat_plate, hat_plate_loose
from scionwood_crash.suite.profiles import Design as Design
from scionwood_crash.suite.profiles import box as box
from scionwood_crash.suite.profiles import bumper as bumper
from scionwood_crash.suite.profiles import half_wave as half_wave
from scionwood_crash.suite.profiles import hat as hat
from scionwood_crash.suite.profiles import tube as tube

FAMILIES: dict[str, Callable[[np.random.Generator], Design]] = {
    "hat": hat,
    "bumper": bumper,
    "tube": tube,
    "box": box,
    "hat_plate": hat_plate,
    "hat_plate_loose": hat_plate_loose,
    "bumper_boxes": bumper_boxes,
}
SINGLE = ("hat", "bumper", "tube", "box")
"""The families of one piece; the others are assemblies."""


def design(family: str, seed: int, index: int) -> Design:
    """Return design number `index` of a family; it does not depend on the number of designs.

    Raises:
        RecipeError: the family is unknown.
    """
    if family not in FAMILIES:
        rule = "the suite has no family of this name"
        raise RecipeError(f"family {family!r}", rule, f"Choose one of: {', '.join(FAMILIES)}")
    number = list(FAMILIES).index(family)
    return FAMILIES[family](np.random.default_rng([seed, number, index]))
