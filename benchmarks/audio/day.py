"""The memory and the speed of `audio find` on a day of sound.

    python benchmarks/audio/day.py [--rows hour day] [--work FOLDER]

The file is made here: faint noise with tones, as FLAC. `day` is 24 hours of one channel at 16 kHz
through the small random network, whose windows do not overlap: what fills the memory is the length.
`hour` is 20 minutes of stereo at 44.1 kHz through Whisper tiny.en with three windows at each
position, for the speed; its encoder takes 33 MB more than the random one.
Columns: the largest resident memory of the process and of the child that decodes the file (MB), the
seconds of CPU in a second of sound, and those of the search alone, without trying the levels.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from runner import Table, option, out, parsed, peak_memory

BLOCK = 60
ROWS = {"hour": (1 / 3, 44_100, 2, "package", 3), "day": (24.0, 16_000, 1, "random", 1)}
"""Hours, rate, channels, weights and overlap."""

CALLS = (10.0, 25.0, 40.0, 55.0, 70.0)
"""Beginnings of the marked tones, of half a second, in seconds."""


def write_day(path: Path, hours: float, rate: int, channels: int) -> None:
    """Write noise with a tone of half a second at every 15 s, a block at a time."""
    import soundfile

    rng = np.random.default_rng(0)
    time = np.arange(rate // 2) / rate
    tone = 0.2 * np.sin(2 * np.pi * (2500 - 1200 * time) * time) * np.hanning(len(time))
    noise = rng.integers(-2, 3, (BLOCK * rate, channels)) / 32768
    with soundfile.SoundFile(str(path), "w", rate, channels, "PCM_16", format="FLAC") as file:
        for _ in range(max(1, round(hours * 3600 / BLOCK))):
            block = np.roll(noise, int(rng.integers(BLOCK * rate)), 0)
            for start in range(10 * rate, BLOCK * rate - len(tone), 15 * rate):
                block[start : start + len(tone)] += tone[:, None]
            file.write(block)


def measure(path: Path, weights: str, overlap: int) -> None:
    """Search the file, and print what it took; this process does nothing else."""
    import time

    import torch

    from scionwood_audio.inference import finding
    from scionwood_audio.readers.selections import Selection
    from scionwood_audio.verbs.options import FindOptions

    torch.set_num_threads(1)
    whole = finding.searched
    spent = {}

    def timed(*arguments: object) -> np.ndarray:
        start = time.process_time()
        scores = whole(*arguments)  # type: ignore[arg-type]
        spent["search"] = time.process_time() - start
        return scores

    finding.searched = timed
    marked = [Selection(start, start + 0.5, "tone") for start in CALLS]
    options = FindOptions(weights=weights, overlap=overlap)
    found = finding.search(path, marked, options)
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    row = {
        "level": found.chosen.level,
        "found": len(found.selections),
        "peak MB": round(peak_memory() / 1e6),
        "peak of the child MB": round(child.ru_maxrss * 1024 / 1e6),
        "CPU s": round(time.process_time() + child.ru_utime, 1),
        "search CPU s": round(spent["search"], 1),
    }
    print(json.dumps(row))


def main() -> None:
    options = parsed(
        __doc__,
        option("--rows", nargs="*", default=list(ROWS), choices=list(ROWS)),
        option("--work", type=Path, default=Path("runs/audio_day"), help="folder of the files"),
        option("--measure", nargs=3, help="for this script itself: file, weights and overlap"),
        out("audio_day"),
    )
    if options.measure:
        path, weights, overlap = options.measure
        measure(Path(path), weights, int(overlap))
        return
    table = Table(options.out)
    for job in table.missing({"row": name} for name in options.rows):
        hours, rate, channels, weights, overlap = ROWS[job["row"]]
        path = options.work / f"{job['row']}.flac"
        if not path.is_file():
            write_day(path, hours, rate, channels)
        command = [sys.executable, __file__, "--measure", str(path), weights, str(overlap)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        row = json.loads(done.stdout.splitlines()[-1])
        seconds = 3600 * hours
        table.add(
            {
                **job,
                "hours": round(hours, 2),
                "weights": weights,
                "overlap": overlap,
                **row,
                "CPU a second": round(row["CPU s"] / seconds, 4),
                "search, CPU a second": round(row["search CPU s"] / seconds, 4),
            }
        )


if __name__ == "__main__":
    main()
