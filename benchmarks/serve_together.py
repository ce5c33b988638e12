"""Throughput of a server whose waiting requests are computed together; `serve.py` runs it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from runner import Row

import scionwood

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "serve"))
from serve_client import Server, running

THREADS, TOGETHER = 8, 160
LETTERS = ("একটি চিঠি লিখুন।", "ছুটির আবেদন লেখো।", "একটি ছোট চিঠি লেখ।", "আপনি কেমন আছেন?")


def together(work: Path, finished: set[str]) -> Iterator[Row]:
    """Throughput of requests that are computed together, beside that of each alone."""
    if finished:
        return
    few = scionwood.fit(scionwood.resolve("biomed/few_shot_lora", smoke=True), run_dir=work / "few")
    draw = np.random.default_rng(0)
    pictures = [draw.integers(0, 256, (64, 64)).tolist() for _ in range(THREADS)]
    bodies = {
        "bangla/generate": [{"text": text} for text in LETTERS],
        "biomed/classify": [{"array": picture, "dtype": "uint8"} for picture in pictures],
    }
    alone: dict[str, tuple[float, list[bytes]]] = {}
    for limit in (1, 8):
        words = ("bangla/register_tiny", f"few={few}", "--together", str(limit))
        with running(work / f"server{limit}", *words) as server:
            for service, values in bodies.items():
                sent = [json.dumps(picture).encode() for picture in values]
                for body in sent:
                    ask_json(server, service, body)  # so that all is imported
                seconds, answers = ask_all(server, service, sent)
                rate = len(answers) / seconds
                if limit == 1:
                    alone[service] = (rate, answers)
                expected = alone[service][1]
                name = f'scionwood_requests_together_total{{service="{service}"}} '
                lines = server.ask("GET", "/metrics").body.decode().splitlines()
                shared = sum(float(line.removeprefix(name)) for line in lines if name in line)
                yield {
                    "service": service, "at most together": limit, "requests": len(answers),
                    "threads": THREADS, "computed with others": f"{shared / len(answers):.2f}",
                    "requests per s": f"{rate:.1f}",
                    "times alone": f"{rate / alone[service][0]:.2f}",
                    "largest difference": f"{difference(answers, expected):.1e}",
                }  # fmt: skip


def ask_json(server: Server, service: str, body: bytes) -> bytes:
    answer = server.ask(
        "POST", f"/v1/{service}", body, headers={"Content-Type": "application/json"}
    )
    assert answer.status == 200, answer.body
    return answer.body


def ask_all(server: Server, service: str, bodies: list[bytes]) -> tuple[float, list[bytes]]:
    """Ask in threads, each body several times; return the seconds and the answers in order."""
    requests = [body for body in bodies for _ in range(TOGETHER // len(bodies))]
    begun = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda body: ask_json(server, service, body), requests))
    return time.perf_counter() - begun, answers


def difference(answers: list[bytes], expected: list[bytes]) -> float:
    """Return the largest difference of two probabilities; infinity if anything else differs."""
    largest = 0.0
    for one, two in zip(map(json.loads, answers), map(json.loads, expected), strict=True):
        left, other = one.pop("probabilities", {}), two.pop("probabilities", {})
        largest = max([largest, *(abs(left[name] - other[name]) for name in left)])
        largest = largest if one == two else float("inf")
    return largest
