"""A language server, which shows the faults of an open text in an editor and offers to fix them.

It speaks the Language Server Protocol over standard input and output, by pygls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import final

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

from scionwood import ReadError
from scionwood_bangla.checker import check_text
from scionwood_bangla.checker.findings import RULES, Fault, Findings
from scionwood_bangla.checker.report import as_question
from scionwood_bangla.checker.restate import rewrite
from scionwood_bangla.checker.sarif import Places
from scionwood_bangla.lexicon import LEVELS
from scionwood_bangla.lexicon.levels import levels_of
from scionwood_bangla.text.reading import require_bangla

SOURCE = "scionwood-bangla"
REWRITE = types.CodeActionKind.RefactorRewrite
_KINDS = [types.CodeActionKind.QuickFix, REWRITE]


@final
class OpenText:
    """An open text and its faults, with positions in the units of the client.

    Args:
        document: the text as the editor has it.
        register: the accepted levels. `None` accepts all of them.
        chandrabindu: whether to report an honorific verb after তারা.
    """

    def __init__(
        self, document: TextDocument, register: frozenset[str] | None, *, chandrabindu: bool
    ) -> None:
        self._document = document
        self._levels = tuple(lv for lv in LEVELS if register is None or lv in register)
        self.refused = ""
        self.findings = Findings("")
        try:
            text = require_bangla(document.source, "this text")
        except ReadError as error:
            self.refused = str(error) if document.source.strip() else ""
        else:
            self.findings = check_text(text, register, letter=None, chandrabindu=chandrabindu)
        self._places = Places(self.findings.text, document.source)
        self._lines = self._places.original.split("\n")

    def diagnostics(self) -> list[types.Diagnostic]:
        """Return a warning for each fault. A text that is not Bangla has one remark instead."""
        if self.refused:
            top = types.Range(types.Position(0, 0), types.Position(0, 0))
            level = types.DiagnosticSeverity.Information
            return [types.Diagnostic(top, self.refused, severity=level, source=SOURCE)]
        return [self._warning(fault) for fault in self.findings.faults]

    def actions(self, within: types.Range) -> Iterator[types.CodeAction]:
        """Yield the fixes of faults that touch a range, and the text at each accepted level.

        Args:
            within: the selection, or the place of the cursor.
        """
        for fault in self.findings.faults:
            warning = self._warning(fault)
            if not fault.suggestions or not _touch(warning.range, within):
                continue
            for word in fault.suggestions:
                change = [types.TextEdit(warning.range, word)]
                yield self._action(f"Write {word}", _KINDS[0], change, [warning])
        if self.findings.levels:
            yield from self._rewritings()

    def _rewritings(self) -> Iterator[types.CodeAction]:
        full_range = types.Range(types.Position(0, 0), self._end())
        for level in self._levels:
            result = rewrite(self.findings.text, level)
            if result.text not in (self._places.original, self.findings.text):
                change = [types.TextEdit(full_range, result.text)]
                title = f"Address everybody at the level {level}"
                title += "" if result.complete else " where the meaning is certain"
                yield self._action(title, REWRITE, change)

    def _action(
        self,
        title: str,
        kind: types.CodeActionKind,
        change: Sequence[types.TextEdit],
        fixes: list[types.Diagnostic] | None = None,
    ) -> types.CodeAction:
        edit = types.WorkspaceEdit(changes={self._document.uri: list(change)})
        return types.CodeAction(title, kind=kind, diagnostics=fixes, edit=edit)

    def _warning(self, fault: Fault) -> types.Diagnostic:
        return types.Diagnostic(
            types.Range(self._position(fault.start), self._position(fault.end)),
            f"{fault.reason}; {RULES[fault.rule]}"
            + (f". {as_question(fault)}" if fault.question else ""),
            severity=types.DiagnosticSeverity.Warning,
            code=fault.rule,
            source=SOURCE,
        )

    def _position(self, at: int) -> types.Position:
        line, column = self._places.line_and_column(at)
        return types.Position(line - 1, self._units(self._lines[line - 1][: column - 1]))

    def _end(self) -> types.Position:
        return types.Position(len(self._lines) - 1, self._units(self._lines[-1]))

    def _units(self, text: str) -> int:
        return int(self._document.position_codec.client_num_units(text))


def language_server(
    register: frozenset[str] | None = None, *, chandrabindu: bool = False
) -> LanguageServer:
    """Return a server whose `start_io` answers an editor until it exits.

    An editor may name the accepted levels itself, as `register` of its initialization options.

    Args:
        register: the accepted levels. `None` accepts all of them.
        chandrabindu: whether to report an honorific verb after তারা.
    """
    server = LanguageServer(
        SOURCE, version(SOURCE), text_document_sync_kind=types.TextDocumentSyncKind.Incremental
    )
    accepted = {"register": register}

    @server.feature(types.INITIALIZE)
    def start(params: types.InitializeParams) -> None:
        options = params.initialization_options
        if isinstance(options, dict) and options.get("register"):
            accepted["register"] = levels_of(options["register"])

    def page(uri: str) -> OpenText:
        document = server.workspace.get_text_document(uri)
        return OpenText(document, accepted["register"], chandrabindu=chandrabindu)

    def publish(uri: str, diagnostics: list[types.Diagnostic], number: int | None = None) -> None:
        server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, diagnostics, version=number)
        )

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        item = params.text_document
        publish(item.uri, page(item.uri).diagnostics(), item.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        item = params.text_document
        publish(item.uri, page(item.uri).diagnostics(), item.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        publish(params.text_document.uri, [])

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(_KINDS))
    def actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        kinds = params.context.only or _KINDS
        code_actions = page(params.text_document.uri).actions(params.range)
        return [action for action in code_actions if _matches_kinds(action, kinds)]

    return server


def _matches_kinds(action: types.CodeAction, kinds: Sequence[str]) -> bool:
    # A client that asks for "refactor" gets "refactor.rewrite" too.
    kind = str(getattr(action.kind, "value", action.kind))
    prefixes = [str(getattr(entry, "value", entry)) for entry in kinds]
    return any(kind == prefix or kind.startswith(f"{prefix}.") for prefix in prefixes)


def _touch(one: types.Range, other: types.Range) -> bool:
    return one.start <= other.end and other.start <= one.end
