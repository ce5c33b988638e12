"""OpenAI's API for language runs: /v1/models, /v1/chat/completions and /v1/completions."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from scionwood import ScionwoodError, find
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.versions.snapshot import Version
from scionwood_serve.web.limits import LARGEST_JSON
from scionwood_serve.web.server_state import ServerState
from scionwood_serve.web.uploads import folder_for, write_body
from scionwood_serve.worker.engine import Job
from scionwood_serve.worker.writing import ANSWER, writers_of

PACE = 0.005
"""Seconds between two looks at an answer that grows; a token takes ten times as long, or more."""

PASSED = ("temperature", "top_p", "stop", "seed", "max_tokens", "response_format")
IGNORED = (
    *("model", "stream", "stream_options", "user", "metadata", "store", "logprobs"),
    *("messages", "prompt", "top_logprobs", "max_completion_tokens"),
)
NEUTRAL: dict[str, Any] = {
    "n": 1,
    "best_of": 1,
    "echo": False,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {},
    "tools": [],
    "suffix": "",
}
"""Options that may be sent only with the value that changes nothing."""


def add_completions(app: FastAPI, server_state: ServerState) -> None:
    """Add the routes, if a field of the server writes token by token.

    Args:
        app: the application.
        server_state: what the routes share.
    """
    plugins = [find(field).plugin for field in server_state.fields]
    services = [f"{plugin.name}/{name}" for plugin in plugins if plugin for name in plugin.services]
    service = next((name for name in services if writers_of(name) is not None), None)
    if service is None:
        return
    field = service.partition("/")[0]

    @app.get("/v1/models", tags=["language"])
    async def models() -> dict[str, Any]:
        """List the adapters that write texts."""
        live = [version for version in server_state.registry.live() if field in version.fields]
        entries = [{"id": v.name, "object": "model", "owned_by": "scionwood"} for v in live]
        return {"object": "list", "data": entries}

    @app.post("/v1/chat/completions", tags=["language"])
    async def chat(request: Request) -> Response:
        """Answer a conversation; the field `model` names the adapter."""
        return await _answered(request, server_state, service, is_chat=True)

    @app.post("/v1/completions", tags=["language"])
    async def complete(request: Request) -> Response:
        """Go on with a text; the field `model` names the adapter."""
        return await _answered(request, server_state, service, is_chat=False)


async def _answered(
    request: Request, server_state: ServerState, service: str, *, is_chat: bool
) -> Response:
    start, name = time.perf_counter(), ""
    response: Response | None = None
    try:
        if server_state.under_way >= server_state.limits.queue:
            rule = f"{server_state.limits.queue} requests are under way"
            raise ServingError("server", rule, "Try again in a moment", 503)
        async with folder_for(server_state.requests) as folder:
            digest = await write_body(request, folder / "request.json", LARGEST_JSON)
            body = _read(folder / "request.json", is_chat)
            version = server_state.registry.find(service.partition("/")[0], body["model"])
            name = version.name
            job = Job("write", service, version.version, folder / "request.json")
            for tell in server_state.arrived:
                tell()
            answer = _Answer(server_state, version, job, digest, body, is_chat)
            response = await answer.respond(request)
        return response
    except ScionwoodError as error:
        response = _refused(error)
        return response
    finally:
        status = response.status_code if response else 500
        seconds = time.perf_counter() - start
        server_state.counters.answered(service, name, status, seconds)


class _Answer:
    """One answer, which grows in the folder of its request."""

    def __init__(
        self,
        server_state: ServerState,
        version: Version,
        job: Job,
        digest: str,
        body: Mapping[str, Any],
        is_chat: bool,
    ) -> None:
        self.state, self.job, self.body, self.is_chat = server_state, job, body, is_chat
        self.folder = job.source.parent
        self.about = {
            "id": f"{'chatcmpl' if is_chat else 'cmpl'}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": f"{version.name}@{version.version}",
        }
        self.state.under_way += 1
        self.task = asyncio.ensure_future(server_state.answer(version, job, digest))

    async def respond(self, request: Request) -> Response:
        """Return the response: a stream, or the whole answer."""
        pieces = self._pieces(request)
        first = await anext(pieces, None)  # a request that is refused has none
        if first is None:
            raise ServingError("request", "nobody waits for it any more", "Send it again", 499)
        if self.body.get("stream"):
            stream = self._stream(first, pieces)
            return StreamingResponse(stream, media_type="text/event-stream")
        texts, last = "", first
        entries: list[dict[str, Any]] = []
        while True:
            texts, entries = texts + last.get("text", ""), entries + last.get("tokens", [])
            if "finish" in last:
                break
            last = await anext(pieces)
        await pieces.aclose()
        choice = {"index": 0, "finish_reason": last["finish"], "logprobs": self._logprobs(entries)}
        message = {"role": "assistant", "content": texts}
        choice |= {"message": message} if self.is_chat else {"text": texts}
        kind = "chat.completion" if self.is_chat else "text_completion"
        answer = {**self.about, "object": kind, "choices": [choice], "usage": _usage(last)}
        return JSONResponse(answer)

    async def _stream(
        self, first: dict[str, Any], pieces: AsyncGenerator[dict[str, Any], None]
    ) -> AsyncIterator[str]:
        kind = "chat.completion.chunk" if self.is_chat else "text_completion"
        opening: dict[str, Any] = {"role": "assistant"} if self.is_chat else {}
        piece: dict[str, Any] | None = first
        try:
            while piece is not None:
                text = piece.get("text", "")
                delta = {**opening, "content": text} if text or opening else {}
                content = {"delta": delta} if self.is_chat else {"text": text}
                choice = {"index": 0, **content, "finish_reason": piece.get("finish")}
                choice["logprobs"] = self._logprobs(piece.get("tokens", []))
                yield _event({**self.about, "object": kind, "choices": [choice]})
                options = self.body.get("stream_options") or {}
                if "finish" in piece and options.get("include_usage"):
                    usage = {"choices": [], "usage": _usage(piece)}
                    yield _event({**self.about, "object": kind, **usage})
                opening, piece = {}, await anext(pieces, None)
            yield "data: [DONE]\n\n"
        except ScionwoodError as error:
            yield _event(json.loads(bytes(_refused(error).body)))
        finally:
            await pieces.aclose()

    async def _pieces(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Yield what is told of the answer; if nobody waits any more, cancel it."""
        path, start, looks = self.folder / ANSWER, 0, 0
        try:
            while True:
                is_done, data = self.task.done(), b""
                if path.exists():
                    with path.open("rb") as file:
                        file.seek(start)
                        data = file.read()
                lines = data.rpartition(b"\n")[0] + b"\n" if b"\n" in data else b""
                start += len(lines)
                for line in lines.splitlines():
                    yield json.loads(line)
                if is_done and not lines:
                    if "error" in (result := self.task.result()):
                        raise ServingError(*_parts(result["error"]), result["status"])
                    return
                await asyncio.sleep(PACE)
                looks += 1
                if looks % 20 == 0 and await request.is_disconnected():
                    return
        finally:
            self.job.source.unlink(missing_ok=True)  # which tells the worker that nobody waits
            self.state.under_way -= 1
            self.task.add_done_callback(lambda task: task.cancelled() or task.exception())
            self.task.add_done_callback(lambda _: shutil.rmtree(self.folder, ignore_errors=True))

    def _logprobs(self, entries: list[dict[str, Any]]) -> dict[str, Any] | None:
        if self.body["top_logprobs"] is None:
            return None
        if not self.is_chat:
            return {
                "tokens": [entry["token"] for entry in entries],
                "token_logprobs": [entry["logprob"] for entry in entries],
                "top_logprobs": [dict(entry["top"]) for entry in entries],
            }
        return {"content": [_entry(e["token"], e["logprob"], e["top"]) for e in entries]}


def _entry(token: str, logprob: float, top: list[list[Any]]) -> dict[str, Any]:
    best = [{"token": t, "logprob": v, "bytes": list(t.encode())} for t, v in top]
    return {"token": token, "logprob": logprob, "bytes": list(token.encode()), "top_logprobs": best}


def _read(path: Path, is_chat: bool) -> dict[str, Any]:
    """Read the request, refuse what this server does not do, and write what the worker needs."""
    try:
        body = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ServingError("body", f"it is no JSON ({error})", "Send a JSON object", 400) from error
    main = "messages" if is_chat else "prompt"
    if not isinstance(body, dict) or main not in body or not isinstance(body.get("model"), str):
        rule = f"it has no `model` and `{main}`"
        raise ServingError("body", rule, "Send both; GET /v1/models lists the models", 400)
    for name, value in body.items():
        neutral = NEUTRAL.get(name)
        if name not in (*PASSED, *IGNORED) and value is not None and value != neutral:
            rule = "this server does not do it"
            raise ServingError(f"{name}: {str(value)[:80]}", rule, "Leave it out", 400)
    alternatives = body.get("top_logprobs") or 0
    if is_chat:
        body["top_logprobs"] = alternatives if body.get("logprobs") else None
    else:
        body["top_logprobs"] = body.get("logprobs")
    options = {name: body[name] for name in (*PASSED, main, "top_logprobs") if name in body}
    if body.get("max_completion_tokens") is not None:
        options["max_tokens"] = body["max_completion_tokens"]
    path.write_text(json.dumps(options), "utf-8")
    return body


def _usage(last: Mapping[str, Any]) -> dict[str, int]:
    counts = {name: last[name] for name in ("prompt_tokens", "completion_tokens")}
    return {**counts, "total_tokens": sum(counts.values())}


def _event(record: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(record)}\n\n"


def _parts(error: Mapping[str, str]) -> tuple[str, str, str]:
    return error["value"], error["rule"], error["remedy"]


def _refused(error: ScionwoodError) -> JSONResponse:
    """Return an error in the form that clients of OpenAI's API read."""
    status = error.status if isinstance(error, ServingError) else 422
    detail = {"message": str(error), "type": type(error).__name__, "param": error.value}
    headers = {"Retry-After": "2"} if status == 503 else {}
    return JSONResponse({"error": {**detail, "code": str(status)}}, status, headers)
