"""Sizes of the networks: their widths and coarse grids; the data use the same grids."""

from __future__ import annotations

from typing import Literal, NamedTuple, final

from scionwood_crash.morph.template import Grid, Template

SizeName = Literal["tiny", "small", "base"]


@final
class Size(NamedTuple):
    """The dimensions of a network.

    Attributes:
        grids: nodes along and around the part on each coarse level, finest first.
        width: width of the states of nodes and edges.
        fine: blocks on the mesh before the coarse levels, and as many after them.
        coarse: blocks on each coarse level, once down and once up.
    """

    grids: tuple[Grid, ...]
    width: int
    fine: int
    coarse: int

    def template(self) -> Template:
        """Return the coarse grids with their connections."""
        return Template(self.grids)


SIZES: dict[str, Size] = {
    "tiny": Size(((7, 6), (4, 3)), 16, 1, 1),
    "small": Size(((17, 12), (9, 6), (5, 3)), 32, 1, 1),
    "base": Size(((33, 20), (17, 12), (9, 6)), 64, 2, 2),
}
