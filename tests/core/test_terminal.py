"""Tables and lists of results: fitted to a terminal, complete in a file or a pipe."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from scionwood.authoring import print_table
from scionwood.files.terminal import html_table, print_status

LONG = "a " * 100


def test_a_pipe_gets_complete_and_aligned_text(capsys):
    rows = [("snr", 12.3456789), ("name", None), ("text", f"{LONG}end"), ("two\nlines", 7)]
    print_table(("metric", "value"), rows, title="Results", numeric=("metric",))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["Results", "    metric  value", "       snr  12.3457"]
    assert lines[3] == "      name"
    assert lines[4].endswith(f"{LONG}end")
    assert lines[5] == "two; lines  7"


def test_a_table_without_rows_has_its_heading(capsys):
    print_table(("a", "b"), [])
    assert capsys.readouterr().out == "a  b\n"


def on_a_terminal(code: str, width: int) -> str:
    pty = pytest.importorskip("pty", reason="a pseudo-terminal needs Unix")
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(width), "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen([sys.executable, "-c", code], stdout=slave, env=environment):
        os.close(slave)
        text = b""
        try:
            while part := os.read(master, 4096):
                text += part
        except OSError:  # the end of a pseudo-terminal on Linux
            pass
    os.close(master)
    return text.decode()


def test_a_terminal_gets_a_table_of_its_width_with_colours():
    code = "from scionwood.authoring import print_table\n"
    code += f"print_table(('name', 'text'), [('[bold]', {LONG!r})])"
    printed = on_a_terminal(code, 40)
    assert "\x1b[1m" in printed
    assert "[bold]" in printed  # text is never read as markup
    plain = [line for line in printed.splitlines() if "a a" in line]
    assert len(plain) > 4
    assert max(map(len, plain)) <= 40


def test_marks_are_coloured_on_a_terminal_only(capsys):
    for good in (True, False, None):
        print_status(good, "check")
    assert capsys.readouterr().out == "* check\nx check\n- check\n"
    code = "from scionwood.files.terminal import print_status; print_status(False, 'check')"
    assert "\x1b[1;31mx\x1b[0m check" in on_a_terminal(code, 40)


EVIL = "a\x1b]0;title\x07\r.sgy"
SHOWN = r"a\x1b]0;title\x07\r.sgy"


def test_no_text_of_a_file_steers_the_terminal(capsys):
    print_table(("file", "note"), [(EVIL, "good")], title=EVIL)
    print_status(False, EVIL)
    printed = capsys.readouterr().out
    assert printed.splitlines() == [
        SHOWN,
        f"{'file':{len(SHOWN)}}  note",
        f"{SHOWN}  good",
        f"x {SHOWN}",
    ]
    assert f">{SHOWN}</td>" in html_table(("file",), [(EVIL,)])
    code = "from scionwood.files.terminal import print_status, print_table\n"
    code += f"print_status(None, {EVIL!r})\n"
    code += f"print_table(('file',), [({EVIL!r},)])"
    assert on_a_terminal(code, 80).count(SHOWN) == 2


def test_the_command_line_escapes_the_name_of_a_file():
    words = ["-m", "scionwood.cli", "show", EVIL]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert SHOWN in done.stderr
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


def test_warnings_escape_control_characters_inside_the_block_only():
    code = "import warnings\nfrom scionwood.files.terminal import visible_warnings\n"
    code += f"with visible_warnings():\n    warnings.warn({EVIL!r})\nwarnings.warn('\\x07')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert f"UserWarning: {SHOWN}\n" in done.stderr.decode()
    assert b"UserWarning: \x07" in done.stderr


@pytest.mark.parametrize(
    ("row", "numeric", "message"),
    [(("1",), (), "one cell for each"), (("1", "2"), ("c",), "numeric columns are among a, b")],
)
def test_refuses_a_row_or_a_column_that_does_not_fit(row, numeric, message):
    with pytest.raises(ValueError, match=message):
        print_table(("a", "b"), [row], numeric=numeric)


def test_a_table_in_html_escapes_every_text():
    table = html_table(("<a>", "b"), [("x & y", 0.123456789), (None, "one\n<two>")], title="<t>")
    assert "<caption>&lt;t&gt;</caption>" in table
    assert "<th>&lt;a&gt;</th>" in table
    assert ">x &amp; y</td>" in table
    assert ">0.123457</td>" in table
    assert ">one<br>&lt;two&gt;</td>" in table
    assert "<two>" not in table
