"""A language server, which shows the faults of an open text in an editor and offers to fix them.

It speaks the Language Server Protocol 3.17 over standard input and output: JSON-RPC 2.0 with a
header. An editor sends the whole text after each change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, final

from bangla_checker.checks import check_text
from bangla_checker.checks.findings import Fault, Findings
from bangla_checker.errors import CheckerError, OptionError, TextError
from bangla_checker.lexicon import LEVELS
from bangla_checker.lexicon.levels import levels_of
from bangla_checker.messages import LANGUAGES, Language, Message, said
from bangla_checker.reports.places import Places
from bangla_checker.reports.report import as_question, explained
from bangla_checker.rewriter.restate import rewrite
from bangla_checker.text.reading import require_bangla
from bangla_checker.version import VERSION

Json = dict[str, Any]

NAME = "bangla-checker"
FIX, REWRITE = "quickfix", "refactor.rewrite"
_BYTES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}
_WHOLE_TEXT, _WARNING, _INFORMATION = 1, 2, 3
_UNKNOWN_METHOD, _BAD_VALUE = -32601, -32602


@final
class OpenText:
    """An open text and its faults, with positions in the units of the editor.

    Args:
        text: the text as the editor has it.
        register: the accepted levels. `None` accepts all of them.
        language: the language of the messages.
        encoding: the units of columns: `utf-8`, `utf-16` or `utf-32`.
        chandrabindu: whether to report an honorific verb after তারা.
    """

    def __init__(
        self,
        text: str,
        register: frozenset[str] | None = None,
        language: Language = "en",
        encoding: str = "utf-16",
        *,
        chandrabindu: bool = False,
    ) -> None:
        self._levels = tuple(lv for lv in LEVELS if register is None or lv in register)
        self._language: Language = language
        self._encoding = encoding
        self.refused = ""
        self.findings = Findings("")
        try:
            normal = require_bangla(text, "this text")
        except TextError as error:
            self.refused = str(error) if text.strip() else ""
        else:
            self.findings = check_text(normal, register, letter=None, chandrabindu=chandrabindu)
        self._places = Places(self.findings.text, text)
        self._lines = self._places.original.split("\n")

    def diagnostics(self) -> list[Json]:
        """Return a warning for each fault. A text that is not Bangla has one remark instead."""
        if self.refused:
            top = {"line": 0, "character": 0}
            about = {"range": {"start": top, "end": top}, "message": self.refused}
            return [{**about, "severity": _INFORMATION, "source": NAME}]
        return [self._warning(fault) for fault in self.findings.faults]

    def actions(self, uri: str, within: Json) -> Iterator[Json]:
        """Yield the fixes of faults that touch a range, and the text at each accepted level.

        Args:
            uri: the name of the text.
            within: the selection, or the place of the cursor.
        """
        for fault in self.findings.faults:
            warning = self._warning(fault)
            if fault.suggestions and _touch(warning["range"], within):
                for word in fault.suggestions:
                    edit = {"range": warning["range"], "newText": word}
                    title = Message("Write {word}", word=word)
                    yield self._action(title, FIX, uri, edit) | {"diagnostics": [warning]}
        if self.findings.levels:
            yield from self._rewritings(uri)

    def _rewritings(self, uri: str) -> Iterator[Json]:
        end = {"line": len(self._lines) - 1, "character": self._units(self._lines[-1])}
        full_range = {"start": {"line": 0, "character": 0}, "end": end}
        for level in self._levels:
            result = rewrite(self.findings.text, level)
            if result.text not in (self._places.original, self.findings.text):
                title = "Address everybody at the level {level}"
                title += "" if result.complete else " where the meaning is certain"
                edit = {"range": full_range, "newText": result.text}
                yield self._action(Message(title, level=level), REWRITE, uri, edit)

    def _action(self, title: str, kind: str, uri: str, edit: Json) -> Json:
        changes = {"changes": {uri: [edit]}}
        return {"title": said(title, self._language), "kind": kind, "edit": changes}

    def _warning(self, fault: Fault) -> Json:
        question = f". {said(as_question(fault), self._language)}" if fault.question else ""
        return {
            "range": {"start": self._position(fault.start), "end": self._position(fault.end)},
            "message": explained(fault, self._language) + question,
            "severity": _WARNING,
            "code": fault.rule,
            "source": NAME,
        }

    def _position(self, at: int) -> Json:
        line, column = self._places.line_and_column(at)
        return {"line": line - 1, "character": self._units(self._lines[line - 1][: column - 1])}

    def _units(self, text: str) -> int:
        bare = "utf-8" if self._encoding == "utf-8" else f"{self._encoding}-le"
        return len(text.encode(bare, "surrogatepass")) // _BYTES[self._encoding]


@final
class Server:
    """Answers one editor.

    Args:
        read: the stream of requests.
        write: the stream of answers.
        register: the accepted levels. `None` accepts all of them. An editor may name them itself,
            as `register` of its initialization options.
        language: the language of the messages. An editor may name it as `language`.
        chandrabindu: whether to report an honorific verb after তারা.
    """

    def __init__(
        self,
        read: BinaryIO,
        write: BinaryIO,
        register: frozenset[str] | None = None,
        language: Language = "en",
        *,
        chandrabindu: bool = False,
    ) -> None:
        self._read, self._write = read, write
        self._register, self._language, self._chandrabindu = register, language, chandrabindu
        self._encoding = "utf-16"
        self._texts: dict[str, OpenText] = {}
        self._shut = False
        self._answers: dict[str, Callable[[Json], Any]] = {
            "initialize": self._initialize,
            "shutdown": self._shutdown,
            "textDocument/codeAction": self._code_action,
        }
        self._notices: dict[str, Callable[[Json], None]] = {
            "textDocument/didOpen": self._opened,
            "textDocument/didChange": self._changed,
            "textDocument/didClose": self._closed,
        }

    def run(self) -> int:
        """Answer until the editor ends, and return the exit status: 0 after a request to end."""
        while (message := self._received()) is not None:
            method, parameters = message.get("method", ""), message.get("params") or {}
            if method == "exit":
                break
            if "id" in message:
                self._send({"id": message["id"], **self._result(method, parameters)})
            elif method in self._notices:
                self._notices[method](parameters)
        return 0 if self._shut else 1

    def _result(self, method: str, parameters: Json) -> Json:
        if method not in self._answers:
            rule = f"there is no method {method!r} here"
            return {"error": {"code": _UNKNOWN_METHOD, "message": rule}}
        try:
            return {"result": self._answers[method](parameters)}
        except CheckerError as error:
            return {"error": {"code": _BAD_VALUE, "message": str(error)}}

    def _initialize(self, parameters: Json) -> Json:
        options = parameters.get("initializationOptions")
        if isinstance(options, dict):
            if options.get("register"):
                self._register = levels_of(options["register"])
            self._language = _language_of(options.get("language") or self._language)
        general = parameters.get("capabilities", {}).get("general", {})
        offered = [name for name in general.get("positionEncodings") or () if name in _BYTES]
        self._encoding = offered[0] if offered else "utf-16"
        able = {
            "positionEncoding": self._encoding,
            "textDocumentSync": {"openClose": True, "change": _WHOLE_TEXT},
            "codeActionProvider": {"codeActionKinds": [FIX, REWRITE]},
        }
        return {"capabilities": able, "serverInfo": {"name": NAME, "version": VERSION}}

    def _shutdown(self, _: Json) -> None:
        self._shut = True

    def _code_action(self, parameters: Json) -> list[Json]:
        uri = parameters["textDocument"]["uri"]
        if uri not in self._texts:
            raise OptionError(uri, "this text is not open", "Open it first")
        kinds = parameters.get("context", {}).get("only") or [FIX, REWRITE]
        actions = self._texts[uri].actions(uri, parameters["range"])
        return [action for action in actions if _is_wanted(action["kind"], kinds)]

    def _opened(self, parameters: Json) -> None:
        document = parameters["textDocument"]
        self._publish(document["uri"], document["text"], document.get("version"))

    def _changed(self, parameters: Json) -> None:
        document = parameters["textDocument"]
        text = parameters["contentChanges"][-1]["text"]
        self._publish(document["uri"], text, document.get("version"))

    def _closed(self, parameters: Json) -> None:
        uri = parameters["textDocument"]["uri"]
        self._texts.pop(uri, None)
        self._show(uri, [], None)

    def _publish(self, uri: str, text: str, version: int | None) -> None:
        about = (self._register, self._language, self._encoding)
        self._texts[uri] = OpenText(text, *about, chandrabindu=self._chandrabindu)
        self._show(uri, self._texts[uri].diagnostics(), version)

    def _show(self, uri: str, diagnostics: list[Json], version: int | None) -> None:
        parameters: Json = {"uri": uri, "diagnostics": diagnostics}
        if version is not None:
            parameters["version"] = version
        self._send({"method": "textDocument/publishDiagnostics", "params": parameters})

    def _received(self) -> Json | None:
        size = 0
        while (line := self._read.readline()).strip():
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                size = int(value)
        if not line:
            return None
        message: Json = json.loads(self._read.read(size))
        return message

    def _send(self, message: Json) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode()
        self._write.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        self._write.flush()


def _language_of(name: object) -> Language:
    for language in LANGUAGES:
        if name == language:
            return language
    remedy = f"Use one of {', '.join(LANGUAGES)}"
    raise OptionError(f"language {str(name)[:40]!r}", "there are no messages in it", remedy)


def _is_wanted(kind: str, kinds: list[str]) -> bool:
    # An editor that asks for "refactor" gets "refactor.rewrite" too.
    return any(kind == prefix or kind.startswith(f"{prefix}.") for prefix in kinds)


def _touch(one: Json, other: Json) -> bool:
    return _place(one["start"]) <= _place(other["end"]) and _place(other["start"]) <= _place(
        one["end"]
    )


def _place(position: Json) -> tuple[int, int]:
    return position["line"], position["character"]
