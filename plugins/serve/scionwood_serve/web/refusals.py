"""Errors become JSON with value, rule and remedy, under a status of 4xx."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from scionwood import ScionwoodError
from scionwood_serve.versions.problem import ServingError


def add_refusals(app: FastAPI) -> None:
    """Let an application answer errors as JSON.

    Args:
        app: the application.
    """

    @app.exception_handler(ScionwoodError)
    async def refuse(request: Request, error: ScionwoodError) -> JSONResponse:
        return refusal_of(error)

    @app.exception_handler(RequestValidationError)
    async def refuse_options(request: Request, error: RequestValidationError) -> JSONResponse:
        first: dict[str, Any] = dict(error.errors()[0])
        place = ".".join(str(part) for part in first["loc"][1:])
        value = f"option {place!r}: {str(first.get('input'))[:80]!r}"
        detail = {"kind": "RequestError", "value": value, "rule": str(first["msg"])}
        return refusal(422, {**detail, "remedy": "See: /docs"})

    @app.exception_handler(HTTPException)
    async def refuse_address(request: Request, error: HTTPException) -> JSONResponse:
        value = f"{request.method} {request.url.path[:200]}"
        detail = {"kind": "RequestError", "value": value, "rule": str(error.detail)}
        return refusal(error.status_code, {**detail, "remedy": "See: /docs"})


def refusal_of(error: ScionwoodError) -> JSONResponse:
    """Return the answer to a request that an error refuses.

    Args:
        error: the error; one of this plugin names the status, another one has 422.
    """
    status = error.status if isinstance(error, ServingError) else 422
    detail = {"kind": type(error).__name__, "value": error.value, "rule": error.rule}
    return refusal(status, {**detail, "remedy": error.remedy})


def refusal(status: int, error: dict[str, str]) -> JSONResponse:
    """Return the answer to a request that is not accepted.

    Args:
        status: the HTTP status.
        error: its kind, value, rule and remedy.
    """
    headers = {"Retry-After": "2"} if status == 503 else {}
    headers |= {"Connection": "close"} if status in (408, 413) else {}
    return JSONResponse({"error": error}, status, headers)
