"""Refuse a Blosc chunk whose header states another size than the chunk has.

The Blosc library trusts that size, and reads beyond the end of the chunk.
"""

from __future__ import annotations

from typing import Any

import numcodecs
from numcodecs.blosc import Blosc

_HEADER = 16
"""Bytes of the header; its last four are the size of the chunk.

Source: https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
"""


class CheckedBlosc(Blosc):  # type: ignore[misc]  # numcodecs is untyped
    """The codec `blosc` of numcodecs, with a check before it decodes."""

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode a chunk.

        Raises:
            ValueError: the chunk is shorter or longer than its header states.
        """
        view = memoryview(buf).cast("B")
        size_in_header = int.from_bytes(view[_HEADER - 4 : _HEADER], "little")
        if len(view) < _HEADER or size_in_header != len(view):
            raise ValueError(f"a Blosc chunk of {len(view)} bytes states {size_in_header} bytes")
        return super().decode(buf, out)


def check_chunks() -> None:
    """Make Zarr use `CheckedBlosc` for the stores of version 2 that this process opens."""
    numcodecs.register_codec(CheckedBlosc)
