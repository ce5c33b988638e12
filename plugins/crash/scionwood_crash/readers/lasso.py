"""Access to lasso-python, which is imported on demand, with checked sizes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from scionwood import PluginError

if TYPE_CHECKING:
    from lasso.dyna import D3plot

RIGID = 20
"""Type number of *MAT_RIGID."""


def lasso_d3plot() -> type[D3plot]:
    """Return the class `D3plot` of lasso-python, which checks sizes before it allocates.

    Raises:
        PluginError: lasso-python is not installed.
    """
    try:
        from lasso.dyna import D3plot
    except ImportError as error:
        rule = "d3plot files need lasso-python, which is not installed"
        raise PluginError("crash/dyna", rule, "pip install lasso-python") from error
    return _checked(D3plot)


@cache
def _checked(plain: type[D3plot]) -> type[D3plot]:
    @final
    class Checked(plain):  # type: ignore[misc,unused-ignore]
        """Refuses states that lie outside their file before lasso allocates memory for them."""

        def _collect_file_infos(self, size_per_state: int) -> list[Any]:
            if size_per_state < self.header.wordsize:
                raise ValueError(f"a state of {size_per_state} bytes")
            infos: list[Any] = super()._collect_file_infos(size_per_state)
            for info in infos:
                if not 0 <= info.start <= info.start + info.length <= info.filesize:
                    raise ValueError(f"states of {info.length} bytes in {info.filesize}")
            return infos

    return Checked


def buffer(path: Path) -> Any:
    """Return the bytes of a file in the form that lasso-python reads."""
    from lasso.io.binary_buffer import BinaryBuffer

    return BinaryBuffer(str(path))
