"""Match the patterns of others in linear time, with google-re2 in place of Python's `re`.

RE2 has no lookaround, no backreference and no verbose mode. In exchange no pattern can keep it
busy: the steps are at most the size of the compiled pattern times the length of the texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import re2

from scionwood_sandbox.errors import PatternError, RuleError

LENGTH = 4096
"""The longest pattern, in characters."""

TOGETHER = 64
"""The most patterns that share a budget; each one may take 7 ms to compile."""

STEPS = 2e8
"""The most steps of all patterns that share a budget; less than a second."""

_MEMORY = 1 << 20  # bytes of one compiled pattern
_GROUPS = 10  # steps that a match with groups needs for one without
_DIFFERENT = ("*+", "++", "?+", "}+", "{,", "[[", "[:")
_REMEDY = "Name the modules in a list instead"


class Patterns:
    r"""Patterns that share a budget of steps.

    Args:
        texts: what they are matched against.
        error: the class of the error that a pattern raises.

    Example:
        >>> from scionwood_sandbox.linear import Patterns
        >>> patterns = Patterns(["encoder.q_proj", "encoder.k_proj"])
        >>> pattern = patterns.compile(r".*\.(q_proj|v_proj)", "target_modules")
        >>> bool(pattern.fullmatch("encoder.q_proj"))
        True
    """

    def __init__(self, texts: Iterable[str], error: type[RuleError] = PatternError) -> None:
        self._error = error
        self._length = sum(map(len, texts)) + 1
        self._steps, self._seen = 0.0, 0

    def compile(
        self, pattern: str, option: str, *, around: str = "%s", groups: bool = False
    ) -> Any:
        """Compile a pattern.

        Args:
            pattern: the pattern.
            option: the name of the option that holds it, for the error.
            around: what is put around the pattern, at `%s`.
            groups: whether the match must tell its groups.

        Returns:
            An object of re2 with `match`, `fullmatch` and `search`, as in `re`.

        Raises:
            PatternError: or `error`: RE2 refuses the pattern, it has another meaning in `re`, or it
                needs too many steps beside the other patterns.
        """
        label = f"{option} {pattern[:80]!r}"
        if len(pattern) > LENGTH:
            raise self._error(label, f"a pattern has at most {LENGTH} characters", _REMEDY)
        self._seen += 1
        if self._seen > TOGETHER:
            raise self._error(label, f"at most {TOGETHER} patterns are allowed", _REMEDY)
        if other := next((text for text in _DIFFERENT if text in pattern), ""):
            rule = f"{other!r} has another meaning in linear time"
            raise self._error(label, rule, _REMEDY)
        try:
            regex = re2.compile(around.replace("%s", pattern), options=_options(groups))
        except (re2.error, UnicodeEncodeError) as error:
            rule = f"it is not a pattern of RE2, which has no lookaround ({_reason(error)})"
            raise self._error(label, rule, _REMEDY) from error
        self._steps += regex.programsize * self._length * (_GROUPS if groups else 1)
        if self._steps > STEPS:
            raise self._error(label, "its repeats and those beside it need too long", _REMEDY)
        return regex


def _options(groups: bool) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    options.never_capture = not groups
    return options


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    return text[:80]
