"""Measure a server: versions, memory, latency beside a training, batches, and hostile requests.

    python benchmarks/serve.py                       # all five; what is done is not done again
    python benchmarks/serve.py --only concurrency --force

Everything runs on real servers over loopback, with one thread of torch. A reference answer is what
`scionwood seismic denoise` writes with the same run.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from runner import Row, machine, option, parsed, read, versions, write
from serve_together import together

import scionwood

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "serve"))
from serve_client import Answer, Server, running
from serve_hostile import requests, write_line, write_states
from serve_versions import make_versions

from scionwood_seismic.inference.files import denoise_file
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.outputs import Outputs
from scionwood_serve import take_version
from scionwood_serve.shadow.training import Gate, continue_training
from scionwood_serve.worker.holding import Holding

SERVICE = "seismic/denoise"
REQUESTS, THREADS, SWAPS, SESSIONS, ADAPTERS, TIMED = 250, 8, 5, 4, 10, 30


def concurrency(work: Path, finished: set[str]) -> Iterator[Row]:
    """1,000 requests in 8 threads over 20 swaps, in four sessions: who answered, and what."""
    line = write_line(work / "line.sgy", traces=8, samples=64)
    runs = make_versions(SERVICE, work / "runs", SWAPS + 1)
    references = [reference(run, work / "line.sgy", work / f"{run.name}.sgy") for run in runs]
    for number in range(1, SESSIONS + 1):
        if str(number) not in finished:
            with running(
                work / "server", f"clean={runs[0]}", "--root", str(work / "runs"), "--unsigned"
            ) as server:
                yield {"session": number, **session(server, line, runs, references)}


def session(server: Server, line: bytes, runs: list[Path], references: list[bytes]) -> Row:
    """Ask in threads, and switch from run to run meanwhile."""
    of = {server.ask("GET", "/adapters").json()[0]["version"]: 0}
    answers: list[tuple[float, Answer | None]] = []
    ended = threading.Semaphore(0)

    def one(_: int) -> None:
        begun, answer = time.perf_counter(), None
        try:
            answer = server.post(SERVICE, line, "line.sgy", gate="off")
        except OSError as error:
            print(f"lost: {error}", file=sys.stderr)
        answers.append((time.perf_counter() - begun, answer))
        ended.release()

    begun = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(one, number) for number in range(REQUESTS)]
        for number in range(1, SWAPS + 1):
            for _ in range(REQUESTS // (SWAPS + 1)):
                ended.acquire()
            of[server.put("clean", runs[number].name).json()["version"]] = number
        for item in futures:
            item.result()
    seconds = time.perf_counter() - begun
    good = [(t, a) for t, a in answers if a is not None and a.status == 200]
    times = [t for t, _ in good]
    return {
        "requests": REQUESTS, "threads": THREADS, "swaps": SWAPS,
        "versions that answered": len({a.version for _, a in good}),
        "distinct references": len(set(references)),
        "off their version": sum(a.body != references[of[a.version]] for _, a in good),
        "lost": REQUESTS - len(good), "p50 ms": round(1e3 * quantile(times, 0.5)),
        "p95 ms": round(1e3 * quantile(times, 0.95)), "s": round(seconds),
    }  # fmt: skip


def memory(work: Path, finished: set[str]) -> Iterator[Row]:
    """Memory of the worker with one adapter, and with ten more on the same base."""
    if finished:
        return
    write_line(work / "line.sgy")
    runs = make_versions(SERVICE, work / "runs", ADAPTERS + 1)
    adapter_bytes = sum(file.stat().st_size for file in runs[0].rglob("*.safetensors"))
    model = scionwood.load_run(runs[0])
    model_bytes = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    with running(
        work / "server", f"a0={runs[0]}", "--root", str(work / "runs"), "--unsigned"
    ) as server:
        server.post(SERVICE, (work / "line.sgy").read_bytes(), "line.sgy")
        first = server.memory(server.worker())
        for number in range(1, ADAPTERS + 1):
            server.put(f"a{number}", runs[number].name)
        last = server.memory(server.worker())
    item = (last - first) / ADAPTERS
    yield {
        "adapters added": ADAPTERS, "base and adapter MB": round(model_bytes / 1e6, 2),
        "adapter and head MB": round(adapter_bytes / 1e6, 2),
        "worker with one MB": round(first / 1e6, 1),
        "worker with all MB": round(last / 1e6, 1), "MB each": round(item / 1e6, 2),
        "allowed MB each": round(adapter_bytes / 1e6 + 1, 2),
    }  # fmt: skip


def latency(work: Path, finished: set[str]) -> Iterator[Row]:
    """The time of an answer and the memory of a worker, without and with a shadow that trains.

    It is the code of the worker in this process, without HTTP. Requests behind a pause in which the
    shadow trains alternate with requests behind one in which it waits, so that other work on the
    machine meets both.
    """
    if finished:
        return
    source = work / "line.sgy"
    source.write_bytes(write_line(source))
    version = take_version(SERVICE, work / "versions", "clean")
    changes = ["trainer.max_steps=100000", "data.n_train=64", "data.n_val=4", "data.batch_size=4"]
    changes += ["data.n_traces=64", "data.n_samples=64", "trainer.max_epochs=null"]
    recipe = scionwood.override(scionwood.resolve(version.folder / "recipe.yaml"), changes)
    (work / "next.yaml").write_text(recipe.dump(), encoding="utf-8")
    held, gate, service = Holding(), Gate(work / "may-train"), scionwood.load("services", SERVICE)
    held.load(version)

    def answered() -> float:
        out = Path(tempfile.mkdtemp(dir=work))
        begun = time.perf_counter()
        with gate.held(wait=False), held.lent(version.version) as run:
            service(run, source, out)
        return time.perf_counter() - begun

    for _ in range(3):
        answered()
    peak, times = {"none": rss(), "trains": 0}, {"none": list[float](), "trains": list[float]()}
    trained = work / "out" / "run" / "metrics.csv"
    words = (version.folder, str(work / "next.yaml"), work / "out", held, gate)
    threading.Thread(target=continue_training, args=words, daemon=True).start()
    gate.flag.touch()
    while not trained.exists():
        time.sleep(0.1)
    print("the shadow trains", flush=True)
    for number in range(2 * TIMED):
        name = ("none", "trains")[number % 2]
        if name == "trains":
            gate.flag.touch()
        time.sleep(0.5)
        gate.flag.unlink(missing_ok=True)
        times[name].append(answered())
        peak["trains"] = max(peak["trains"], rss())
    for name, seconds in times.items():
        yield {
            "shadow": name, "requests": len(seconds),
            "p50 ms": round(1e3 * quantile(seconds, 0.5)),
            "p95 ms": round(1e3 * quantile(seconds, 0.95)),
            "worker MB": round(peak[name] / 1e6),
        }  # fmt: skip


def rss() -> int:
    """Return the resident memory of this process, bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024


def hostile(work: Path, finished: set[str]) -> Iterator[Row]:
    """Each hostile request: its status, its time, the peak of memory, and whether all live on."""
    if finished:
        return
    line, states = write_line(work / "line.sgy"), write_states(work / "states.nc")
    few = scionwood.fit(scionwood.resolve("biomed/few_shot_lora", smoke=True), run_dir=work / "few")
    scionwood.load("readers", "biomed/nifti").write_sample(work / "v.nii.gz")
    letter = "স্যার, আপনি কবে আসবেন?".encode()
    runs = ["clean=seismic/denoise", "pde/dynamics", "crash/transfer_lora", "bangla/register_tiny"]
    with running(work / "server", *runs, f"few={few}", "--max-bytes", str(16 << 20)) as server:
        good = [
            (SERVICE, line, "a.sgy"), ("pde/rollout", states, "a.nc"),
            ("biomed/classify", (work / "v.nii.gz").read_bytes(), "v.nii.gz"),
            ("bangla/check", letter, "a.txt"),
        ]  # fmt: skip
        for service, body, file in good:
            assert server.post(service, body, file).status == 200
        server.post("crash/predict", b"x", "a.vtk")  # so that the libraries are imported
        server.post("pde/rollout", b"PK", "a.zip")
        worker = server.worker()
        for request in requests(line, states):
            query = {**request.query, **({"file": request.file} if request.file else {})}
            body, before = request.body(), server.memory(worker)
            with peak_of(lambda: server.memory(worker)) as peak:
                begun = time.perf_counter()
                path = f"/v1/{request.service}?{urlencode(query)}"
                answer = server.ask("POST", path, body, headers=request.headers)
                seconds = time.perf_counter() - begun
            alive = server.worker() == worker
            yield {
                "request": request.name, "status": answer.status, "s": round(seconds, 2),
                "peak MB": max(0, round((peak[0] - before) / 1e6)),
                "worker": "lives" if alive else "died",
                "rule": answer.error["rule"][:90],
            }  # fmt: skip
        status = server.post(SERVICE, line, "a.sgy").status
        assert status == 200, status


@contextmanager
def peak_of(measure: Callable[[], int]) -> Iterator[list[int]]:
    """Measure again and again in a thread, and keep the most."""
    peak, ended = [measure()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            peak[0] = max(peak[0], measure())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def reference(run: Path, source: Path, target: Path) -> bytes:
    options = DenoiseOptions(run=run, gate="off", tta="none")
    denoise_file(source, Outputs(target, force=True), options)
    return target.read_bytes()


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


PARTS = {
    "concurrency": concurrency,
    "memory": memory,
    "latency": latency,
    "together": together,
    "hostile": hostile,
}


def main() -> None:
    """Measure what is asked for and not there yet; each row is written as soon as it is done."""
    options = parsed(
        __doc__,
        option("--only", nargs="+", choices=PARTS, default=list(PARTS)),
        option("--force", action="store_true", help="measure what is there again"),
    )
    about = versions("scionwood", "scionwood-serve", "litserve") | {"cores": os.cpu_count()}
    for name in options.only:
        table = f"serve_{name}"
        rows = [] if options.force else read(table)
        with tempfile.TemporaryDirectory() as folder:
            for row in PARTS[name](Path(folder), {str(next(iter(row.values()))) for row in rows}):
                print(row, flush=True)
                rows.append(row | about | machine())
                if name not in ("hostile", "together"):
                    write(table, rows)
        write(table, rows)


if __name__ == "__main__":
    main()
