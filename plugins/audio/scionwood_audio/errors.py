"""The errors of sounds: a wrong rate, a window that differs, and a package that breaks others."""

from __future__ import annotations

from scionwood import PluginError, ReadError, RecipeError


class RateError(ReadError):
    """The sampling rate is missing or too low, or the band of a call lies above half of it.

    Example:
        >>> import scionwood
        >>> issubclass(RateError, scionwood.ReadError)
        True
    """


class WindowMismatchError(RecipeError):
    """A run was trained with another window than the one that is asked for.

    Example:
        >>> import scionwood
        >>> issubclass(WindowMismatchError, scionwood.RecipeError)
        True
    """


class TorchaudioError(PluginError):
    """Torchaudio is installed and cannot be imported; then no network of transformers can be.

    Example:
        >>> from scionwood_audio import TorchaudioError
        >>> issubclass(TorchaudioError, ImportError)
        False
    """
