"""One tree of errors; each message states the value, the rule that it breaks, and the remedy.

Those of files belong to the library that reads and writes them; their root is the root here.
"""

from __future__ import annotations

from scionwood_sandbox.errors import OutputExistsError as OutputExistsError
from scionwood_sandbox.errors import ReadError as ReadError
from scionwood_sandbox.errors import RuleError
from scionwood_sandbox.errors import WriteError as WriteError
from scionwood_sandbox.errors import visible as visible

ScionwoodError = RuleError
"""The root of every error that Scionwood raises on purpose."""


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


class TrainingError(ScionwoodError, RuntimeError):
    """Training cannot go on: a loss that is not finite, a checkpoint that does not fit.

    Example:
        >>> scionwood.test("runs/none")
        Traceback (most recent call last):
        ...
        scionwood.errors.TrainingError: run runs/none: there is no such folder, ...
    """


TYPES = (PluginError, RecipeError, AdapterError, AdapterFileError, WeightsError, TrainingError)
"""The errors of this module, which a reader may raise in the child that decodes too."""
