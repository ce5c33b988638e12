"""The language server, as an editor uses it: a process that answers over standard input."""

import json
import subprocess
import sys

import pytest

from bangla_checker import normalise

URI = "file:///letter.txt"
TEXT = "😀 আপনি কেমন আছ?\r\nআপনার চিঠি পেয়েছি।"


class Editor:
    """A client that sends messages to `bangla-checker --lsp` and reads its answers."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bangla_checker", "--lsp"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.number = 0

    def tell(self, method, **params):
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(self, method, **params):
        self.number += 1
        message = {"jsonrpc": "2.0", "id": self.number, "method": method}
        self._send(message | ({"params": params} if params else {}))
        answer = self.read()
        assert answer["id"] == self.number
        return answer

    def initialize(self, encodings=(), **options):
        able = {"general": {"positionEncodings": encodings}} if encodings else {}
        record = {"processId": None, "rootUri": None, "capabilities": able}
        return self.ask("initialize", **record, initializationOptions=options)

    def end(self):
        assert self.ask("shutdown")["result"] is None
        self.tell("exit")
        rest = self.process.communicate(timeout=60)[0]
        return self.process.returncode, rest

    def read(self):
        size = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                size = int(line.partition(b":")[2])
        return json.loads(self.process.stdout.read(size))

    def _send(self, message):
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()


@pytest.fixture
def editor():
    editor = Editor()
    yield editor
    if editor.process.poll() is None:
        editor.process.kill()
    editor.process.communicate()


def span(line, start, end):
    return {
        "start": {"line": line, "character": start},
        "end": {"line": line, "character": end},
    }


def faults(message):
    assert message["method"] == "textDocument/publishDiagnostics"
    return [(found["code"], found["range"]) for found in message["params"]["diagnostics"]]


def test_an_editor_gets_faults_and_fixes_while_the_text_changes(editor):
    capabilities = editor.initialize(register="tumi,apni")["result"]["capabilities"]
    assert capabilities["positionEncoding"] == "utf-16"
    assert capabilities["codeActionProvider"]["codeActionKinds"] == ["quickfix", "refactor.rewrite"]
    editor.tell("initialized")
    document = {"uri": URI, "languageId": "bn", "version": 1, "text": TEXT}
    editor.tell("textDocument/didOpen", textDocument=document)
    place = span(0, 13, 15)  # the emoji counts two
    assert faults(editor.read()) == [("agreement", place)]

    about = {"textDocument": {"uri": URI}, "context": {"diagnostics": []}}
    actions = editor.ask("textDocument/codeAction", **about, range=span(0, 14, 14))["result"]
    fix, *levels = actions
    assert fix["kind"] == "quickfix"
    assert fix["edit"] == {"changes": {URI: [{"range": place, "newText": normalise("আছেন")}]}}
    (to_tumi, to_apni) = (action["edit"]["changes"][URI][0] for action in levels)
    assert to_apni["newText"] == normalise("😀 আপনি কেমন আছেন?\nআপনার চিঠি পেয়েছি।")
    assert to_tumi["newText"] == normalise("😀 তুমি কেমন আছ?\nতোমার চিঠি পেয়েছি।")
    end = len(normalise(TEXT).partition("\n")[2])
    assert to_apni["range"]["end"] == {"line": 1, "character": end}

    about["context"]["only"] = ["refactor"]
    second = editor.ask("textDocument/codeAction", **about, range=span(1, 0, 0))["result"]
    assert {action["kind"] for action in second} == {"refactor.rewrite"}

    change = {"text": TEXT.replace("আছ?", "আছেন?")}
    version = {"uri": URI, "version": 2}
    editor.tell("textDocument/didChange", textDocument=version, contentChanges=[change])
    assert faults(editor.read()) == []
    change = {"text": "Only English words."}
    version = {"uri": URI, "version": 3}
    editor.tell("textDocument/didChange", textDocument=version, contentChanges=[change])
    (remark,) = editor.read()["params"]["diagnostics"]
    assert "at least half Bangla" in remark["message"]
    editor.tell("textDocument/didClose", textDocument={"uri": URI})
    assert faults(editor.read()) == []
    assert editor.end() == (0, b"")


def test_an_editor_that_counts_bytes_gets_places_in_bytes(editor):
    """As Neovim 0.11 does; a first try names a level that does not exist."""
    error = editor.initialize(register="vous")["error"]
    assert "register 'vous': it is not a level of address" in error["message"]
    able = editor.initialize(["utf-8", "utf-16"], register="apni")["result"]["capabilities"]
    assert able["positionEncoding"] == "utf-8"
    editor.tell("initialized")
    document = {"uri": URI, "languageId": "bn", "version": 1, "text": TEXT}
    editor.tell("textDocument/didOpen", textDocument=document)
    start = len("😀 আপনি কেমন ".encode())
    place = span(0, start, start + len("আছ".encode()))
    assert faults(editor.read()) == [("agreement", place)]
    about = {"textDocument": {"uri": URI}, "context": {"diagnostics": []}}
    fix, *_ = editor.ask("textDocument/codeAction", **about, range=span(0, start, start))["result"]
    assert fix["edit"]["changes"][URI] == [{"range": place, "newText": normalise("আছেন")}]
