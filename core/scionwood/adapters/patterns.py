"""Write the names of modules in place of the patterns of a config.

peft matches several options with Python's `re`, and some patterns keep `re` busy for years. So each
pattern is matched here in linear time, and peft gets the names that it matches. A pattern that has
no linear form is refused in a file of others. In a config of one's own it goes to `re` after
`check_pattern` has bounded the number of ways to try it.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from peft import PeftConfig
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

from scionwood.errors import AdapterError
from scionwood_sandbox.linear import Patterns

LENGTH = 512
"""The longest pattern that Python's `re` gets, in characters."""

TRIES = 5e7
"""The largest number of ways to try all patterns of a config on all names; two seconds of `re`."""

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
_REPEATED_GROUP = re.compile(r"\)\s*[*+{]")
_REPEAT = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\d*\})")
_OPTIONAL = re.compile(r"(?<![(*+?}\\])\?")
_VERBOSE = re.compile(r"\(\?[a-zA-Z-]*x")


def check_pattern(
    pattern: str, option: str, names: Sequence[str], *, prefixed: bool = False
) -> float:
    """Check that Python's `re` cannot run for long with a pattern on these names.

    Let L be the length of the longest name. Then k repeats can be tried in at most L^k / k! ways,
    an optional part in 2 ways, and g groups with p bars in (p + 1)^g ways. A repeated group has no
    such bound and is refused. So is the verbose mode, in which comments can hide a repeat.

    Args:
        pattern: A regular expression.
        option: The name of the option that holds it, for the error.
        names: The names of modules that it will be matched against.
        prefixed: Whether peft puts `.*` before the pattern.

    Returns:
        The bound on the number of ways; 0 for a literal.

    Raises:
        AdapterError: The pattern does not compile, is too long, or could run for long.
    """
    if _LITERAL.fullmatch(pattern):
        return 0.0
    remedy = "Name the modules in a list instead"
    label = f"{option} {pattern[:80]!r}"
    if len(pattern) > LENGTH:
        raise AdapterError(label, f"a pattern has at most {LENGTH} characters", remedy)
    if _VERBOSE.search(pattern):
        raise AdapterError(label, "the verbose mode (?x) is not supported", remedy)
    repeats = len(_REPEAT.findall(pattern)) + prefixed
    longest = max(map(len, names), default=1)
    ways = (
        float(longest) ** repeats / math.factorial(repeats) * 2.0 ** len(_OPTIONAL.findall(pattern))
    )
    ways *= (pattern.count("|") + 1.0) ** min(pattern.count("("), 64) * len(names)
    if _REPEATED_GROUP.search(pattern) or ways > TRIES:
        raise AdapterError(label, "it could run for very long (repeats, optional parts)", remedy)
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise AdapterError(label, f"is not a regular expression ({error})", remedy) from error
    return ways


def check_patterns(config: PeftConfig, names: Sequence[str]) -> None:
    """Check every option of a config that peft uses as a pattern, each alone and all together.

    Raises:
        AdapterError: The patterns could run for long. The message names the option.
    """
    total = 0.0
    for option, pattern in _patterns_in(config):
        total += check_pattern(pattern, option, names, prefixed=option not in PATTERNS)
        if total > TRIES:
            rule = "it could run for very long beside the other patterns"
            raise AdapterError(f"{option} {pattern[:80]!r}", rule, "Name the modules instead")


def settle_patterns(config: PeftConfig, names: Sequence[str], *, foreign: bool = False) -> None:
    """Replace the patterns that select modules by the names that they match.

    Afterwards peft matches none of them. Keys such as those of `rank_pattern` follow in
    `settle_keys`, when the targets are known.

    Args:
        config: The config, changed in place.
        names: The names of the modules that may be adapted.
        foreign: Whether the config comes from others. Then no pattern at all may remain.

    Raises:
        AdapterError: A pattern of others has no linear form, or is one where a name belongs.
    """
    patterns = Patterns(names, AdapterError)
    for option in PATTERNS:
        value = getattr(config, option, None)
        if isinstance(value, str) and value != "all-linear":
            matches = _matches(value, option, names, patterns, foreign)
            if matches is not None:
                setattr(config, option, literal(matches))
    if foreign:
        _refuse_patterns(config, names)
    _settle_layers(config, names, patterns, foreign)


def settle_keys(config: PeftConfig, chosen: Sequence[str], *, foreign: bool = False) -> None:
    """Replace the keys of options such as `rank_pattern` that are patterns by the names they match.

    The first key that matches a name counts, as in peft.

    Args:
        config: The config, changed in place.
        chosen: The names of the modules that are adapted.
        foreign: Whether the config comes from others.

    Raises:
        AdapterError: A pattern of others has no linear form, or the option takes names only.
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
        compile = partial(patterns.compile, option=option, around=wrapper)
        groups = _grouped(keys, chosen, compile, foreign)
        if groups is not None:
            new = {
                f"^(?:{literal(group)})$": entries[key] for key, group in groups.items() if group
            }
            setattr(config, option, new)


def literal(names: Iterable[str]) -> str:
    """Return a pattern that matches these names and no other."""
    return "|".join(re.escape(name) for name in names)


def spelled_out(words: Any, names: Sequence[str]) -> list[str]:
    """Return the names that targets spell out as a whole, in a list or between bars."""
    listed = set(_names(words) if isinstance(words, str) else map(str, words or ()))
    return [name for name in names if name in listed]


def _matches(
    pattern: str, option: str, names: Sequence[str], patterns: Patterns, foreign: bool
) -> list[str] | None:
    """Return the names that a pattern matches as a whole; None leaves it to `check_pattern`."""
    if _LITERAL.fullmatch(pattern):
        listed = set(_names(pattern))
        return [name for name in names if name in listed]
    regex = _compiled(lambda: patterns.compile(pattern, option), foreign)
    return None if regex is None else [name for name in names if regex.fullmatch(name)]


def _compiled(compile: Callable[[], Any], foreign: bool) -> Any:
    try:
        return compile()
    except AdapterError:
        if foreign:
            raise
        return None


def _settle_layers(
    config: PeftConfig, names: Sequence[str], patterns: Patterns, foreign: bool
) -> None:
    """Select the targets in layers whose names a pattern matches, as peft does."""
    value = getattr(config, "layers_pattern", None) or ()
    entries = [value] if isinstance(value, str) else list(value)
    if all(map(_NAME.fullmatch, entries)):
        return
    _bound("layers_pattern", entries)
    wrapper = r"(?:^|.*?\.)%s\.(?P<idx>\d+)\."
    regexes = _compiled(
        lambda: [
            patterns.compile(entry, "layers_pattern", around=wrapper, groups=True)
            for entry in entries
        ],
        foreign,
    )
    if regexes is None:
        return
    layer_numbers = config.layers_to_transform
    numbers = {layer_numbers} if isinstance(layer_numbers, int) else set(layer_numbers or ())
    anywhere = copy.copy(config)
    anywhere.layers_to_transform = anywhere.layers_pattern = None
    if not foreign:
        check_patterns(anywhere, names)
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


def _grouped(
    keys: list[str], chosen: Sequence[str], compile: Callable[[str], Any], foreign: bool
) -> dict[str, list[str]] | None:
    """Return the names to which each key applies; None if a key of one's own needs `re`."""
    groups: dict[str, list[str]] = {}
    left = list(chosen)
    for key in keys:
        if (written := _KEYS.fullmatch(key)) and _LITERAL.fullmatch(written[1]):
            key_names = set(_names(written[1]))
            groups[key] = [name for name in left if name in key_names]
        else:
            regex = _compiled(partial(compile, key), foreign)
            if regex is None:
                return None
            groups[key] = [name for name in left if regex.match(name)]
        matched_names = set(groups[key])
        left = [name for name in left if name not in matched_names]
    return groups


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


def _patterns_in(config: PeftConfig) -> Iterable[tuple[str, str]]:
    for option in PATTERNS:
        if isinstance(value := getattr(config, option, None), str):
            yield option, value
    for option in vars(config):
        if option == "modules_to_save" or option.endswith("_pattern"):
            value = getattr(config, option)
            patterns = [value] if isinstance(value, str) else [str(item) for item in value or ()]
            _bound(option, patterns)
            yield from ((option, pattern) for pattern in patterns)


def _bound(option: str, entries: Sequence[str]) -> None:
    if len(entries) > ENTRIES:
        raise AdapterError(
            f"{option} with {len(entries)} entries", f"at most {ENTRIES} are allowed"
        )


def _names(pattern: str) -> list[str]:
    return [re.sub(r"\\(.)", r"\1", name) for name in pattern.split("|")]
