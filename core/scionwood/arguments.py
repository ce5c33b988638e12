"""Types of a command's parameters, which the command line checks before anything heavy is imported.

A function may use them like the plain types that they stand for. Example:

    def denoise(noisy: InputPath, clean: OutputPath, *, run: RunPath = "seismic/denoise") -> None:
        ...

"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated


@dataclass(frozen=True)
class Mark:
    """The meaning of a path: `input`, `output` or `run`; `rest` for the words after `--`."""

    meaning: str


InputPath = Annotated[Path, Mark("input")]
"""A file or folder that exists. The command line refuses a path that does not."""

OutputPath = Annotated[Path, Mark("output")]
"""A file or folder to write. The command line refuses one that exists, unless `force` or `resume`
is a parameter that is true."""

RunPath = Annotated[Path | str, Mark("run")]
"""A finished run by any reference that `find_run` takes. The command line passes its folder."""

RestWords = Annotated[list[str], Mark("rest")]
"""The words after `--`, which the command line passes on as they are."""
