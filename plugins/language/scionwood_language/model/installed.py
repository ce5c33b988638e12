"""Detect installed packages with which no model of transformers can be imported."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from scionwood import PluginError


@cache
def check_transformers() -> None:
    """Refuse a torchaudio that cannot be imported.

    transformers imports torchaudio wherever it is installed, and catches an `ImportError` only.
    A torchaudio for CUDA beside torch for the CPU raises `OSError`. Then every model of
    transformers fails to import.

    Raises:
        PluginError: torchaudio is installed and cannot be imported.
    """
    if find_spec("torchaudio") is None:
        return
    try:
        import_module("torchaudio")
    except ImportError:
        return  # transformers does without it
    except (
        Exception
    ) as error:  # of a shared library; whatever it is, transformers does not catch it
        rule = f"it cannot be imported ({error}), and so no model of transformers can be"
        remedy = "pip uninstall torchaudio, or install the one that belongs to your torch"
        raise PluginError("torchaudio", rule, remedy) from error
