"""The command `bangla-checker`: check files, fix them, or serve an editor."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bangla_checker.checks import check_text
from bangla_checker.checks.findings import Findings
from bangla_checker.errors import CheckerError, OptionError, SaveError
from bangla_checker.lexicon.levels import levels_of
from bangla_checker.messages import LANGUAGES, Language, Message, said
from bangla_checker.reports.places import Places
from bangla_checker.reports.report import as_json, as_question, as_text
from bangla_checker.rewriter.fix import diff, level_of
from bangla_checker.rewriter.restate import Rewriting, rewrite
from bangla_checker.text.reading import decode_utf8, read_utf8, require_bangla
from bangla_checker.version import VERSION

STDIN = "-"
"""The name that means standard input."""

Output = Literal["text", "json", "fix", "write"]
_LETTER: dict[str, bool | None] = {"auto": None, "yes": True, "no": False}


@dataclass(frozen=True)
class Request:
    """How files are checked.

    Attributes:
        register: the accepted levels, such as apni or tumi,apni. `None` accepts all of them.
        letter: whether to check the parts of a letter: auto, yes or no. auto checks them if the
            text looks like one.
        chandrabindu: also report an honorific verb after তারা, which is then written তাঁরা.
        output: what is printed: the marked text, JSON, or the lines that change at one
            level; write also writes them to the file.
        language: the language of the messages, en or bn.

    Example:
        >>> from bangla_checker import Request
        >>> Request(register="apni").output
        'text'
    """

    register: str | None = None
    letter: str = "auto"
    chandrabindu: bool = False
    output: Output = "text"
    language: Language = "en"

    def check(self, text: str) -> Findings:
        """Check a normalised text.

        Raises:
            OptionError: a level is unknown.
        """
        levels, letter = levels_of(self.register), _LETTER[self.letter]
        return check_text(text, levels, letter=letter, chandrabindu=self.chandrabindu)


def run(names: Sequence[str], request: Request = Request()) -> bool:
    """Check files, print the result, and return whether no fault is left.

    Args:
        names: the files, UTF-8; `-` is standard input.
        request: how they are checked, and what is printed.

    Raises:
        TextError: a file cannot be read, or is not Bangla.
        OptionError: a level is unknown, or standard input is to be written.
        SaveError: a file cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from bangla_checker import run
        >>> size = Path("letter.txt").write_text("আপনি কেমন আছেন?", encoding="utf-8")
        >>> run(["letter.txt"])
        আপনি কেমন আছেন?
        <BLANKLINE>
        0 faults; undecided: 0 of 1 verb
        True
    """
    if request.output == "write" and STDIN in names:
        rule = "--write replaces a file, and standard input is none"
        raise OptionError("options of check", rule, "Leave --write out, or name the file")
    originals = [_read(name) for name in names]
    texts = [require_bangla(text, name) for name, text in zip(names, originals, strict=True)]
    if request.output in ("fix", "write"):
        fixes = [_fix(name, text, request) for name, text in zip(names, texts, strict=True)]
        return all(fixes)
    checked = [request.check(text) for text in texts]
    _show(checked, originals, names, request)
    return not any(findings.faults for findings in checked)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status: 0, 1 for faults, 2 for an error.

    Args:
        words: the words of the command line. `None` takes those of the process.
    """
    options = _parser().parse_args(words)
    try:
        if options.lsp:
            from bangla_checker.editor import Server

            levels = levels_of(options.register)
            streams = (sys.stdin.buffer, sys.stdout.buffer)
            server = Server(*streams, levels, options.language, chandrabindu=options.chandrabindu)
            return server.run()
        if not options.files:
            raise OptionError("FILE", "no file is named", "Name a file, or - for standard input")
        names = ("register", "letter", "chandrabindu", "output", "language")
        request = Request(**{name: getattr(options, name) for name in names})
        if hasattr(sys.stdout, "reconfigure"):  # a stream of Python may stand in its place
            sys.stdout.reconfigure(encoding="utf-8")
        return 0 if run(options.files, request) or options.exit_zero else 1
    except CheckerError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    about = "Check how a Bangla text addresses people. The exit status is 1 if it has a fault."
    parser = argparse.ArgumentParser("bangla-checker", description=about)
    parser.add_argument("files", nargs="*", metavar="FILE", help="a text, UTF-8; - is stdin")
    parser.add_argument("--register", help="the accepted levels: tui, tumi, apni, or tumi,apni")
    parser.add_argument("--letter", choices=_LETTER, default="auto", help="check its parts")
    parser.add_argument("--chandrabindu", action="store_true", help="also check তারা and তাঁরা")
    output = parser.add_mutually_exclusive_group()
    for name, says in (
        ("json", "print JSON"),
        ("fix", "print what changes at one level"),
        ("write", "print it, and write it to the file"),
    ):
        output.add_argument(
            f"--{name}", dest="output", action="store_const", const=name, default="text", help=says
        )
    parser.add_argument("--exit-zero", action="store_true", help="end with 0 in spite of faults")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="of the messages")
    parser.add_argument("--lsp", action="store_true", help="serve an editor over stdin and stdout")
    parser.add_argument("--version", action="version", version=VERSION)
    return parser


def _read(name: str) -> str:
    return decode_utf8(sys.stdin.buffer.read(), "stdin") if name == STDIN else read_utf8(name)


def _show(
    checked: Sequence[Findings], originals: Sequence[str], names: Sequence[str], request: Request
) -> None:
    displayed = [_display_name(name) for name in names]
    if request.output == "json":
        records = []
        for findings, original in zip(checked, originals, strict=True):
            record, places = as_json(findings, request.language), Places(findings.text, original)
            for item in (*record["faults"], *record["undecided"]):
                item["line"], item["column"] = places.line_and_column(item["start"])
            records.append(record)
        value = records[0] if len(records) == 1 else records
        print(json.dumps(value, ensure_ascii=False, indent=1))
    else:
        for findings, name in zip(checked, displayed, strict=True):
            head = f"{name}\n" if len(names) > 1 else ""
            print(head + as_text(findings, request.language))


def _display_name(name: str) -> str:
    return "stdin" if name == STDIN else Path(name).as_posix()


def _fix(name: str, text: str, request: Request) -> bool:
    """Print the changes and the questions, write the changes on request; return if none is left."""
    levels, language = levels_of(request.register), request.language
    findings = request.check(text)
    level = level_of(findings.text, None if levels is None else sorted(levels))
    result = Rewriting(findings.text, True) if level is None else rewrite(findings.text, level)
    after = result.text
    changes = diff(findings.text, after, _display_name(name))
    left = [fault for fault in findings.faults if fault.rule == "structure"]
    left += result.questions
    if level is not None:
        left += [fault for fault in check_text(after, [level]).faults if not fault.question]
    nothing = "nothing to fix" if not left else "nothing is certain enough to be changed"
    print(changes or said(nothing, language), end="" if changes else "\n")
    for fault in left:
        why = said(fault.reason, language)
        if fault.question:
            line = Message("line {line}", line=after.count("\n", 0, fault.start) + 1)
            why = f"{said(line, language)}: {said(as_question(fault), language)}"
        print(f"{said('not fixed', language)}: {why}")
    if request.output == "write" and changes:
        _write(Path(name), after)
    return not left


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        rule = f"it cannot be written ({error.strerror})"
        raise SaveError(str(path), rule, "Choose another folder") from error
