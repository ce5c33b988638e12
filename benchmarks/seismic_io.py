"""Measure how fast SEG-Y files are read and written, and how much memory `denoise` needs.

    python benchmarks/seismic_io.py                          # 1 GB, all tools, three rounds
    python benchmarks/seismic_io.py --gigabytes 20 --rounds 1 --tools cp,scionwood
    python benchmarks/seismic_io.py --denoise                # speed and memory of denoising
    python benchmarks/seismic_io.py --cores                  # both cores, two files

`--denoise` denoises a file in which every trace is live, and counts the CPU time of one core, and
what the network computes for the harm gate as a share of what it computes for the result. `--cores`
denoises two such files with one and with two processes or threads, by the clock. In the other rows,
each tool copies the file and doubles every sample; `cp` changes nothing. The clock stops when the
copy is on the disk (fsync). Rounds are interleaved, and headers and samples are checked.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import segyio
from obspy.io.segy.segy import _read_segy
from runner import machine, option, out, parsed, replace_rows, versions
from seismic_io_denoise import core_rows, denoise_rows

from scionwood_seismic.readers.segy import SegyReader
from scionwood_seismic.synth.signal import draw_gather

SAMPLES, TRACES = 2000, 240  # per trace; per gather
STRIDE = 240 + 4 * SAMPLES


def write_survey(path: Path, gathers: int, draw: Callable[[int], np.ndarray]) -> None:
    """Write a big-endian IEEE file of gathers, (TRACES, SAMPLES) each."""
    head = bytearray(3600)
    head[3216:3218], head[3220:3222] = (2000).to_bytes(2, "big"), SAMPLES.to_bytes(2, "big")
    head[3212:3214], head[3224:3226] = TRACES.to_bytes(2, "big"), (5).to_bytes(2, "big")
    head[3500:3502] = b"\1\0"
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(head)
        for number in range(gathers):
            raw = np.zeros((TRACES, STRIDE), np.uint8)
            raw[:, 8:12].view(">i4")[:] = number + 1
            raw[:, 36:40].view(">i4")[:, 0] = 25 * np.arange(TRACES)
            raw[:, 114:118].view(">u2")[:] = SAMPLES, 2000
            raw[:, 180:240] = rng.integers(0, 256, (TRACES, 60), np.uint8)
            raw[:, 240:].view(">f4")[:] = draw(number)
            file.write(raw.tobytes())


def noise(number: int) -> np.ndarray:
    """Return white noise, (TRACES, SAMPLES)."""
    return np.random.default_rng(number).standard_normal((TRACES, SAMPLES), np.float32)


def reflections(number: int) -> np.ndarray:
    """Return reflections in white noise at 0 dB, (TRACES, SAMPLES)."""
    events = draw_gather(np.random.default_rng(number), (TRACES, SAMPLES))
    return events + noise(number)


def by_cp(source: Path, target: Path) -> None:
    subprocess.run(["cp", source, target], check=True)


def by_scionwood(source: Path, target: Path) -> None:
    with SegyReader(source, gather="fldr") as reader:
        reader.rewrite(target, lambda record: record.data * np.float32(2))


def by_segyio_gathers(source: Path, target: Path) -> None:
    """Copy, then update one gather at a time, the fast way."""
    shutil.copyfile(source, target)
    with segyio.open(target, "r+", ignore_geometry=True) as file:
        for at in range(0, file.tracecount, TRACES):
            file.trace[at : at + TRACES] = file.trace.raw[at : at + TRACES] * np.float32(2)


def by_segyio_traces(source: Path, target: Path) -> None:
    """Copy, then update one trace at a time, as in the documentation of segyio."""
    shutil.copyfile(source, target)
    with segyio.open(target, "r+", ignore_geometry=True) as file:
        for i in range(file.tracecount):
            file.trace[i] = file.trace[i] * np.float32(2)


def by_obspy(source: Path, target: Path) -> None:
    """Use the low-level reader of ObsPy, which reads the whole file into memory."""
    file = _read_segy(str(source))
    for trace in file.traces:
        trace.data = trace.data * np.float32(2)
    file.write(str(target))


TOOLS: dict[str, Callable[[Path, Path], None]] = {
    "cp": by_cp,
    "scionwood": by_scionwood,
    "segyio gathers": by_segyio_gathers,
    "segyio traces": by_segyio_traces,
    "obspy": by_obspy,
}


def timed(tool: str, source: Path, target: Path) -> tuple[float, float]:
    """Return MB/s until the bytes are on the disk, and seconds of user and system time."""
    os.sync()
    start, used = time.perf_counter(), sum(os.times()[:4])
    TOOLS[tool](source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    speed = source.stat().st_size / 1e6 / (time.perf_counter() - start)
    return speed, sum(os.times()[:4]) - used


def wrong_bytes(source: Path, target: Path, factor: float) -> tuple[int, int]:
    headers = samples = 0
    with source.open("rb") as old, target.open("rb") as new:
        headers += sum(a != b for a, b in zip(old.read(3600), new.read(3600), strict=True))
        while block := old.read(TRACES * STRIDE):
            before = np.frombuffer(block, np.uint8).reshape(-1, STRIDE)
            after = np.frombuffer(new.read(len(block)), np.uint8).reshape(-1, STRIDE)
            headers += int((before[:, :240] != after[:, :240]).sum())
            expected = before[:, 240:].view(">f4") * np.float32(factor)
            samples += int((expected != after[:, 240:].view(">f4")).sum())
    return headers, samples


def io_rows(folder: Path, gigabytes: float, rounds: int, tools: list[str]) -> list[dict[str, str]]:
    source, target = folder / "in.sgy", folder / "out.sgy"
    gathers = max(1, round(gigabytes * 1e9 / (TRACES * STRIDE)))
    write_survey(source, gathers, noise)
    speeds: dict[str, list[float]] = {tool: [] for tool in tools}
    cpus: dict[str, list[float]] = {tool: [] for tool in tools}
    faults: dict[str, tuple[int, int]] = {}
    for i in range(rounds):
        for tool in tools[i % len(tools) :] + tools[: i % len(tools)]:
            speed, cpu = timed(tool, source, target)
            speeds[tool].append(speed)
            cpus[tool].append(cpu)
            faults[tool] = wrong_bytes(source, target, 1 if tool == "cp" else 2)
            target.unlink()
            print(f"{tool}: {speed:.0f} MB/s, CPU {cpu:.1f} s, wrong {faults[tool]}", flush=True)
    return [
        {
            "measure": "read, double, write",
            "tool": tool,
            "gigabytes": f"{source.stat().st_size / 1e9:.2f}",
            "median": f"{statistics.median(speeds[tool]):.0f}",
            "lowest": f"{min(speeds[tool]):.0f}",
            "highest": f"{max(speeds[tool]):.0f}",
            "unit": "MB/s",
            "rounds": str(rounds),
            "cpu_seconds": f"{statistics.median(cpus[tool]):.2f}",
            "wrong_header_bytes": str(faults[tool][0]),
            "wrong_samples": str(faults[tool][1]),
        }
        for tool in tools
    ]


def main() -> None:
    options = parsed(
        __doc__,
        option("--gigabytes", type=float, default=1.0),
        option("--rounds", type=int, default=3),
        option("--tools", default=",".join(TOOLS), help="separated by commas"),
        option("--denoise", action="store_true", help="measure denoising"),
        option("--cores", action="store_true", help="measure one and two cores"),
        option("--live", type=int, default=12, help="gathers of 2 MB, with --denoise and --cores"),
        option("--folder", type=Path, help="parent of the temporary folder"),
        out("seismic_io"),
        threads=None,
    )
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        files = [Path(folder) / "in" / f"{i}.sgy" for i in range(2 if options.cores else 1)]
        if options.denoise or options.cores:
            files[0].parent.mkdir()
            for i, file in enumerate(files):
                write_survey(file, options.live, lambda k, i=i: reflections(1000 * i + k))
        if options.denoise:
            rows = denoise_rows(Path(folder), files[0])
        elif options.cores:
            rows = core_rows(Path(folder), files, options.rounds)
        else:
            tools = options.tools.split(",")
            rows = io_rows(Path(folder), options.gigabytes, options.rounds, tools)
    about = machine() | versions("scionwood-seismic", "numpy", "segyio", "obspy")
    replace_rows(options.out, [row | about for row in rows], ("measure", "tool", "gigabytes"))
    for row in rows:
        print(f"{row['measure']}: {row['tool']} {row['median']} {row['unit']}")


if __name__ == "__main__":
    main()
