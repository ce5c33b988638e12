"""The table of `kernel_report`: which implementation runs in each adapter layer, and why."""

from __future__ import annotations

from typing import NamedTuple, final


@final
class Row(NamedTuple):
    """The implementation that runs in one adapter layer."""

    layer: str
    implementation: str
    """`addmm`, `triton`, `weight-space`, or `peft` for the forward of peft."""
    why: str


@final
class KernelReport(tuple[Row, ...]):
    """One row for each adapter layer of a model; `print` shows a table."""

    def __str__(self) -> str:
        if not self:
            return "no adapter layers"
        wide = [max(len(row[i]) for row in self) for i in (0, 1)]
        return "\n".join(f"{r[0]:{wide[0]}}  {r[1]:{wide[1]}}  {r[2]}" for r in self)
