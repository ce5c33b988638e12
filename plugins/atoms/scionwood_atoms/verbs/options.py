"""The options of dynamics, for Python and the command line."""

from __future__ import annotations

from dataclasses import dataclass

from scionwood import RecipeError


@dataclass(frozen=True, kw_only=True)
class MdOptions:
    """How a structure moves.

    Attributes:
        ps: the length, ps.
        kelvin: the temperature of the thermostat, and of the velocities that are drawn, K.
        nve: move at constant energy instead of by Langevin dynamics.
        fs: the step, fs. With hydrogen 0.5, without 1 to 2.
        friction: of the Langevin dynamics, 1/ps.
        every: write each structure after so many steps.
        frame: the structure of the file that moves, from 0.
        seed: of the velocities and of the thermostat.

    Raises:
        RecipeError: a number is not above zero, or the frame is below zero.

    Example:
        >>> MdOptions(ps=0.5, nve=True).kelvin
        300.0
    """

    ps: float = 1.0
    kelvin: float = 300.0
    nve: bool = False
    fs: float = 0.5
    friction: float = 10.0
    every: int = 20
    frame: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("ps", "kelvin", "fs", "friction", "every"):
            check_positive(name, getattr(self, name))
        if self.frame < 0:
            raise RecipeError(f"frame {self.frame}", "frames count from 0", "Give one of the file")


def check_positive(name: str, value: float) -> None:
    """Raise `RecipeError` unless a number is above zero and finite."""
    if not 0 < value < float("inf"):
        raise RecipeError(f"{name} {value}", "it is a finite number above zero", "Choose another")
