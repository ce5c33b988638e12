"""The unit of a file that is processed as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Record:
    """One unit of a file that is processed as a whole: a gather, a mesh frame, a slice.

    Attributes:
        key: identifies the record in its file, such as `{"fldr": 1001}`.
        data: the values; the axes are the reader's `dims`.
        coords: one array for each axis that has coordinates, in the reader's `units`.

    Example:
        >>> import numpy as np
        >>> from scionwood_sandbox import Record
        >>> gather = Record({"fldr": 1001}, np.zeros((24, 500), "float32"))
        >>> gather.data.shape, gather.key["fldr"]
        ((24, 500), 1001)
    """

    key: Mapping[str, int | str]
    data: np.ndarray
    coords: Mapping[str, np.ndarray] = field(default_factory=dict)
