"""The page at `/`, and the description at `/docs`; neither needs another site."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from scionwood.authoring import Page, Section, Table, render

if TYPE_CHECKING:
    from scionwood_serve.web.server_state import ServerState

FRONT_POLICY = (
    "default-src 'none'; connect-src 'self'; frame-src 'self'; img-src data: blob:; "
    "style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'"
)


def front_page(nonce: str, server_state: ServerState) -> str:
    """Return the page on which a person drops a file.

    Args:
        nonce: the nonce of its style and its script.
        server_state: the state of the server; the page asks for a token if there is one.
    """
    text = files("scionwood_serve.web").joinpath("front.html").read_text("utf-8")
    token = "" if server_state.limits.token else " hidden"
    return text.replace("NONCE", escape(nonce)).replace("TOKEN-HIDDEN", token)


def docs_page(schema: dict[str, Any]) -> str:
    """Return the description of all routes, made from the OpenAPI schema.

    Args:
        schema: the schema.
    """
    parts: list[Any] = ["The same in a machine's words: /openapi.json"]
    for path, methods in schema["paths"].items():
        for method, item in methods.items():
            text = item.get("summary") or ""
            long = (item.get("description") or "").strip()
            rows = [_row(option) for option in item.get("parameters", ())]
            table = [Table(("option", "type", "default", "meaning"), rows)] if rows else []
            body = [long] if long and long != text else []
            parts.append(Section(f"{method.upper()} {path}", [text, *body, *table]))
    return render(Page("What this server answers", parts, dated=False))


def _row(option: dict[str, Any]) -> tuple[str, str, str, str]:
    schema = option.get("schema", {})
    kinds = [_kind(one) for one in schema.get("anyOf", [schema])]
    default = schema.get("default")
    default_text = "" if default in (None, "") else str(default)
    return (
        option["name"],
        " or ".join(filter(None, kinds)),
        default_text,
        option.get("description", ""),
    )


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    kind = str(schema.get("type", ""))
    return "" if kind == "null" else kind
