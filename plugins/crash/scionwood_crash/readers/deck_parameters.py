"""Parameters of keyword decks: *PARAMETER, *PARAMETER_EXPRESSION, and fields such as `&thick`.

Source: LSTC, "LS-DYNA Keyword User's Manual", volume I: *PARAMETER.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    **{name: getattr(math, name) for name in ("sqrt", "sin", "cos", "tan", "exp", "log", "log10")},
    **{
        "abs": abs,
        "min": min,
        "max": max,
        "int": int,
        "float": float,
        "nint": lambda value: math.copysign(math.floor(abs(value) + 0.5), value),  # as in Fortran
        "mod": math.fmod,
    },
}
LONGEST = 200
"""Characters of an expression that is evaluated."""


def declared(cards: list[str], words: tuple[str, ...], parameters: dict[str, float]) -> list[str]:
    """Add the parameters of a *PARAMETER block to those that are known.

    Args:
        cards: lines of the block.
        words: its keyword, split at underscores.
        parameters: values by name in lower case, changed in place.

    Returns:
        The names whose values cannot be evaluated; text parameters are left out.
    """
    failed = []
    for name, kind, text in _pairs(cards, "EXPRESSION" in words):
        if kind == "C":
            continue
        value = evaluated(text, parameters)
        if value is None:
            failed.append(name)
        else:
            parameters[name] = float(math.trunc(value)) if kind == "I" else value
    return failed


def substituted(text: str, parameters: Mapping[str, float]) -> float | None:
    """Return the value of a field such as `&thick` or `-&thick`; `None` if it is not known."""
    sign = -1.0 if text.startswith("-") else 1.0
    name = text.lstrip("-").removeprefix("&").strip().lower()
    value = parameters.get(name) if text.lstrip("-").startswith("&") else None
    return None if value is None else sign * value


def evaluated(text: str, parameters: Mapping[str, float]) -> float | None:
    """Return the value of an arithmetic expression; `None` if it is not one.

    Args:
        text: such as `2*thick + 1.0`, with or without `&` before names.
        parameters: values by name in lower case.
    """
    if len(text) > LONGEST:
        return None
    try:
        # Parsed and never run: only the nodes that `_value` knows are evaluated.
        tree = ast.parse(text.replace("&", "").strip().lower(), mode="eval")
        return float(_value(tree.body, parameters))
    except (SyntaxError, ValueError, ArithmeticError, KeyError, TypeError, RecursionError):
        return None


def _value(node: Any, parameters: Mapping[str, float]) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name):
        return parameters[node.id] if node.id != "pi" else parameters.get("pi", math.pi)
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](
            _value(node.left, parameters), _value(node.right, parameters)
        )
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_value(node.operand, parameters))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _FUNCTIONS[node.func.id](*(_value(argument, parameters) for argument in node.args))
    raise ValueError(f"{type(node).__name__} is not arithmetic")


def _pairs(cards: list[str], expression: bool) -> list[tuple[str, str, str]]:
    """Return name, kind (R, I or C) and text of each parameter of a block."""
    out = []
    for card in cards:
        if "," in card:
            # An expression fills the rest of its line, commas included.
            fields = [part.strip() for part in card.split(",", 1 if expression else -1)]
        elif expression:
            fields = [card[:10].strip(), card[10:].strip()]
        else:
            fields = [card[at : at + 10].strip() for at in range(0, 80, 10)]
        for name, text in zip(fields[::2], fields[1::2], strict=False):
            kind = name[:1].upper()
            if kind in ("R", "I", "C") and name[1:].strip() and text:
                out.append((name[1:].strip().lower(), kind, text))
    return out
