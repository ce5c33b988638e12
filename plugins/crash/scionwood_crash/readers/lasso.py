"""Access to lasso-python, which is imported on demand, with checked sizes and states on demand."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, final

import numpy as np

from scionwood import PluginError

RIGID = 20
"""Type number of *MAT_RIGID."""
_SECTIONS = [
    "global_section",
    "nodes",
    "solids_thermal",
    "solids",
    "tshell",
    "beams",
    "shell",
    "is_alive",
]
"""The sections of a state that lasso reads, in the order of the file, up to the shells."""


def lasso_d3plot() -> Any:
    """Return the class `D3plot` of lasso-python.

    Raises:
        PluginError: lasso-python is not installed.
    """
    try:
        from lasso.dyna import D3plot
    except ImportError as error:
        rule = "d3plot files need lasso-python, which is not installed"
        raise PluginError("crash/dyna", rule, "pip install lasso-python") from error
    return D3plot


def open_states(path: Path) -> Any:
    """Open a d3plot file whose states are read one by one; see `_states_class`.

    Raises:
        PluginError: lasso-python is not installed.
        ValueError: a state lies outside its file.
    """
    return _states_class(lasso_d3plot())(str(path))


@cache
def _states_class(plain: Any) -> Any:
    @final
    class States(plain):  # type: ignore[misc]
        """The mesh of a file, and the place of each state.

        lasso parses the mesh once and decodes a state as views of its bytes. It would read all
        states at once, or open the files anew for each. The names that begin with an underscore are
        its own; a test guards them.
        """

        def _read_states(self, filepath: str) -> None:
            self.state_bytes = int(self._compute_n_bytes_per_state())
            if self.state_bytes < self.header.wordsize:
                raise ValueError(f"a state of {self.state_bytes} bytes")
            self.places: list[tuple[Path, int]] = []
            for info in self._collect_file_infos(self.state_bytes):
                if not 0 <= info.start <= info.start + info.length <= info.filesize:
                    raise ValueError(f"states of {info.length} bytes in {info.filesize}")
                starts = (int(info.start) + n * self.state_bytes for n in range(int(info.n_states)))
                self.places += [(Path(info.filepath), start) for start in starts]
            self._buffer = None  # the bytes of the first file

        def times(self) -> np.ndarray:
            """Return the time of each state, (state,) float64: its first word."""
            first = [self._words(at, 1)[0] for at in range(len(self.places))]
            return np.array(first, np.float64)

        def state(self, index: int) -> dict[str, np.ndarray]:
            """Return the arrays of a state by the names of lasso, each without the axis of time."""
            words = self._words(index, self.state_bytes // self.header.wordsize)[None]
            arrays: dict[str, np.ndarray] = {}
            at = 0
            for section in _SECTIONS:
                at = getattr(self, f"_read_states_{section}")(words, at, arrays)
            return {str(name): values[0] for name, values in arrays.items()}

        def _words(self, index: int, count: int) -> np.ndarray:
            path, start = self.places[index]
            return np.fromfile(path, self.header.ftype, count, offset=start)

    return States
