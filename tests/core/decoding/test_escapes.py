"""Code that has taken over a decoder gets nowhere, whatever walls the system has."""

import os
import platform
import re
import resource
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import escapes
import pytest
from system_needs import NEEDS_WALLS

import scionwood
from scionwood_sandbox import Limits, Session, call_in_child, settings
from scionwood_sandbox.decoding import control, seccomp, switch
from scionwood_sandbox.decoding.sandbox import WALLS, WITHOUT

pytestmark = NEEDS_WALLS
VARIABLE = settings.variable


@pytest.fixture
def service(monkeypatch):
    """Start a service anew with some walls left out; the usual one comes back."""

    def start(without="", choice="service"):
        monkeypatch.setenv(VARIABLE, choice)
        monkeypatch.setenv(WITHOUT, without)
        monkeypatch.setattr(switch, "_reported", False)
        control.forget()

    yield start
    control.forget()


@pytest.fixture
def victim():
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        assert process.poll() is None
        process.kill()


def state(process):
    """Return what a child may try to change of another process."""
    limits = [resource.prlimit(process.pid, which) for which in range(16)]
    return limits, os.getpriority(os.PRIO_PROCESS, process.pid), os.sched_getaffinity(process.pid)


COMBINATIONS = ["", "namespaces", "landlock", "landlock,namespaces", "seccomp"]


@pytest.mark.parametrize("without", COMBINATIONS)
def test_no_attempt_to_get_out_of_a_child_succeeds(
    without, service, victim, tmp_path, tmp_path_factory, capsys
):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text("canary", "utf-8")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "file").write_text("content", "utf-8")
    (folder / "victim").write_text("content", "utf-8")
    service(without)
    before = state(victim)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(outside / "socket"))
        sock.setblocking(False)
        targets = (victim.pid, str(outside / "socket"), str(outside / "secret"))
        with Session(folder):
            answers = call_in_child(escapes.attempt, folder / "file", *targets)
        if "seccomp" not in without:
            with pytest.raises(BlockingIOError):
                sock.recv(100)
    walls = {*WALLS, "namespaces"} - set(without.split(","))
    if not can_enter_namespaces():
        walls.discard("namespaces")
    out = {name: answer for name, answer in answers.items() if answer.startswith("escaped")}
    must_hold = {name for name, (_, stops) in escapes.PROBES.items() if stops & walls}
    assert must_hold & out.keys() == set(), out
    assert len(must_hold) >= 30 if "seccomp" not in without else len(must_hold) >= 20
    assert len(answers) == len(escapes.PROBES) >= 65
    assert state(victim) == before
    if "seccomp" not in without:
        assert sorted(os.listdir(folder)) == ["file", "victim"]
    warned = capsys.readouterr().err.splitlines()
    missing = [name for name in WALLS if name not in walls]
    assert len(warned) == bool(missing)
    for name in missing:
        assert name in warned[0]


@cache
def can_enter_namespaces():
    trial = "from scionwood_sandbox.decoding import namespaces; print(namespaces.enter())"
    done = subprocess.run([sys.executable, "-c", trial], capture_output=True, check=True)
    return done.stdout == b"True\n"


def test_strict_decodes_behind_all_walls_or_not_at_all(service, written, monkeypatch):
    path = written("text")
    service("", "strict")
    assert call_in_child(escapes.mapped_text, path) == "text"
    service("landlock,seccomp", "strict")
    with pytest.raises(scionwood.ReadError, match="without landlock and seccomp here"):
        call_in_child(escapes.mapped_text, path)
    monkeypatch.setattr(switch, "possible", lambda: False)
    with pytest.raises(scionwood.ReadError, match="SCIONWOOD_READERS=strict: this system has no"):
        call_in_child(escapes.mapped_text, path)


def refused(function, path, *given, cause, wall=30):
    """Return the seconds until a function that waits or lies ends as an error."""
    start = time.monotonic()
    with (
        Session(path.parent, limits=Limits(cpu=1, wall=wall)),
        pytest.raises(scionwood.ReadError, match=cause),
    ):
        call_in_child(function, path, *given)
    return time.monotonic() - start


def test_a_child_lets_its_caller_wait_no_longer_than_its_deadline(service, written):
    service()
    path = written("text")
    assert call_in_child(escapes.mapped_text, path) == "text"
    for function, cause in (
        (escapes.trickle, "gave no answer for 1 s"),
        (escapes.burn, "gave no answer for 1 s"),
        (escapes.close_in_silence, "died of SIGKILL"),
    ):
        assert refused(function, path, cause=cause, wall=1) < 8


def test_a_forged_answer_is_an_error_that_says_so(service, written):
    """Every kind of forged message is in `test_messages.py`."""
    service()
    for message in (["value"], ["callback", "function", {}, 1], [3], {}):
        refused(escapes.forge, written("text"), message, cause="answered outside of the protocol")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="another machine has no int 0x80")
def test_calls_of_another_machine_end_the_child(service, written):
    service()
    refused(escapes.call_as_a_machine_of_32_bits, written("text"), cause="died of SIG(SYS|SEGV)")


def test_a_forged_attribute_is_not_taken(hostile, written, service):
    service()
    with hostile(written("forge-attributes")) as reader:
        assert reader.word == "forge-attributes"
        assert reader._shared is False
        assert callable(reader.rewrite)
        assert "strange" not in vars(reader)
    with pytest.raises(scionwood.ReadError, match=r"protocol \(path is '/etc/passwd'"):
        hostile(written("forge-path"))


HEADERS = {
    "x86_64": ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"],
    "aarch64": ["/usr/include/asm-generic/unistd.h"],
}


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_of_calls_are_those_of_the_kernel(machine):
    header = next((path for path in map(Path, HEADERS[machine]) if path.exists()), None)
    if header is None:
        pytest.skip("the headers of the kernel are not installed")
    text = header.read_text("utf-8")
    known = {name: int(n) for name, n in re.findall(r"__NR(?:3264)?_(\w+)\s+(\d+)", text)}
    known.setdefault("newfstatat", known.get("fstatat", -1))
    tables = seccomp._DECODING + seccomp._WRITING + seccomp._BY_ARGUMENT + seccomp._UNKNOWN
    numbers = dict(seccomp._parsed(tables.replace("\n", " "), ["x86_64", "aarch64"].index(machine)))
    for name, number in numbers.items():
        assert known.get(name, number) == number, name
    assert len(numbers.keys() & known.keys()) > 90


# Limits of a shell that lie below ours

LIMITED = """
import resource, sys, numpy as np
from pathlib import Path
import scionwood
import scionwood_sandbox.record
import scionwood_sandbox.decoding.client
from scionwood_sandbox import call_in_child
for limit in sys.argv[1].split(","):
    resource.setrlimit(getattr(resource, limit), (int(sys.argv[2]),) * 2)
sys.path.append(sys.argv[4])
import called
try:
    print(call_in_child(called.describe, Path(sys.argv[3]), factor=2)["values"].sum(dtype=float))
except scionwood.ReadError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("limit", "most", "says"),
    [
        ("RLIMIT_NOFILE,RLIMIT_FSIZE,RLIMIT_CORE", 200, "399980000.0"),
        pytest.param("RLIMIT_AS", 900 << 20, "399980000.0", marks=pytest.mark.slow),
        ("RLIMIT_AS", 60 << 20, "ulimit -v is 60 MiB"),
    ],
)
def test_limits_of_a_shell_work_or_are_named(limit, most, says, written, monkeypatch):
    monkeypatch.setenv(VARIABLE, "service")
    arguments = [limit, str(most), str(written("text")), str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *arguments], capture_output=True, text=True, check=False
    )
    assert says in done.stdout, done.stdout + done.stderr
    if "ulimit" not in says:
        assert done.stderr == ""
