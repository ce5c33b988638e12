"""`patch.scionwood.denoise(...)` on the patches of DASCore, which finds this by entry point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

from dascore.utils.namespace import PatchNameSpace

if TYPE_CHECKING:
    from dascore import Patch

    from scionwood import Task
    from scionwood_seismic.inference.adaptation import Adaptation


def denoise(
    patch: Patch,
    run: Path | str | Task,
    *,
    device: str = "cpu",
    tile: int = 256,
    overlap: int = 64,
    tta: Adaptation | None = None,
) -> Patch:
    """Denoise a patch; see `scionwood_seismic.api.denoise`."""
    from scionwood_seismic.inference.objects import denoise_object

    return denoise_object(patch, run, device=device, tile=tile, overlap=overlap, tta=tta)


@final
class ScionwoodNamespace(PatchNameSpace):  # type: ignore[misc]
    """The methods under `patch.scionwood`; DASCore passes them the patch."""

    name: ClassVar[str] = "scionwood"

    denoise = denoise
