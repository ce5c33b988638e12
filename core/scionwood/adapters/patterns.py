"""Write the names of modules in place of the patterns of a config.

peft matches several options with Python's `re`, and some patterns keep `re` busy for years. So each
pattern is matched here in linear time, and peft gets the names that it matches. A pattern that has
no linear form is refused in a file of others. In a config of one's own it goes to `re`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

from scionwood.errors import AdapterError
from scionwood_sandbox.linear import Patterns

ENTRIES = 1024
"""The most entries of an option that may hold patterns."""

PATTERNS = ("target_modules", "exclude_modules", "feedforward_modules")
"""Options that peft matches against whole names if their value is a string."""

_AROUND_KEY = r"^(?:.*\.)?(?:%s)$"  # how peft matches a key such as those of rank_pattern
_WRAPPER = {"OSF": r"^.*(?:%s)"}

OTHER_KEYS = ("n_frequency_pattern", "block_size_pattern")
"""Options with keys that peft matches in another way; no pattern can stand for a name there."""

_LITERAL = re.compile(r"(?:[\w|]|\\[.-])*")
_NAME = re.compile(r"[\w.-]*")
_KEYS = re.compile(r"\^\(\?:(.*)\)\$")  # as `settle_keys` writes them


def settle_patterns(config: PeftConfig, names: Sequence[str], *, foreign: bool = False) -> None:
    """Replace the patterns that select modules by the names that they match.

    Keys such as those of `rank_pattern` follow in `settle_keys`, when the targets are known. No
    pattern of a foreign config remains; one without a linear form, or in place of a name, is
    refused.
    """
    patterns = Patterns(names, AdapterError)
    for option in PATTERNS:
        value = getattr(config, option, None)
        if isinstance(value, str) and value != "all-linear":
            matches = _matches(value, option, names, patterns, foreign)
            setattr(config, option, literal(matches))
    if foreign:
        _refuse_patterns(config, names)
    _settle_layers(config, names, patterns, foreign)


def settle_keys(config: PeftConfig, chosen: Sequence[str], *, foreign: bool = False) -> None:
    """Replace the keys of options such as `rank_pattern` that are patterns by the names they match.

    The first key that matches a name counts, as in peft.
    """
    patterns = Patterns(chosen, AdapterError)
    for option, value in vars(config).items():
        if not option.endswith("_pattern") or not isinstance(value, Mapping):
            continue
        entries = {str(key): entry for key, entry in value.items()}
        if all(map(_NAME.fullmatch, keys := list(entries))):
            continue
        _bound(option, keys)
        if option in OTHER_KEYS:
            if foreign:
                raise AdapterError(f"{option} {keys[0][:80]!r}", "its keys are names of modules")
            continue
        wrapper = _WRAPPER.get(config.peft_type.value, _AROUND_KEY)
        groups: dict[str, list[str]] = {}
        left = list(chosen)
        for key in keys:
            if (written := _KEYS.fullmatch(key)) and _LITERAL.fullmatch(written[1]):
                groups[key] = spelled_out(written[1], left)
            else:
                regex = _compiled(patterns, key, option, foreign, around=wrapper)
                groups[key] = [name for name in left if regex.match(name)]
            left = [name for name in left if name not in groups[key]]
        new = {f"^(?:{literal(group)})$": entries[key] for key, group in groups.items() if group}
        setattr(config, option, new)


def literal(names: Iterable[str]) -> str:
    """Return a pattern that matches these names and no other."""
    return "|".join(re.escape(name) for name in names)


def spelled_out(words: Any, names: Sequence[str]) -> list[str]:
    """Return the names that targets spell out as a whole, in a list or between bars."""
    if isinstance(words, str):
        words = [re.sub(r"\\(.)", r"\1", word) for word in words.split("|")]
    listed = set(map(str, words or ()))
    return [name for name in names if name in listed]


def _matches(
    pattern: str, option: str, names: Sequence[str], patterns: Patterns, foreign: bool
) -> list[str]:
    """Return the names that a pattern matches as a whole."""
    if _LITERAL.fullmatch(pattern):
        return spelled_out(pattern, names)
    regex = _compiled(patterns, pattern, option, foreign)
    return [name for name in names if regex.fullmatch(name)]


def _compiled(patterns: Patterns, pattern: str, option: str, foreign: bool, **settings: Any) -> Any:
    """Compile a pattern for linear time; one's own pattern without such a form is for `re`."""
    try:
        return patterns.compile(pattern, option, **settings)
    except AdapterError:
        if foreign:
            raise
    try:
        return re.compile(settings.get("around", "%s").replace("%s", pattern))
    except (re.error, OverflowError, RecursionError) as error:
        rule = f"is not a regular expression ({error})"
        raise AdapterError(f"{option} {pattern[:80]!r}", rule, "Correct it") from error


def _settle_layers(
    config: PeftConfig, names: Sequence[str], patterns: Patterns, foreign: bool
) -> None:
    """Select the targets in layers whose names a pattern matches, as peft does."""
    value = getattr(config, "layers_pattern", None) or ()
    entries = [value] if isinstance(value, str) else list(value)
    if all(map(_NAME.fullmatch, entries)):
        return
    _bound("layers_pattern", entries)
    settings: dict[str, Any] = {"around": r"(?:^|.*?\.)%s\.(?P<idx>\d+)\.", "groups": True}
    regexes = [_compiled(patterns, e, "layers_pattern", foreign, **settings) for e in entries]
    layer_numbers = config.layers_to_transform
    numbers = {layer_numbers} if isinstance(layer_numbers, int) else set(layer_numbers or ())
    anywhere = copy.copy(config)
    anywhere.layers_to_transform = anywhere.layers_pattern = None
    if isinstance(config.target_modules, list | set | tuple) and numbers:
        chosen = [name for name in matched(anywhere, names) if _layer(name, regexes) in numbers]
        config.target_modules = literal(chosen)
    config.layers_to_transform = config.layers_pattern = None


def _layer(name: str, patterns: list[Any]) -> int | None:
    matches = (pattern.match(name) for pattern in patterns)
    first = next((match for match in matches if match), None)
    number = first.groupdict().get("idx") if first else None
    return None if number is None else int(number)


def matched(config: PeftConfig, names: Sequence[str]) -> list[str]:
    """Return the names that peft would adapt; call `settle_patterns` first."""
    tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type]
    return [name for name in names if tuner._check_target_module_exists(config, name)]


def _refuse_patterns(config: PeftConfig, names: Sequence[str]) -> None:
    """Refuse patterns in options of others that list names, which peft gives to `re` too."""
    module_names = set(names)
    for option in ("target_modules", "modules_to_save"):
        value = getattr(config, option, None)
        entries = [str(entry) for entry in value] if not isinstance(value, str | None) else []
        _bound(option, entries)
        for entry in entries:
            if not _NAME.fullmatch(entry) and entry not in module_names:
                raise AdapterError(f"{option} {entry[:80]!r}", "its entries are names of modules")


def _bound(option: str, entries: Sequence[str]) -> None:
    if len(entries) > ENTRIES:
        raise AdapterError(
            f"{option} with {len(entries)} entries", f"at most {ENTRIES} are allowed"
        )
