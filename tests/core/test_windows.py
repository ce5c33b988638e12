"""What Windows lacks, taken away here: modules, functions, signals, and symbolic links.

No Windows is at hand. This shows that our own modules do not need what only POSIX has; it does not
show that Windows runs them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MODULES = """
import builtins, os, subprocess, sys  # subprocess asks for msvcrt itself

POSIX = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog", "readline"}
plain = builtins.__import__

def guarded(name, globals=None, *rest, **named):
    importer = (globals or {}).get("__name__", "")
    if name in POSIX and importer.startswith("scionwood"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return plain(name, globals, *rest, **named)

class Locks:  # the calls of the module msvcrt that we use
    LK_NBLCK = 2
    @staticmethod
    def locking(file, mode, count):
        assert (mode, count) == (2, 1)
        os.fstat(file)

builtins.__import__ = guarded
sys.modules["msvcrt"] = Locks
"""

FUNCTIONS = """
import os, select, signal

for module, names in {
    os: ("fork", "forkpty", "getuid", "geteuid", "getgid", "killpg", "getpgid", "setsid", "mkfifo",
         "posix_fallocate", "preadv", "pwrite", "pread", "symlink", "sched_getaffinity",
         "sched_setaffinity", "uname", "getloadavg", "statvfs", "O_DIRECTORY"),
    signal: ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "setitimer", "alarm",
             "SIGQUIT", "pthread_sigmask"),
    select: ("poll", "epoll"),
}.items():
    for name in names:
        delattr(module, name)
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MODULES + code],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_every_module_of_ours_can_be_imported(tmp_path):
    packages = [ROOT / "core", *ROOT.glob("plugins/*/scionwood_*")]
    names = [
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        for package in packages
        for path in sorted(package.rglob("*.py"))
        if "template" not in path.parts and path.stem != "__main__"
    ]
    assert len(names) > 400
    code = f"import importlib\nfor name in {names}:\n    importlib.import_module(name)\n"
    result = run(code, tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]


def test_listing_plugins_works(tmp_path):
    code = f"from scionwood.cli import main\n{FUNCTIONS}\nassert main(['plugins']) == 0"
    result = run(code, tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "seismic" in result.stdout


@pytest.mark.slow
def test_listing_plugins_and_writing_segy_work(tmp_path):
    # Libraries choose by the platform, so they are imported before the functions go.
    code = f"""
from scionwood.cli import main
from scionwood_seismic.readers.segy import SegyReader

words = "seismic simulate noisy.sgy clean.sgy --n 2 --n-traces 16 --n-samples 64 --force".split()
assert main(words) == 0
{FUNCTIONS}
assert main(["plugins"]) == 0
assert main(words) == 0
with SegyReader("noisy.sgy") as reader:
    reader.rewrite("copy.sgy", lambda record: record.data)
"""
    result = run(code, tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "seismic" in result.stdout
    assert (tmp_path / "copy.sgy").read_bytes() == (tmp_path / "noisy.sgy").read_bytes()
