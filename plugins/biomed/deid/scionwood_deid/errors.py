"""The error of an option, beside those of files that `scionwood_sandbox` has."""

from __future__ import annotations

from scionwood_sandbox import RuleError


class OptionError(RuleError, ValueError):  # type: ignore[misc]  # the sandbox imports it lazily
    """An option does not exist, or does not fit another one.

    Example:
        >>> from scionwood_deid import Profile
        >>> Profile(dates="never")
        Traceback (most recent call last):
        ...
        scionwood_deid.errors.OptionError: dates 'never': it must be one of remove, shift, keep. ...
    """
