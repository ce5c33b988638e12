"""Compare scionwood with plain peft on random nets: `make fuzz` runs 5,000.

python tests/core/differential/campaign.py --n 5000 --seed 0
python tests/core/differential/campaign.py --only 1840
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterable
from pathlib import Path

import torch

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from net_comparison import differences  # noqa: E402
from net_drawing import Drawn, draw  # noqa: E402


def faults(
    seeds: Iterable[int], folder: Path | None = None, *, first: bool = False
) -> dict[int, list[str]]:
    """Return the differences by the seeds of the nets that have some.

    Args:
        seeds: The seeds of the nets.
        folder: Where adapters are saved for `reloaded`.
        first: Whether to stop at the first net that differs.
    """
    made = {}
    for seed in seeds:
        own = None if folder is None else folder / str(seed)
        if own is not None:
            own.mkdir()
        if texts := _differences(draw(seed), own):
            made[seed] = texts
            if first:
                break
    return made


def _differences(drawn: Drawn, folder: Path | None = None) -> list[str]:
    try:
        return differences(drawn, folder)
    except Exception:  # an unforeseen error is a finding too
        return [traceback.format_exc()]


def reloaded(folder: Path) -> dict[int, list[str]]:
    """Load what `faults` has saved in a fresh process; return the differences by seed."""
    command = [sys.executable, str(HERE / "net_reload.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr[-2000:])
    return {int(seed): texts for seed, texts in json.loads(done.stdout).items()}


def report(seed: int, texts: list[str]) -> str:
    """Return a net as about ten lines that show the difference.

    Lines that the difference does not need are left out.
    """
    drawn = draw(seed)
    for field in ("before", "after", "later", "then"):
        for line in getattr(drawn, field):
            fewer = tuple(each for each in getattr(drawn, field) if each != line)
            smaller = drawn._replace(**{field: fewer})
            if _differences(smaller):
                drawn = smaller
    return "\n".join([f"net {seed}:", *(f"  {text}" for text in texts[:3]), drawn.source()])


def main() -> int:
    """Compare many nets; return 1 if some differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=5000, help="how many nets")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first net")
    parser.add_argument("--only", type=int, help="the seed of one net")
    parser.add_argument("--seeds", action="store_true", help="print only the seeds that differ")
    parser.add_argument("--first", action="store_true", help="stop soon after the first")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(options.seed, options.seed + options.n)
    if options.only is not None:
        seeds = range(options.only, options.only + 1)
    total, size = 0, 50 if options.first else 500
    for start in range(seeds.start, seeds.stop, size):
        chunk = range(start, min(start + size, seeds.stop))
        made = compare(chunk, first=options.first)
        for seed in sorted(made):
            text = str(seed) if options.seeds else report(seed, made[seed]) + "\n"
            print(text, flush=True)
        total += len(made)
        if not options.seeds:
            print(f"nets {chunk.start} to {chunk.stop - 1}: {len(made)} differ", flush=True)
        if options.first and total:
            break
    return int(total > 0)


def compare(seeds: Iterable[int], *, first: bool = False) -> dict[int, list[str]]:
    """Return the differences of nets by seed, those in a fresh process included."""
    with tempfile.TemporaryDirectory() as folder:
        made = faults(seeds, Path(folder), first=first)
        if not (first and made):
            for seed, texts in reloaded(Path(folder)).items():
                if texts:
                    made.setdefault(seed, []).extend(texts)
    return made


if __name__ == "__main__":
    sys.exit(main())
