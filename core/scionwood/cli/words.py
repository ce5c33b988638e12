"""The words of a command line, read from the signature of a function and its classes of options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

from scionwood.errors import PluginError
from scionwood.recipes.arguments import Mark


@dataclass(frozen=True)
class Word:
    """A positional argument or an option of a command line.

    Attributes:
        hint: the type, without its marks.
        default: the default; `inspect.Parameter.empty` if there is none.
        help: one or more sentences.
        positional: whether it is a positional argument.
        meaning: what its mark says, such as `input` or `rest`; empty without a mark.

    Example:
        >>> word = authoring.command_words(scionwood.test)["run_dir"]
        >>> word.positional
        True
    """

    hint: Any
    default: Any
    help: str
    positional: bool
    meaning: str


def command_words(function: Callable[..., Any]) -> dict[str, Word]:
    """Return the words of a command line by name, in the order of the parameters.

    Example:
        >>> def clean(source: str, *, dt: float = 0.002) -> None:
        ...     "Clean a file."
        >>> {name: word.default for name, word in authoring.command_words(clean).items()}["dt"]
        0.002
    """
    parameters = list(inspect.signature(function).parameters)
    words = _words(function, parameters)
    if (show := getattr(function, "show", None)) is None:
        return words
    # What prints may read the options of the verb again. Its first parameter is the result, whose
    # type may need a heavy import.
    names = list(inspect.signature(show).parameters)[1:]
    shown = _words(show, names).items()
    return words | {name: word for name, word in shown if name not in {*words, *parameters}}


def _words(function: Callable[..., Any], names: Sequence[str]) -> dict[str, Word]:
    words: dict[str, Word] = {}
    documented = _documented(function, names)
    for name in names:
        parameter = inspect.signature(function).parameters[name]
        hint, text, meaning = documented[name]
        if _is_options(hint, parameter):
            options = _option_words(hint, parameter.default)
        else:
            positional = parameter.kind is not parameter.KEYWORD_ONLY
            # A result that Python may keep in memory goes to a file on the command line.
            needed = positional and meaning == "output"
            default = parameter.empty if needed else parameter.default
            options = {name: Word(hint, default, text, positional, meaning)}
        if twice := words.keys() & options.keys():
            value = f"command {function.__name__}: {', '.join(sorted(twice))}"
            rule = "a parameter and a field of its options have one name"
            raise PluginError(value, rule, "Rename one: a command line could set only one of them")
        words |= options
    return words


def _option_words(options: Any, defaults: Any) -> dict[str, Word]:
    """Return the words of a class of options, with the defaults of an instance."""
    documented = _documented(options, [field.name for field in fields(options)])
    return {
        name: Word(hint, getattr(defaults, name), text, False, meaning)
        for name, (hint, text, meaning) in documented.items()
    }


def with_options_classes(
    function: Callable[..., Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Gather the values that are fields of a dataclass into instances, one a parameter.

    A field without a value has that of the parameter's default.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Options:
        ...     dt: float = 0.002
        >>> def clean(source: str, options: Options = Options()) -> None:
        ...     "Clean a file."
        >>> authoring.with_options_classes(clean, {"source": "a", "dt": 0.004})["options"].dt
        0.004
    """
    values = dict(arguments)
    parameters = inspect.signature(function).parameters
    for name, hint in _hints(function, list(parameters)).items():
        if _is_options(hint, parameters[name]):
            names = [field.name for field in fields(hint) if field.name in values]
            chosen = {field: values.pop(field) for field in names}
            values[name] = replace(parameters[name].default, **chosen)
    return values


def _is_options(hint: Any, parameter: inspect.Parameter) -> bool:
    # The run of a service is a dataclass too; it has no default, and options have.
    return is_dataclass(hint) and parameter.default is not parameter.empty


def _documented(item: Any, names: Sequence[str]) -> dict[str, tuple[Any, str, str]]:
    """Return the type, the help and the meaning of parameters, or of fields of a class."""
    from docstring_parser import parse

    owners = reversed(item.__mro__) if isinstance(item, type) else (item,)  # a base has its fields
    helps = {
        e.arg_name: e.description for owner in owners for e in parse(owner.__doc__ or "").params
    }
    marked = _hints(item, names, include_extras=True)
    return {
        name: (hint, helps.get(name) or "", _meaning(marked[name]))
        for name, hint in _hints(item, names).items()
    }


def _hints(item: Any, names: Sequence[str], *, include_extras: bool = False) -> dict[str, Any]:
    """Return the types of some parameters or fields.

    The type of a result may be a name that is imported for type checkers only.
    """
    if isinstance(item, type):
        hints = get_type_hints(item, include_extras=include_extras)
        return {name: hints[name] for name in names}
    function = inspect.unwrap(item)
    # A parameter without a type is read as text; the kit refuses it.
    annotations = {name: function.__annotations__.get(name, str) for name in names}
    holder = SimpleNamespace(__annotations__=annotations)
    return get_type_hints(holder, function.__globals__, include_extras=include_extras)


def meanings(function: Callable[..., Any]) -> dict[str, str]:
    """Return the parameters that have a meaning, such as `input`, `output`, `run` or `rest`."""
    return {name: word.meaning for name, word in command_words(function).items() if word.meaning}


def _meaning(hint: Any) -> str:
    if isinstance(hint, Mark):
        return hint.meaning
    # An annotated type has its mark among its arguments, and `list[InputPath]` has it deeper.
    return next(filter(None, map(_meaning, get_args(hint))), "")
