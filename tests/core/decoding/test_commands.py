"""Commands decode files in a child; Python does so where it is asked to."""

from __future__ import annotations

import multiprocessing
import os
import sys

import pytest
from called import kind_of
from system_needs import NEEDS_LINUX

from scionwood.cli import main
from scionwood.plugins.plugin import FUNCTIONS
from scionwood_sandbox import enforced, settings
from scionwood_sandbox.decoding.switch import is_enabled, service_in_commands

VARIABLE = settings.variable


@pytest.fixture
def seen(monkeypatch):
    """What the command `plugins` sees of the switch."""
    found = []

    def command() -> int:
        found.append((os.environ.get(VARIABLE), is_enabled()))
        return 0

    module = sys.modules[__name__]
    monkeypatch.setattr(module, "command", command, raising=False)
    monkeypatch.setitem(FUNCTIONS, "plugins", f"{__name__}:command")
    return found


@NEEDS_LINUX
def test_the_default_holds_during_a_command_only(seen, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main(["plugins"]) == 0
    assert seen == [("service", True)]
    assert VARIABLE not in os.environ
    assert not is_enabled()
    with pytest.raises(ZeroDivisionError), service_in_commands():
        raise ZeroDivisionError
    assert VARIABLE not in os.environ, "an error ends it too"
    for choice, on in (("inline", False), ("service", True)):
        monkeypatch.setenv(VARIABLE, choice)
        assert main(["plugins"]) == 0
        assert seen.pop() == (choice, on), "the variable goes before the default"
        assert os.environ[VARIABLE] == choice


@NEEDS_LINUX
def test_a_file_that_kills_its_reader_is_an_error_of_the_command(
    seen, hostile, written, monkeypatch, capsys
):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(sys.modules[__name__], "command", lambda: hostile(written("segv")))
    assert main(["plugins"]) == 2
    assert "died of SIGSEGV" in capsys.readouterr().err


@NEEDS_LINUX
def test_a_batch_worker_runs_its_commands_so(tmp_path, monkeypatch):
    from scionwood_batch import worker

    monkeypatch.delenv(VARIABLE, raising=False)
    found = []
    monkeypatch.setattr(worker, "_command", lambda call: found.append(is_enabled()))
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "a"
    target.write_text("", "utf-8")
    assert worker.work(worker.Call("a/b", [], target, str(tmp_path))).error == ""
    assert found == [True]
    assert VARIABLE not in os.environ


def test_the_doctor_says_what_is_enforced_and_where_it_is_on(monkeypatch, capsys):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert "on in commands" in enforced()[0][1]
    monkeypatch.setattr("scionwood_sandbox.decoding.switch.possible", lambda: False)
    assert enforced()[-1][0] is False
    assert "walls need Linux 5.3" in enforced()[-1][1]


@NEEDS_LINUX
@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_of_a_command_decode_in_children(method, hostile, written, monkeypatch):
    path = written("good")
    monkeypatch.delenv(VARIABLE, raising=False)
    with service_in_commands():
        context = multiprocessing.get_context(method)
        with context.Pool(1) as pool:  # its processes are daemons, as those of a DataLoader
            assert pool.apply_async(kind_of, (hostile, path)).get(300) == "RemoteHostileReader"
