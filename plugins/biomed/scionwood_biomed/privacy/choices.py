"""The options of a de-identification by name; this module imports no library."""

from __future__ import annotations

from typing import Literal

Dates = Literal["remove", "shift", "keep"]
"""What happens to dates and times: `shift` moves dates by an offset of the patient."""

Kept = Literal["device", "institution", "patient", "uids"]
"""Groups of attributes that an option of PS3.15 retains."""
