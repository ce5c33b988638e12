"""A service's signature becomes the query of a route: FastAPI checks it, and OpenAPI shows it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from difflib import get_close_matches
from typing import Annotated, Any

from fastapi import Query, Request

from scionwood.authoring import Word, command_words
from scionwood_serve.versions.problem import ServingError

Service = Callable[..., Any]


def route_signature(service: Service) -> inspect.Signature:
    """Return the signature of the route of a service.

    Args:
        service: the function that a field offers.
    """
    parameters = [
        _query("adapter", str, "", "NAME or NAME@VERSION; not needed if the field has one adapter"),
        _query("file", str, "", "the name of the file; its ending selects the reader"),
    ]
    request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    for name, word in options_of(service).items():
        parameters.append(_query(name, word.hint, word.default, " ".join(word.help.split())))
    return inspect.Signature([request, *parameters])


def options_of(service: Service) -> dict[str, Word]:
    """Return the options of a service by name, also the fields of its options classes."""
    return {name: word for name, word in command_words(service).items() if not word.positional}


def check_query(request: Request, service: Service, options: dict[str, Any]) -> None:
    """Refuse options that the service does not have, and numbers that are not finite.

    Raises:
        ServingError: naming the option.
    """
    option_names = {"adapter", "file", *options_of(service)}
    for name in request.query_params:
        if name not in option_names:
            near = get_close_matches(name, option_names, 1)
            remedy = (
                f"Did you mean {near[0]!r}?"
                if near
                else f"Known: {', '.join(sorted(option_names))}"
            )
            raise ServingError(f"option {name[:80]!r}", "there is no such option", remedy)
    for name, value in options.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ServingError(f"option {name}={value}", "it is not finite", "Give a number")


def _query(name: str, hint: Any, default: Any, text: str) -> inspect.Parameter:
    kind = Annotated[hint, Query(description=text)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
