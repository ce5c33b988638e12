"""The error of this plugin."""

from __future__ import annotations

from scionwood import ScionwoodError


class ServingError(ScionwoodError, RuntimeError):
    """A server cannot start, or a request or an adapter is not accepted.

    Args:
        value: what is refused.
        rule: why.
        remedy: what to do.
        status: the HTTP status of the answer.

    Example:
        >>> from scionwood_serve import ServingError
        >>> ServingError("adapter 'clean'", "no such adapter", "See: /adapters", 404).status
        404
    """

    def __init__(self, value: str, rule: str = "", remedy: str = "", status: int = 422) -> None:
        super().__init__(value, rule, remedy)
        self.status = status

    def __reduce__(self) -> tuple[type[ServingError], tuple[str, str, str, int]]:
        return type(self), (self.value, self.rule, self.remedy, self.status)
