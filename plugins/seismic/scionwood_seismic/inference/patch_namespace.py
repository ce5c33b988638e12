"""`patch.scionwood.denoise(...)` for DASCore patches; DASCore loads it through an entry point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from dascore.utils.namespace import PatchNameSpace

if TYPE_CHECKING:
    from dascore import Patch

    from scionwood import Task
    from scionwood_seismic.inference.adaptation import Adaptation


def denoise(
    patch: Patch,
    run: str | Path | Task = "seismic/denoise",
    *,
    device: str = "cpu",
    tile: int = 256,
    overlap: int = 64,
    tta: Adaptation | None = None,
) -> Any:
    """Denoise a patch and return a new one; see `scionwood_seismic.api.denoise`."""
    from scionwood_seismic.inference.objects import denoise_object

    return denoise_object(patch, run, device=device, tile=tile, overlap=overlap, tta=tta)


@final
class ScionwoodNamespace(PatchNameSpace):  # type: ignore[misc]
    """The methods of `patch.scionwood`; DASCore passes the patch as their first argument."""

    name: ClassVar[str] = "scionwood"

    denoise = denoise
