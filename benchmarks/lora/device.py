"""Test and measure the kernels on a CUDA card, with torch, triton, peft and pytest only.

    python benchmarks/lora/device.py test     # the tests marked `gpu`; writes gpu_tests.xml
    python benchmarks/lora/device.py bench    # writes lora_layer.csv
    python benchmarks/lora/device.py kit      # the wheels that such a machine needs

The first two write into the folder $OUT and take at most 8 minutes each. Without a card they do
nothing, and say so.
Nothing need be installed: the packages of this checkout are found by PYTHONPATH.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("core", "core/sandbox", "plugins/seismic")
FOLDERS = (
    "tests/core/kernels",
    "tests/core/training",
    "tests/seismic/kernels",
)
NEEDS = ("torch", "triton", "peft", "pytest")
SECONDS = 460
"""Of each command; the start of Python and of the driver come on top."""


def main(task: str) -> int:
    """Run a task, and return the status for the shell."""
    if task == "kit":
        print(*kit(), sep="\n")
        return 0
    if reason := missing():
        print(f"{task}-gpu: nothing ran, since {reason}.")
        return 0
    out = Path(os.environ.get("OUT") or tempfile.mkdtemp(prefix="gpu-"))
    out.mkdir(parents=True, exist_ok=True)
    print(f"{task}-gpu: results go to {out}", flush=True)
    return test(out) if task == "test" else bench(out)


def missing() -> str:
    """Return why nothing can run here, or an empty string."""
    for name in NEEDS:
        try:
            version(name)
        except PackageNotFoundError:
            return f"{name} is not installed"
    import torch

    return "" if torch.cuda.is_available() else "torch sees no CUDA device"


def test(out: Path) -> int:
    """Run the tests marked `gpu`; after their time they are stopped, and the log stays."""
    config = ROOT / FOLDERS[0] / "gpu.ini"
    options = ["-c", config, "--rootdir", ROOT, "-v", f"--junitxml={out / 'gpu_tests.xml'}"]
    files = [ROOT / folder / "test_gpu.py" for folder in FOLDERS]
    return run(["-m", "pytest", *options, *files], out / "gpu_tests.txt", SECONDS)


def bench(out: Path) -> int:
    """Measure the layers in every form; the last ones are left out when the time is over."""
    layer = [ROOT / "benchmarks" / "lora_kernels.py", "--device", "cuda", "--only", "layer"]
    layer += ["--rounds", "30", "--seconds", str(int(0.9 * SECONDS)), "--output", out]
    return run(layer, out / "lora_layer.txt", SECONDS)


def run(command: Sequence[object], log: Path, seconds: float) -> int:
    """Run Python with the packages of this checkout; print its output, and write it to a file."""
    paths = [str(ROOT / source) for source in SOURCES] + [os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    words = [sys.executable, "-u", *(str(word) for word in command)]
    with log.open("w") as file:
        try:
            status = subprocess.run(
                words, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT,
                timeout=max(1.0, seconds),
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            status = 124
    print(log.read_text(errors="replace")[-8000:])
    if status == 124:
        print(f"stopped after {seconds:.0f} seconds; {log} has what was printed until then")
    return status


def kit() -> Iterator[str]:
    """Yield the wheels that a machine with its own torch and triton lacks, with their versions."""
    present = closure(("torch", "triton"))
    wheels = sorted(closure(("peft", "pytest")) - present)
    yield "# A machine with torch and triton of its own needs these wheels besides:"
    yield from (f"{name}=={version(name)}" for name in wheels)
    yield "# Without a network there, fetch them here for its Python and carry the folder:"
    yield "#   pip download --no-deps --only-binary=:all: --python-version 3.12 -d wheels NAME"
    yield "#   pip install --no-index --no-deps --target site wheels/*.whl; export PYTHONPATH=site"
    yield "# torch and triton must fit each other: keep those of the machine, or carry both:"
    yield from (f"# {name}=={version(name)}" for name in ("torch", "triton"))


def closure(names: Sequence[str]) -> set[str]:
    """Return distributions and all that they require here, without extras; names are normal."""
    todo, visited = list(names), set()
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in visited or not _installed(name):
            continue
        visited.add(name)
        lines = [line for line in requires(name) or () if "extra ==" not in line]
        todo += [re.match(r"[\w.-]+", line)[0] for line in lines]
    return visited


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("test", "bench", "kit"):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
