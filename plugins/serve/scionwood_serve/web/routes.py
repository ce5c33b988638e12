"""One route for each service: POST /v1/FIELD/COMMAND."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask

from scionwood import ScionwoodError, load
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.versions.snapshot import Version
from scionwood_serve.web.arrays import DTYPES, ENDING, read_array
from scionwood_serve.web.refusals import refusal, refusal_of
from scionwood_serve.web.server_state import ServerState
from scionwood_serve.web.signatures import check_query, route_signature
from scionwood_serve.web.uploads import Upload, folder_for, receive

_BINARY = {"type": "string", "format": "binary"}
_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
_ARRAY = {
    "type": "object",
    "properties": {
        "array": {"type": "array", "description": "nested lists of finite numbers"},
        "dtype": {"type": "string", "enum": list(DTYPES), "default": DTYPES[0]},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "units": {"type": "string", "default": "unknown"},
    },
    "required": ["array"],
}
_BODY = {
    "required": True,
    "content": {
        "application/octet-stream": {"schema": _BINARY},
        "application/json": {"schema": {"oneOf": [_TEXT, _ARRAY]}},
    },
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The result: a file, or values in JSON."},
    413: {"description": "The file is too large."},
    422: {"description": "The file or an option is refused: `error` has value, rule and remedy."},
    503: {"description": "Too many requests are under way."},
}


def add_service(app: FastAPI, server_state: ServerState, field: str, name: str) -> None:
    """Add the route of a service.

    Args:
        app: the application.
        server_state: what the routes share.
        field: the plugin.
        name: the service.
    """
    service = load("services", f"{field}/{name}")

    async def endpoint(request: Request, **options: Any) -> Response:
        adapter_spec, file = options.pop("adapter"), options.pop("file")
        start, adapter = time.perf_counter(), ""
        response: Response | None = None
        server_state.counters.waiting.inc()
        try:
            check_query(request, service, options)
            version = server_state.registry.find(field, adapter_spec)
            adapter = version.name
            response = await _answer(
                request, server_state, f"{field}/{name}", version, file, options
            )
            return response
        except ScionwoodError as error:
            response = refusal_of(error)
            return response
        finally:
            server_state.counters.waiting.dec()
            status = response.status_code if response else 500
            seconds = time.perf_counter() - start
            server_state.counters.answered(f"{field}/{name}", adapter, status, seconds)

    signature: Callable[..., Any] = endpoint
    vars(signature)["__signature__"] = route_signature(service)
    path = f"/v1/{field}/{name}"
    extra = {"requestBody": _BODY}
    endpoint.__doc__ = service.__doc__
    app.add_api_route(
        path, endpoint, methods=["POST"], tags=[field], operation_id=f"{field}_{name}",
        summary=(service.__doc__ or name).partition("\n")[0], description="",
        openapi_extra=extra, responses=_ANSWERS, response_class=Response,
    )  # fmt: skip


async def _answer(
    request: Request,
    server_state: ServerState,
    service: str,
    version: Version,
    file: str,
    options: dict[str, Any],
) -> Response:
    if server_state.under_way >= server_state.limits.queue:
        rule = f"{server_state.limits.queue} requests are under way"
        raise ServingError("server", rule, "Try again in a moment", 503)
    server_state.under_way += 1
    try:
        for tell in server_state.arrived:
            tell()
        async with folder_for(server_state.requests) as folder:
            upload = await receive(request, folder, file, server_state.limits)
            server_state.counters.received.inc(upload.path.stat().st_size)
            answer = await server_state.serve(service, version, upload, options)
            if "error" in answer:
                shutil.rmtree(folder, ignore_errors=True)
                return refusal(answer["status"], answer["error"])
            if answer.get("together"):
                server_state.counters.together.labels(service).inc()
            return _response(server_state, version, folder, _as_json(upload, answer))
    finally:
        server_state.under_way -= 1


def _as_json(upload: Upload, answer: dict[str, Any]) -> dict[str, Any]:
    """Answer an array in JSON with an array in JSON; its units are those that the field states."""
    if upload.units is None or answer["file"] is None or answer["file"].suffix != ENDING:
        return answer
    units = str(answer["values"].get("units", upload.units))
    return {**answer, "file": None, "values": read_array(answer["file"], units)}


def _response(
    server_state: ServerState, version: Version, folder: Path, answer: dict[str, Any]
) -> Response:
    """Return the answer with the version that gave it, and remove the folder afterwards."""
    headers = {
        "X-Scionwood-Adapter": version.name,
        "X-Scionwood-Version": version.version,
        "X-Scionwood-Base": version.base,
    }
    cleanup: BackgroundTask | None = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    if answer["page"] is not None:
        key = server_state.results.keep(folder, answer["page"])
        headers["Link"] = f'</v1/results/{key}/page>; rel="preview"'
        cleanup = None
    if answer["file"] is not None:
        name = answer["file"].name
        return FileResponse(answer["file"], filename=name, headers=headers, background=cleanup)
    version_facts = {"adapter": version.name, "version": version.version, "base": version.base}
    values = json.loads(json.dumps(answer["values"], allow_nan=False, default=str))
    return JSONResponse({**version_facts, **values}, headers=headers, background=cleanup)
