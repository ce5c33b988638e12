"""Move dates into the past by whole days."""

from __future__ import annotations

import re
from datetime import date, timedelta

# The old form of ACR-NEMA has points between the parts: 2004.03.01.
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})(.*)", re.S)
_TIME_AND_ZONE = re.compile(r"(\d{2,6}(\.\d{1,6})?)?([+-]\d{4})?")
_TIME = re.compile(r"\d{2}:?(\d{2}:?(\d{2}(\.\d{1,6})?)?)?")


def shifted(value: str, vr: str, days: int) -> str:
    """Return a date some days earlier; a time stays, and an odd value gives an empty text.

    Args:
        value: a value of the representation DA, DT or TM.
        vr: the representation.
        days: number of days.

    Example:
        >>> from scionwood_deid.dates import shifted
        >>> shifted("20040301", "DA", 1)
        '20040229'
    """
    text = value.strip()
    if vr == "TM":
        return text if _TIME.fullmatch(text) else ""
    match = _DATE.fullmatch(text)
    if match is None or (match[4] and (vr == "DA" or not _TIME_AND_ZONE.fullmatch(match[4]))):
        return ""
    try:
        day = date(int(match[1]), int(match[2]), int(match[3])) - timedelta(days)
    except (ValueError, OverflowError):
        return ""
    # A time of day in a DT stays: the offset is of whole days, so that intervals stay true.
    return f"{day:%Y%m%d}{match[4]}"
