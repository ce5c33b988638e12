"""Colour profiles (ICC): numbers stay, and texts, dates and names of devices are found."""

from __future__ import annotations

import struct

from scionwood_deid.fragments import Span

_NUMBERS = frozenset({
    b"XYZ ", b"curv", b"para", b"mft1", b"mft2", b"mAB ", b"mBA ", b"sf32", b"uf32", b"ui08",
    b"ui16", b"ui32", b"meas", b"view", b"clrt", b"chrm", b"mpet",
})  # fmt: skip
"""Kinds of tags that hold numbers alone."""


def profile_spans(profile: bytes) -> list[Span]:
    """Return the texts of a profile, and the parts of its header that tell its origin.

    Args:
        profile: the value of ICCProfile.

    Source: ICC.1:2022, clauses 7 and 10.
    """
    if not profile.strip(b"\0"):
        return []
    if len(profile) < 132 or profile[36:40] != b"acsp":
        return [Span("a colour profile that cannot be read", 0, len(profile))]
    (count,) = struct.unpack_from(">I", profile, 128)
    table = 132 + 12 * min(count, (len(profile) - 132) // 12)
    # The bytes in between tell when, on what and by whom; none of them changes a colour.
    colour_spans = [(0, 24), (36, 40), (44, 48), (56, 80), (128, table)]
    for at in range(132, table, 12):
        start, size = struct.unpack_from(">II", profile, at + 4)
        kind = profile[start : start + 4]
        # Of a text the name of its kind stays, so that the table leads to a tag.
        colour_spans.append((start, start + (size if kind in _NUMBERS else 4)))
    spans, end = [], 0
    for start, stop in [*sorted(colour_spans), (len(profile), len(profile))]:
        if start > end and any(profile[end:start]):
            spans.append(Span("texts of a colour profile", end, min(start, len(profile))))
        end = max(end, stop)
    return spans
