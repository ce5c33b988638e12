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
    """The meaning of a parameter.

    Paths: `input`, `output` or `run`. Names, which completion knows: `recipe`, `plugin`, `command`,
    and `part` of a plugin. The words after `--`: `rest`.
    """

    meaning: str


InputPath = Annotated[Path, Mark("input")]
"""A file or folder that exists. The command line refuses a path that does not. It passes `-` on,
which is standard input for commands that say so, and no file for others."""

STDIN = "-"
"""The word for standard input."""

OutputPath = Annotated[Path, Mark("output")]
"""A file or folder to write. The command line refuses one that exists, unless `force` or `resume`
is a parameter that is true."""

RunPath = Annotated[Path | str, Mark("run")]
"""A finished run by any reference that `find_run` takes. The command line passes its folder."""

RestWords = Annotated[list[str], Mark("rest")]
"""The words after `--`, which the command line passes on as they are."""

RecipeName = Annotated[str, Mark("recipe")]
"""A recipe of a plugin, `seismic/denoise`, or a YAML file."""

PluginName = Annotated[str, Mark("plugin")]
"""A plugin that is installed."""

CommandName = Annotated[str, Mark("command")]
"""A command of a plugin, `seismic/denoise`."""

PartName = Annotated[str, Mark("part")]
"""A plugin, or a component or recipe of a plugin."""
