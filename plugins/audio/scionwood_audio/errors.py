"""The errors of sounds: a wrong rate, a window that differs, and a package that breaks others."""

from __future__ import annotations

from scionwood import ReadError, RecipeError


class RateError(ReadError):
    """The sampling rate is missing or too low, or the band of a call lies above half of it.

    Example:
        >>> import numpy, soundfile
        >>> from scionwood_audio.inference.sounds import read_sound
        >>> soundfile.write("slow.wav", numpy.zeros(4000), 4000)
        >>> read_sound("slow.wav")
        Traceback (most recent call last):
        ...
        scionwood_audio.errors.RateError: slow.wav: it is heard at 4000 samples a second, ...
    """


class WindowMismatchError(RecipeError):
    """A run was trained with another window than the one that is asked for.

    Example:
        >>> from scionwood_audio import WindowMismatchError
        >>> issubclass(WindowMismatchError, ValueError)
        True
    """
