"""Which values of a state a function changed, and whether its file can hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scionwood import Record, WriteError
from scionwood.authoring import RecordFunction
from scionwood_pde.readers.layout import Channel, Layout


def rewritten(
    path: Path, record: Record, function: RecordFunction
) -> tuple[np.ndarray, np.ndarray]:
    """Return the new data of a record, and a mask of the values that changed.

    Raises:
        WriteError: the function changed the shape.
    """
    before = record.data.copy()  # the function may work in place
    after = np.asarray(function(record))
    if after.shape != before.shape:
        rule = f"state {dict(record.key)} came back as {after.shape}, it was {before.shape}"
        raise WriteError(str(path), rule, "A function must keep the shape")
    return after, after != before


def check_writable(path: Path, channel: Channel, array: Any, layout: Layout) -> None:
    """Check that a file can hold a change of one state of a channel.

    Raises:
        WriteError: its array is shared by several states, or stored as integers or packed.
    """
    sizes = {"sample": layout.samples, "time": len(layout.times)}
    sizes.update(zip(layout.axes, layout.sides, strict=True))
    shared = [axis for axis, size in sizes.items() if size > 1 and axis not in channel.axes]
    remedy = "Write the states to a new file"
    if shared:
        rule = f"field {channel.name!r} is stored once for every {', '.join(shared)}"
        raise WriteError(str(path), rule, remedy)
    if array.dtype.kind != "f" or {"scale_factor", "add_offset"} & set(array.attrs):
        rule = f"field {channel.name!r} is stored as integers or packed"
        raise WriteError(str(path), rule, remedy)
