"""The application: its routes, and who may use them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response

from scionwood import find
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.web.completions import add_completions
from scionwood_serve.web.front import FRONT_POLICY, docs_page, front_page
from scionwood_serve.web.guard import Guard
from scionwood_serve.web.refusals import add_refusals
from scionwood_serve.web.routes import add_service
from scionwood_serve.web.server_state import ServerState

RESULT_POLICY = "sandbox allow-scripts; default-src 'none'; img-src data:; font-src data:;"
RESULT_POLICY += " style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def make_application(
    server_state: ServerState, lifespan: Callable[..., Any] | None = None
) -> FastAPI:
    """Return the application of a server.

    Args:
        server_state: what its routes share.
        lifespan: what runs while it runs.
    """
    app = FastAPI(
        title="Scionwood",
        version=version("scionwood"),
        description="Adapters of scientific models: files in, files out.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.server_state = server_state
    app.add_middleware(Guard, limits=server_state.limits)
    add_refusals(app)
    _add_states(app, server_state)
    _add_pages(app, server_state)
    _add_administration(app, server_state)
    for field in server_state.fields:
        plugin = find(field).plugin
        for name in plugin.services if plugin else ():
            add_service(app, server_state, field, name)
    add_completions(app, server_state)
    return app


def _add_states(app: FastAPI, server_state: ServerState) -> None:
    @app.get("/health", tags=["server"])
    async def health() -> JSONResponse:
        """Say whether the worker is up with its versions."""
        ready = server_state.is_ready()
        state = {"status": "ok" if ready else "starting", "worker": server_state.worker()}
        return JSONResponse(state, 200 if ready else 503)

    @app.get("/adapters", tags=["server"])
    async def adapters() -> list[dict[str, Any]]:
        """List each adapter with its live version, and the versions that are kept."""
        loaded_versions = server_state.registry.loaded()
        versions_by_name = {
            v.name: [o.version for o in loaded_versions if o.name == v.name]
            for v in server_state.registry.live()
        }
        return [
            version.facts() | {"held": versions_by_name[version.name]}
            for version in server_state.registry.live()
        ]

    @app.get("/metrics", tags=["server"])
    async def metrics() -> Response:
        """Counters in the text format of Prometheus."""
        return Response(server_state.counters.text(), media_type="text/plain; version=0.0.4")


def _add_pages(app: FastAPI, server_state: ServerState) -> None:
    @app.get("/", include_in_schema=False)
    async def front() -> HTMLResponse:
        nonce = secrets.token_urlsafe(12)
        headers = {"Content-Security-Policy": FRONT_POLICY.format(nonce=nonce)}
        return HTMLResponse(front_page(nonce, server_state), headers=headers)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))

    @app.get("/v1/results/{key}/page", tags=["server"])
    async def page(key: str) -> Response:
        """Return the page of a result, whose address an answer with `page=true` gives."""
        path = server_state.results.page(key)
        if path.suffix == ".html":
            headers = {"Content-Security-Policy": RESULT_POLICY}
            return HTMLResponse(path.read_text("utf-8"), headers=headers)
        return Response(path.read_bytes(), media_type="image/png")


def _add_administration(app: FastAPI, server_state: ServerState) -> None:
    @app.put("/adapters/{name}", tags=["server"])
    async def put(
        name: str, run: Annotated[str, Body()], anomalous: Annotated[bool, Body()] = False
    ) -> dict[str, Any]:
        """Load a run from below the allowed root, inspect it, and switch.

        A run that the audit refuses never goes live; an anomalous one only with `anomalous`.
        """
        if server_state.limits.root is None or not server_state.limits.token:
            rule = "this server takes no adapters"
            raise ServingError(f"adapter {name[:80]!r}", rule, "Start with --root and a token", 403)
        folder = inside(server_state.limits.root, run)
        keys = server_state.limits.trusted
        return await server_state.put(name, folder, anomalous=anomalous, signed_by=keys)


def inside(root: Path, run: str) -> Path:
    """Return a folder below a root.

    Args:
        root: the allowed root.
        run: the folder, relative to the root or absolute.

    Raises:
        ServingError: it is not below the root, links followed.
    """
    try:
        folder = (root / run).resolve()
    except (OSError, ValueError) as error:
        raise ServingError(f"run {run[:80]!r}", "it is no path", "Name a folder", 400) from error
    if not folder.is_relative_to(root.resolve()) or not folder.is_dir():
        rule = "there is no such folder below the allowed root"
        raise ServingError(f"run {run[:120]!r}", rule, "Put it there", 403)
    return folder
