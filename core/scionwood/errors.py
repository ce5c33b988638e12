"""One tree of errors; each message states the value, the rule that it breaks, and the remedy."""

from __future__ import annotations

from typing import Any


class ScionwoodError(Exception):
    """The root of every error that Scionwood raises on purpose.

    Args:
        value: the value at fault with its name, such as a file, a key or a plugin.
        rule: what is required instead.
        remedy: what the reader can do about it.
    """

    def __init__(self, value: str, rule: str = "", remedy: str = "") -> None:
        self.value, self.rule, self.remedy = value, rule, remedy
        head = f"{value}: {rule}" if rule else value
        super().__init__(f"{head}. {remedy}" if remedy else head)

    def __reduce__(self) -> tuple[Any, ...]:
        # OSError keeps other `args`, so say how to rebuild across processes.
        return type(self), (self.value, self.rule, self.remedy)


class PluginError(ScionwoodError, RuntimeError):
    """A plugin or one of its components is missing, broken, ambiguous or of another API."""


class RecipeError(ScionwoodError, ValueError):
    """A recipe names something unknown, or gives a value that its component does not accept."""


class AdapterError(ScionwoodError, ValueError):
    """An adapter does not fit the model, or an operation does not fit the adapter."""


class AdapterFileError(AdapterError):
    """A saved adapter is damaged, hostile, or made for another base."""


class WeightsError(ScionwoodError, FileNotFoundError):
    """Pretrained weights are absent, unreadable, or of another architecture."""


class ReadError(ScionwoodError, OSError):
    """A data file is missing, damaged, or not of the format that it claims."""


class WriteError(ScionwoodError, OSError):
    """A result could not be written completely; nothing is left under its final name."""


class OutputExistsError(WriteError, FileExistsError):
    """The output exists already, and the caller did not ask to overwrite it."""


class TrainingError(ScionwoodError, RuntimeError):
    """Training cannot go on: a loss that is not finite, a checkpoint that does not fit."""
