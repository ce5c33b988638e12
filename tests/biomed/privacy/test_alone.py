"""`scionwood-deid` without the core: its command line, and what it imports."""

import subprocess
import sys

import pytest
from pydicom.data import get_testdata_file

from scionwood.cli import main
from scionwood_deid import deidentify, deidentify_check, review
from scionwood_deid.verbs.command_line import run

ALONE = """
import sys
from scionwood_deid import scripts
sys.argv = ["scionwood-deid", *sys.argv[1:]]
code = scripts.copy()
print([name for name in ("torch", "lightning", "scionwood") if name in sys.modules])
sys.exit(code)
"""


def test_the_command_runs_without_torch_and_the_core_and_writes_the_same_bytes(tmp_path, capsys):
    scan = str(get_testdata_file("CT_small.dcm"))
    words = ["--salt", "pepper", "--dates", "shift", "--keep", "device", "patient"]
    command = [sys.executable, "-c", ALONE, scan, str(tmp_path / "a.dcm"), *words]
    alone = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "identifying fields removed" in alone.stdout
    assert alone.stdout.splitlines()[-1] == "[]"
    assert main(["biomed", "deidentify", scan, str(tmp_path / "b.dcm"), *words]) == 0
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


def test_the_three_commands_report_errors_and_findings_by_their_status(tmp_path, capsys):
    scan = str(get_testdata_file("CT_small.dcm"))
    assert run(deidentify, "scionwood-deid", [scan, str(tmp_path / "a.dcm")]) == 2
    assert "error: the key: pseudonyms need one secret" in capsys.readouterr().err
    assert run(deidentify_check, "scionwood-deid-check", [scan]) == 1
    assert "PatientName" in capsys.readouterr().out
    assert run(deidentify_check, "scionwood-deid-check", [scan, "--exit-zero"]) == 0
    assert run(review, "scionwood-deid-review", [scan]) == 2
    assert "it is no folder" in capsys.readouterr().err


def test_the_help_names_every_option_with_its_text(capsys):
    with pytest.raises(SystemExit, match="0"):
        run(deidentify, "scionwood-deid", ["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--make-key make the file" in text
    assert "--jobs JOBS number of processes" in text
    assert "--dates {remove,shift,keep}" in text
