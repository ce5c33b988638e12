"""Run peft's own tests of adapters with plain peft, with fused kernels and with our methods.

python tests/peft_suite             fetch peft's source distribution, run all, print the counts
python tests/peft_suite fused       run one suite
python tests/peft_suite --write     put the counts into docs/zoo.md
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "zoo.md"
BEGIN, END = "<!-- the counts: make test-peft -->", "<!-- end of the counts -->"
SUITES = {
    "plain": "peft alone, LoRA",
    "fused": "with `kernels.enable`, LoRA",
    "methods": "the methods of the plugin `methods`",
}
OFFLINE = "needs a model of the hub; the machine had no network"
KNOWN = {
    "test_only_params_are_updated": "the test trains with a rate of 0.5 on inputs up to 89, which "
    "saturates the softmax of some gates. Their gradient is then exactly 0. With the rate of 100, "
    "which the test gives to HiRA and others, they learn",
}
"""Why a test fails, by its name, where its message does not say."""

Results = Mapping[str, tuple[str, str]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", help=f"of {', '.join(SUITES)}; none means all")
    parser.add_argument("--write", action="store_true")
    options, more = parser.parse_known_args()
    if not find_spec("diffusers"):
        print("peft's tests import diffusers: pip install '.[zoo]'", file=sys.stderr)
        return 1
    source = fetched(Path(sys.prefix) / "peft-suite")
    chosen = options.suites or list(SUITES)
    results = {suite: run(suite, source, more) for suite in chosen}
    text = report(results)
    print(text)
    if options.write and set(results) == set(SUITES):
        write(text)
    return 0


def fetched(folder: Path) -> Path:
    """Return the unpacked source distribution of the installed peft, and fetch it if need be."""
    name = f"peft-{version('peft')}"
    if not (folder / name).exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary"]
        subprocess.run([*pip, ":all:", "--dest", str(folder), name.replace("-", "==")], check=True)
        with tarfile.open(folder / f"{name}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        (folder / name / "tests" / "__init__.py").touch()  # its tests import each other
    return folder / name


def run(suite: str, source: Path, more: Sequence[str]) -> Results:
    """Run one suite, and return outcome and message by the name of each test."""
    out = source / f"{suite}.json"
    out.unlink(missing_ok=True)
    own = ["-c", os.devnull, "--rootdir", str(source), "-p", "plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", "-W", "ignore", "--tb=no", *own, *more]
    command += ["--peft-suite", suite, "--peft-suite-out", str(out), "tests/test_custom_models.py"]
    paths = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH", "")]))
    subprocess.run(command, cwd=source, env={**os.environ, "PYTHONPATH": paths}, check=False)
    if not out.exists():
        sys.exit(f"pytest ended before the tests of the suite {suite}")
    results: Results = json.loads(out.read_text())
    return results


def report(results: Mapping[str, Results]) -> str:
    """Return the counts and the failures, in Markdown."""
    lines = ["| suite | passed | failed | skipped |", "| --- | ---: | ---: | ---: |"]
    for suite, tests in results.items():
        count = Counter(outcome for outcome, _ in tests.values())
        cells = (f"{count[kind]:,}" for kind in ("passed", "failed", "skipped"))
        lines.append(f"| {SUITES[suite]} | {' | '.join(cells)} |")
    shared: dict[tuple[str, ...], list[str]] = {}
    for suite, tests in results.items():
        shared.setdefault(tuple(failures(tests)), []).append(SUITES[suite])
    for failed, names in shared.items():
        lines += ["", f"Failures, {' and '.join(names)}:", "", *failed]
    return "\n".join(lines)


def failures(tests: Results) -> list[str]:
    """Return one line for each reason, with the names of its tests."""
    by_reason: dict[str, list[str]] = {}
    for name, (outcome, message) in tests.items():
        if outcome == "failed":
            test = name.partition("::")[2]
            why = KNOWN.get(test.partition("[")[0]) or reason(message)
            by_reason.setdefault(why, []).append(test)
    names = {
        why: Counter(name.partition("[")[0] for name in failed) for why, failed in by_reason.items()
    }
    lines = []
    for why, tests_of in names.items():
        shown = ", ".join(f"`{t}`" + (f" ({n})" if n > 1 else "") for t, n in tests_of.items())
        lines.append(f"- {why}: {shown}")
    return lines or ["- none"]


def reason(message: str) -> str:
    """Return a short reason from the message of a failed test."""
    if "huggingface.co" in message or "offline mode" in message:
        return OFFLINE
    return re.sub(r"\s+", " ", message.strip().partition("\n")[0])[:120] or "no message"


def write(text: str) -> None:
    """Put the report between its marks on the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
