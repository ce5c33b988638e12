"""One tree of errors; each message states the value, the rule that it breaks, and the remedy."""

from __future__ import annotations

import unicodedata
from typing import Any

_HIDDEN = ("Cc", "Cs", "Zl", "Zp")  # controls, half characters, separators of lines
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class ScionwoodError(Exception):
    """The root of every error that Scionwood raises on purpose.

    A control character of a file's name or content is escaped in the message, so that a file
    cannot steer the terminal or forge a line of a log. The attributes keep it.

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
        name = value.replace("\n", r"\n")  # a name must not begin a line of its own
        head = f"{name}: {rule}" if rule else name
        super().__init__(visible(f"{head}. {remedy}" if remedy else head))

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


def visible(text: str) -> str:
    r"""Return a text in which every character shows; line breaks and tabs stay.

    Control characters, half characters, and marks that reverse the reading direction become
    escapes. So a text from a file cannot steer a terminal.

    Example:
        >>> from scionwood.errors import visible
        >>> print(visible("a\x1b[2J.sgy"))
        a\x1b[2J.sgy
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character in "\n\t":
        return character
    hidden = character in _BIDI or unicodedata.category(character) in _HIDDEN
    return ascii(character)[1:-1] if hidden else character
