"""Where a system has no walls, a plain subprocess still keeps crashes and hangs from the caller."""

import sys

import numpy as np
import pytest

import scionwood
from scionwood_sandbox import Limits, Session, call_in_child, open_in_child, settings
from scionwood_sandbox.decoding import switch


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.setenv(settings.variable, "plain")
    monkeypatch.setattr(switch, "_reported", True)


@pytest.mark.parametrize(
    ("word", "cause"),
    [
        ("segv", "died of SIGSEGV" if sys.platform != "win32" else "ended with status"),
        ("exit", "ended with status 3"),
        ("sleep", "no answer for 1 s"),
    ],
)
def test_a_file_that_ends_its_reader_is_an_error_and_the_next_is_read(
    word, cause, hostile, written, tmp_path
):
    bad, good = written(word), written("good", "b.hostile")
    with Session(tmp_path, limits=Limits(wall=1)), pytest.raises(scionwood.ReadError) as caught:
        open_in_child(hostile, bad)
    assert cause in str(caught.value)
    with open_in_child(hostile, good) as reader:
        assert [record.data.tolist() for record in reader] == [[0, 1, 2, 3]]


def test_one_subprocess_serves_file_after_file_and_rewrites(hostile, written, tmp_path):
    numbers, target = set(), tmp_path / "c.hostile"
    for name in "ab":
        with open_in_child(hostile, written("good", f"{name}.hostile")) as reader:
            numbers.add(reader._channel.process.process.pid)
    with open_in_child(hostile, tmp_path / "a.hostile") as reader:
        reader.rewrite(target, lambda record: record.data + 1)
        assert target.read_text("utf-8") == "good 1.0 2.0 3.0 4.0"
        with pytest.raises(ZeroDivisionError):
            reader.rewrite(target, lambda record: 1 / 0, overwrite=True)
    assert target.read_text("utf-8") == "good 1.0 2.0 3.0 4.0"
    assert len(numbers) == 1


def test_large_arrays_and_streams_come_without_shared_memory(called, written):
    answer = call_in_child(called.describe, written("text"), factor=2)
    np.testing.assert_array_equal(answer["values"], np.arange(20_000, dtype="f4") * 2)
    rows = call_in_child(called.lines, written("\n".join(map(str, range(300)))))
    assert [row.data[0] for row in rows] == list(range(300))


def test_a_system_without_the_service_uses_it_and_says_once_what_that_means(
    hostile, written, monkeypatch, capsys
):
    monkeypatch.setenv(settings.variable, "service")
    monkeypatch.setattr(switch, "possible", lambda: False)
    monkeypatch.setattr(switch, "_reported", False)
    for _ in range(2):
        with hostile(written("good")) as reader:
            assert not reader._channel.process.walls
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: files are decoded without landlock, seccomp")
    assert "SCIONWOOD_READERS=strict refuses" in line
