"""`patch.scionwood.denoise(...)` for DASCore patches; DASCore loads it through an entry point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from dascore.utils.namespace import PatchNameSpace

if TYPE_CHECKING:
    from dascore import Patch

    from scionwood import Task
    from scionwood_seismic.inference.adaptation import Adaptation
    from scionwood_seismic.inference.choice import Model
    from scionwood_seismic.inference.gate import GateOptions


def denoise(
    patch: Patch,
    run: str | Path | Task | None = None,
    *,
    model: Model = "auto",
    level: float | None = None,
    common_mode: bool = False,
    gate: GateOptions | None = None,
    device: str = "cpu",
    tile: int | None = None,
    overlap: int | None = None,
    tta: Adaptation | None = None,
) -> Any:
    """Denoise a patch and return a new one; see `scionwood_seismic.api.denoise`."""
    from scionwood_seismic.api import denoise

    return denoise(
        patch,
        run,
        model=model,
        level=level,
        common_mode=common_mode,
        gate=gate,
        device=device,
        tile=tile,
        overlap=overlap,
        tta=tta,
    )


@final
class ScionwoodNamespace(PatchNameSpace):  # type: ignore[misc]
    """The methods of `patch.scionwood`; DASCore passes the patch as their first argument."""

    name: ClassVar[str] = "scionwood"

    denoise = denoise
