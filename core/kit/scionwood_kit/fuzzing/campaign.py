"""Fuzz a plugin: start workers, count what they tell, and survive whatever kills them."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from scionwood.errors import PluginError, ReadError
from scionwood.plugins.plugin import Plugin
from scionwood_kit.fuzzing.tally import Tally

STALL = 120.0
"""Seconds without a line after which a worker counts as hanging: more than the service waits."""

_START = 600.0  # seconds for imports
_MOST_DEATHS = 20

Report = Callable[[int, int], None]
"""Takes the mutations that are done, and all of them."""


def fuzz(
    plugin: Plugin,
    files: Sequence[Path] = (),
    *,
    n: int = 2000,
    seed: int = 0,
    corpus: Path = Path("fuzz"),
    report: Report = lambda count, total: None,
) -> tuple[list[Tally], list[str]]:
    """Read hostile variants and mutations of a plugin's samples, and count what becomes of them.

    Args:
        plugin: an installed plugin.
        files: files to damage as well.
        n: mutations of each sample.
        seed: the seed; the same seed gives the same mutations of the same sample.
        corpus: the folder for cases: one file for each new fault.
        report: is called after each mutation.

    Returns:
        The counts of each sample, those of its hostile variants, and a line for each reader
        without a sample.

    Raises:
        PluginError: the worker does not start.
        ReadError: no reader has the ending of a given file, or a file is too large.

    Example:
        tallies, missing = fuzz(scionwood.find("seismic").plugin, n=100)
        any(tally.failed for tally in tallies)
    """
    paths = [str(Path(file).resolve()) for file in files]
    job = {"plugin": plugin.name, "files": paths, "n": n, "seed": seed}
    campaign = _Campaign({**job, "corpus": str(corpus.resolve())}, report)
    for _ in range(_MOST_DEATHS):
        if campaign.run_worker():
            break
    return list(campaign.tallies.values()), campaign.missing


@dataclass
class _Campaign:
    job: dict[str, Any]
    report: Report
    tallies: dict[str, Tally] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    current: tuple[str, int, Any] | None = None
    finished: bool = False

    def run_worker(self) -> bool:
        """Start a worker behind what is done, and listen to it; return whether all is done."""
        worker = _start({**self.job, "done": self.done})
        lines: queue.Queue[str] = queue.Queue()
        listener = threading.Thread(target=_listen, args=(worker.stdout, lines), daemon=True)
        listener.start()
        try:
            fault = self._follow(lines)
        finally:
            worker.kill()
            code = worker.wait()
            listener.join()
        if fault:
            self._note(fault, code)
        return self.finished

    def _follow(self, lines: queue.Queue[str]) -> str:
        """Return `death` or `hang` if the worker did not come to its end."""
        wait = _START
        while not self.finished:
            try:
                line = lines.get(timeout=wait)
            except queue.Empty:
                return "hang"
            if not line:
                return "death"
            word, *arguments = json.loads(line)
            wait = _START if word in ("samples", "learn") else STALL
            getattr(self, f"_on_{word}")(*arguments)
        return ""

    def _note(self, fault: str, code: int) -> None:
        """Count the mutation that ended a worker, and let the next one go on behind it."""
        if self.current is None:
            rule = f"its readers cannot be damaged: the worker ended ({fault}, status {code})"
            raise PluginError(f"plugin {self.job['plugin']!r}", rule, "Run scionwood check first")
        name, number, edits = self.current
        self.current = None
        self.tallies[name].counts[fault] += 1
        self.tallies[name].cases.append((json.dumps(edits)[:500], f"{fault}, status {code}"))
        self.done[name] = number + 1

    def _on_samples(self, sizes: dict[str, int], missing: list[str]) -> None:
        self.missing, self.sizes = missing, sizes
        for name in sizes:
            self.tallies.setdefault(name, Tally(name))

    def _on_refused(self, value: str, rule: str, remedy: str) -> None:
        raise ReadError(value, rule, remedy)

    def _on_learn(self, name: str) -> None:
        self.current = None

    def _on_learned(self, name: str, kind: str, detail: str) -> None:
        if kind != "equal":
            self.tallies[name].problem = f"undamaged: {kind}: {detail}"
            self.done[name] = self.sizes[name]

    def _on_begin(self, name: str, number: int, edits: Any) -> None:
        self.current = name, number, edits

    def _on_end(self, name: str, kind: str, detail: str) -> None:
        self.tallies[name].counts[kind] += 1
        if self.current:
            self.done[name] = self.current[1] + 1
        self.report(sum(self.done.values()), sum(self.sizes.values()))

    def _on_case(self, name: str, path: str, detail: str) -> None:
        self.tallies[name].cases.append((path, detail))

    def _on_finished(self) -> None:
        self.finished = True


def _start(job: dict[str, Any]) -> subprocess.Popen[str]:
    folders = [str(Path(entry or os.curdir).resolve()) for entry in sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    worker = subprocess.Popen(
        [sys.executable, "-m", "scionwood_kit.fuzzing.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
        encoding="utf-8",
    )
    assert worker.stdin is not None
    with worker.stdin as pipe:
        json.dump(job, pipe)
    return worker


def _listen(pipe: IO[str], lines: queue.Queue[str]) -> None:
    with pipe:
        for line in pipe:
            lines.put(line)
    lines.put("")
