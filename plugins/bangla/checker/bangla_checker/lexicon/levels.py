"""Parse levels of address from files and options."""

from __future__ import annotations

from collections.abc import Collection

from bangla_checker.errors import OptionError
from bangla_checker.lexicon.paradigm import LEVELS


def levels_of(register: str | Collection[str] | None) -> frozenset[str] | None:
    """Parse levels from a string such as `apni` or `tumi,apni`, or from a list of levels.

    Args:
        register: the value in a file or an option. `None` or an empty value means unknown.

    Raises:
        OptionError: a level is unknown, or the value is not text.
    """
    if not register:
        return None
    words = register.split(",") if isinstance(register, str) else register
    if not isinstance(words, Collection) or not all(isinstance(word, str) for word in words):
        rule, remedy = "it is no text and no list of texts", f"Use {', '.join(LEVELS)}"
        raise OptionError(f"register {str(register)[:40]!r}", rule, remedy)
    levels = frozenset(word.strip().lower() for word in words)
    if unknown := sorted(levels - set(LEVELS)):
        rule, remedy = "it is not a level of address", f"Use one or more of {', '.join(LEVELS)}"
        raise OptionError(f"register {unknown[0]!r}", rule, remedy)
    return levels
