"""One tree of errors; each message states the value, the rule that it breaks, and the remedy."""

from __future__ import annotations

from typing import Any


class ScionwoodError(Exception):
    """The root of every error that Scionwood raises on purpose.

    Args:
        value: the value at fault with its name, such as a file, a key or a plugin.
        rule: what is required instead.
        remedy: what the reader can do about it.

    Example:
        >>> error = scionwood.ScionwoodError("lr 0.0", "it must be positive", "Try 1e-3")
        >>> str(error), error.remedy
        ('lr 0.0: it must be positive. Try 1e-3', 'Try 1e-3')
    """

    def __init__(self, value: str, rule: str = "", remedy: str = "") -> None:
        self.value, self.rule, self.remedy = value, rule, remedy
        head = f"{value}: {rule}" if rule else value
        super().__init__(f"{head}. {remedy}" if remedy else head)

    def __reduce__(self) -> tuple[Any, ...]:
        # OSError keeps other `args`, so say how to rebuild across processes.
        return type(self), (self.value, self.rule, self.remedy)


class PluginError(ScionwoodError, RuntimeError):
    """A plugin or one of its components is missing, broken, ambiguous or of another API.

    Example:
        >>> scionwood.load("tasks", "seismic/denoize")
        Traceback (most recent call last):
        ...
        scionwood.errors.PluginError: plugin 'seismic': no task 'denoize'. Did you mean 'denoise'?
    """


class RecipeError(ScionwoodError, ValueError):
    """A recipe names something unknown, or gives a value that its component does not accept.

    Example:
        >>> scionwood.resolve("seismic/denoise", ["task.lrr=3e-4"])
        Traceback (most recent call last):
        ...
        scionwood.errors.RecipeError: seismic/denoise: task: unknown key 'lrr': ...
    """


class AdapterError(ScionwoodError, ValueError):
    """An adapter does not fit the model, or an operation does not fit the adapter.

    Example:
        >>> scionwood.save_head(torch.nn.Linear(2, 1), "head.safetensors")
        Traceback (most recent call last):
        ...
        scionwood.errors.AdapterError: head of Linear: the backbone declares none. ...
    """


class AdapterFileError(AdapterError):
    """A saved adapter is damaged, hostile, or made for another base.

    Example:
        >>> scionwood.load_adapter(torch.nn.Linear(2, 1), "no-adapter")
        Traceback (most recent call last):
        ...
        scionwood.errors.AdapterFileError: no-adapter/adapter_config.json: there is no such ...
    """


class WeightsError(ScionwoodError, FileNotFoundError):
    """Pretrained weights are absent, unreadable, or of another architecture.

    Example:
        >>> scionwood.load_weights(torch.nn.Linear(2, 1), "tiny.safetensors")
        Traceback (most recent call last):
        ...
        scionwood.errors.WeightsError: tiny.safetensors: there is no such weights file. ...
    """


class ReadError(ScionwoodError, OSError):
    """A data file is missing, damaged, or not of the format that it claims.

    Example:
        >>> scionwood.batch.jobs_for(["shots/1.sgy"], "clean/{name}")
        Traceback (most recent call last):
        ...
        scionwood.errors.ReadError: shots/1.sgy: there is no such file. Check the path
    """


class WriteError(ScionwoodError, OSError):
    """A result could not be written completely; nothing is left under its final name.

    Example:
        >>> import errno
        >>> with scionwood.writing("clean.sgy"):
        ...     raise OSError(errno.ENOSPC, "No space left on device")
        Traceback (most recent call last):
        ...
        scionwood.errors.WriteError: clean.sgy: it cannot be written (No space left on device). ...
    """


class OutputExistsError(WriteError, FileExistsError):
    """The output exists already, and the caller did not ask to overwrite it.

    Example:
        >>> scionwood.check_target(".", overwrite=False)
        Traceback (most recent call last):
        ...
        scionwood.errors.OutputExistsError: .: it exists already. ...
    """


class TrainingError(ScionwoodError, RuntimeError):
    """Training cannot go on: a loss that is not finite, a checkpoint that does not fit.

    Example:
        >>> scionwood.test("runs/none")
        Traceback (most recent call last):
        ...
        scionwood.errors.TrainingError: run runs/none: there is no such folder, ...
    """
