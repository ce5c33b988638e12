"""Count what de-identifiers leave: planted attributes, and real files that conform less.

    python benchmarks/biomed_deidentify.py [--peers PYTHON] [--dciodvfy PROGRAM]

`PYTHON` is an interpreter of an environment with dicom-anonymizer and dicognito. `PROGRAM` is the
validator of dicom3tools; without it the types 1 and 2 of mandatory modules are compared. The real
files are those of pydicom and pydicom-data below 2 MB. The result is
`benchmarks/results/biomed_deidentify.csv`.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pydicom
from pydicom.data import get_testdata_file
from runner import machine, option, parsed, versions, write

from scionwood import ScionwoodError
from scionwood_biomed import DeidentifyOptions, deidentify
from scionwood_deid.tables import EDITION, level_of

FOLDER = Path(__file__).parent
LARGEST = 2_000_000
PEERS = """
import sys, json, time, warnings
warnings.simplefilter("ignore")
tool, todo = sys.argv[1], json.load(open(sys.argv[2]))
if tool == "dicognito":
    import pydicom
    from dicognito.anonymizer import Anonymizer
    def run(source, target):
        dataset = pydicom.dcmread(source)
        Anonymizer().anonymize(dataset)
        dataset.save_as(target)
else:
    from dicomanonymizer import anonymize_dicom_file
    from dicomanonymizer.simpledicomanonymizer import initialize_actions
    def run(source, target):
        rules = lambda: initialize_actions("dicomfields_2026c")
        anonymize_dicom_file(source, target, base_rules_gen=rules)
start = time.process_time()
for source, target in todo:
    try:
        run(source, target)
    except Exception as error:
        print(source, type(error).__name__, error, file=sys.stderr)
print(time.process_time() - start)
"""
Run = Callable[[list[tuple[Path, Path]]], float]


def by_scionwood(todo: list[tuple[Path, Path]]) -> float:
    """Copy files with this package; return the CPU seconds."""
    start = time.process_time()
    for source, target in todo:
        try:
            deidentify(source, target, DeidentifyOptions(salt="benchmark"))
        except ScionwoodError as error:
            print(f"{source.name}: {error}", file=sys.stderr)
    return time.process_time() - start


def peer(python: str, tool: str, folder: Path) -> Run:
    """Return a function that copies files with another package, in its own environment."""

    def run(todo: list[tuple[Path, Path]]) -> float:
        names = folder / "todo.json"
        names.write_text(json.dumps([(str(a), str(b)) for a, b in todo]))
        words = [python, "-c", PEERS, tool, str(names)]
        process = subprocess.run(words, capture_output=True, text=True, check=True)
        return float(process.stdout.splitlines()[-1])

    return run


def planting() -> ModuleType:
    path = FOLDER.parent / "tests/biomed/privacy/planting.py"
    spec = importlib.util.spec_from_file_location("planting", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def planted(run: Run, folder: Path) -> dict[str, int]:
    """Plant the attributes of the table, and then the rest of the dictionary; count survivors."""
    tools, counts = planting(), {}
    for name, tags in (("table", tools.of_table()), ("rest", tools.of_dictionary())):
        source, target = folder / f"{name}.dcm", folder / f"{name}.out.dcm"
        dataset = tools.sample()
        plants = tools.plant(dataset, tags)
        dataset.save_as(source)
        run([(source, target)])
        replaced = {"PatientID", "PatientName"}
        left = set(tools.survivors(pydicom.dcmread(target), plants)) - replaced
        counts |= {f"planted_{name}": len(plants), f"survive_{name}": len(left)}
    return counts


def real_files() -> list[Path]:
    """Return the DICOM files of pydicom and pydicom-data whose objects have a definition."""
    roots = [Path(str(get_testdata_file("CT_small.dcm"))).parent]
    if spec := importlib.util.find_spec("data_store"):
        roots.append(Path(str(spec.origin)).parent / "data")
    files = []
    for path in (item for root in roots for item in sorted(root.rglob("*"))):
        if path.is_file() and path.stat().st_size < LARGEST:
            try:
                dataset = pydicom.dcmread(path, stop_before_pixels=True)
            except Exception:  # no DICOM file: pydicom raises nearly anything
                continue
            if level_of(str(dataset.get("SOPClassUID", ""))):
                files.append(path)
    return files


def errors(path: Path, program: str | None) -> Counter[str]:
    """Return the errors of a file: of the validator, or missing attributes of types 1 and 2."""
    if program:
        process = subprocess.run([program, str(path)], capture_output=True, timeout=120)
        lines = process.stderr.decode("latin-1").splitlines()
        return Counter(re.sub(r"<[\d.]*>", "<UID>", ln) for ln in lines if ln.startswith("Error"))
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    level = level_of(str(dataset.get("SOPClassUID", "")), mandatory=True)
    is_empty = {e.keyword: e.is_empty for e in dataset}
    types = {word: level.type_of(word) for word in level.keywords()} if level else {}
    return Counter(
        word
        for word, kind in types.items()
        if (kind in ("1", "2") and word not in is_empty) or (kind == "1" and is_empty.get(word))
    )


def conformance(run: Run, folder: Path, files: list[Path], program: str | None) -> dict[str, str]:
    """Copy real files; count those that were copied, and those with errors that are new."""
    todo = [(path, folder / f"{number}.dcm") for number, path in enumerate(files)]
    seconds = run(todo)
    written = [(a, b) for a, b in todo if b.is_file()]
    worse = sum(bool(errors(b, program) - errors(a, program)) for a, b in written)
    return {
        "files": str(len(files)),
        "copied": str(len(written)),
        "worse": str(worse),
        "ms_per_file": f"{1000 * seconds / max(len(written), 1):.0f}",
    }


def main() -> None:
    options = parsed(__doc__, option("--peers"), option("--dciodvfy"), threads=None)
    warnings.simplefilter("ignore")
    files, rows = real_files(), []
    with tempfile.TemporaryDirectory() as place:
        tools: dict[str, Run] = {"scionwood": by_scionwood}
        for tool in ("dicom-anonymizer", "dicognito") if options.peers else ():
            tools[tool] = peer(options.peers, tool, Path(place))
        for tool, run in tools.items():
            folder = Path(place) / tool
            folder.mkdir()
            counts = planted(run, folder) | conformance(run, folder, files, options.dciodvfy)
            facts = {"edition": EDITION} | versions("pydicom") | machine()
            facts["validator"] = "dciodvfy" if options.dciodvfy else "types 1 and 2"
            rows.append({"tool": tool, **counts, **facts})
            print(rows[-1], flush=True)
    write("biomed_deidentify", rows)


if __name__ == "__main__":
    main()
