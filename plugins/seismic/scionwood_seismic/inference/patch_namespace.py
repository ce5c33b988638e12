"""`patch.scionwood.denoise(...)` for DASCore patches; DASCore loads it through an entry point."""

from __future__ import annotations

from typing import ClassVar, final

from dascore.utils.namespace import PatchNameSpace

from scionwood_seismic.verbs.denoise import denoise_data


@final
class ScionwoodNamespace(PatchNameSpace):  # type: ignore[misc]
    """The methods of `patch.scionwood`; DASCore passes the patch as their first argument."""

    name: ClassVar[str] = "scionwood"

    denoise = denoise_data
