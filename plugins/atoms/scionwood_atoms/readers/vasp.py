"""Files of VASP: OUTCAR and vasprun.xml, plain or compressed with gzip."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn, cast, final
from xml.etree.ElementTree import Element, ParseError, iterparse

import numpy as np

from scionwood import ReadError
from scionwood.authoring import check_inflated, reading
from scionwood_atoms.readers.structure import LARGEST, Structure, checked, tensor

ENERGIES = ("energy", "free_energy")
"""The energy extrapolated to no smearing, energy(sigma->0), as ase has it; and TOTEN."""

UNCONVERGED = "unconverged electronic steps"
MACHINE_LEARNED = "forces of VASP's machine-learned field"

TAGS = ("GGA", "LHFCALC", "AEXX", "LUSE_VDW", "IVDW", "ENCUT", "LSORBIT", "ISPIN", "NELECT")
"""Tags of a run that OUTCAR prints as `TAG = value`."""

_PROLOG = rb'\s*(<\?xml version="1\.0" encoding="(ISO-8859-1|UTF-8)"\s*\?>)?\s*<modeling\b'
"""The head of each vasprun.xml. XML declares entities before the first element, or nowhere."""

_FREE = "FREE ENERGIE OF THE ION-ELECTRON SYSTEM"
_NO_MORE = 3  # of expat: the file ends before its last element does


@final
class _Header(NamedTuple):
    """What a run states once."""

    path: Path
    symbols: list[str]
    notes: dict[str, str]
    limit: int
    """The most electronic steps, NELM."""


def read_vasp(path: Path, *, energy: str = "energy") -> Iterator[Structure]:
    """Yield the ionic steps of an OUTCAR or a vasprun.xml, also compressed by gzip.

    A step whose electronic steps did not converge, and one of a machine-learned field, states it
    in `problem`. The notes state the level of theory. A file that ends between two steps is read,
    as a job that was stopped leaves it; one that ends inside a step is refused. `energy` is
    energy(sigma->0); `free_energy` is TOTEN, whose slopes the forces are. VASP prints stress in kB
    with the other sign.

    Source: VASP 5.3 to 6.4; positions, forces, cell and stress by the parsers of ase 3.29.
    """
    if energy not in ENERGIES:
        rule = f"VASP gives {' and '.join(ENERGIES)}, and not {energy!r}"
        remedy = "Name one of them; or write the file as extended XYZ with your key"
        raise ReadError(str(path), rule, remedy)
    with reading(path, "file of VASP"):
        if _is_packed(path):
            check_inflated(path, "gzip", window=31, largest=4 << 30)  # bytes
        with _opened(path) as file:
            head = file.read(4096)
            file.seek(0)
            is_xml = b"<modeling" in head or head.lstrip().startswith(b"<")
            steps = _vasprun(path, file, head, energy) if is_xml else _outcar(path, file, energy)
            count = 0
            for count, one in enumerate(steps, start=1):
                yield checked(path, "vasprun.xml" if is_xml else "OUTCAR", count - 1, one)
        if not count:
            rule = "it has no complete ionic step"
            raise ReadError(str(path), rule, "Let the job finish, or copy the file again")


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if _is_packed(path) else path.open("rb")


def _outcar(path: Path, file: IO[bytes], energy: str) -> Iterator[Structure]:
    texts = (raw.decode("latin-1") for raw in file)
    lines, header, cell = list[str](), None, np.zeros((3, 3))
    for line in texts:
        lines.append(line)
        if header is None and ("Iteration" in line or _FREE in line):
            header = _header_of_outcar(path, lines)
        if header is not None and _FREE in line:
            tail = list(islice(texts, 4))
            if len(tail) == 4:
                one = _step_of_outcar(header, [*lines, *tail], cell, energy)
                cell, lines = one.cell, []
                yield one
    # Linear response prints iterations after the last step, and a job that ended prints its times.
    ended = any("General timing" in line for line in lines)
    if not ended and any("Iteration" in line or _FREE in line for line in lines):
        _refuse_cut(path, "OUTCAR")


def _header_of_outcar(path: Path, lines: Sequence[str]) -> _Header:
    text = "".join(lines)
    counts = [int(word) for word in _first(r"ions per type =(.+)", text).split()]
    # A low NWRITE leaves TITEL out, and a POTCAR may hold more potentials than there are types.
    titles = re.findall(r"TITEL  =(.+)", text) or re.findall(r"POTCAR:(.+)", text)
    valences = re.findall(r"POMASS.*ZVAL\s*=\s*(\S+)", text)
    valences = valences or _first(r"^ +ZVAL   =(.+)", text).split()
    if not counts or min(len(titles), len(valences)) < len(counts):
        rule = f"OUTCAR: {len(counts)} types of ions have {len(titles)} potentials"
        raise ReadError(str(path), rule, "Copy the file again")
    names = [_element(title) for title in titles]
    tags = {name: _first(rf"^ *{name}\s*=\s*(\S+)", text) for name in TAGS}
    # METAGGA=F is another switch; the functional stands in the INCAR and in a line of its own.
    functionals = [name for name in re.findall(r"METAGGA\s*=\s*(\S+)", text) if name != "F"]
    tags["METAGGA"] = functionals[-1] if functionals else ""
    for letter in "UJ":
        tags[f"LDAU{letter}"] = _first(rf"for each species LDAU{letter} =(.+)", text)
    limit = int(_first(r"NELM\s*=\s*(\d+);", text) or 0)
    potentials = zip(counts, names, titles, map(float, valences), strict=False)
    return _header(path, limit, tags, list(potentials))


def _element(title: str) -> str:
    """Return the element of a potential: Fe of `PAW_PBE Fe_pv 02Aug2007`, H of `H1.25`."""
    words = title.split()
    word = words[0] if "1/r" in words or len(words) == 1 else words[1]
    return re.sub(r"[^A-Za-z].*", "", word)


def _step_of_outcar(
    header: _Header, lines: Sequence[str], cell: np.ndarray, energy: str
) -> Structure:
    from ase.io.vasp_parsers import vasp_outcar_parsers as parsers

    make: Any = parsers
    atoms = {"natoms": len(header.symbols)}
    readers = (make.Cell(), make.PositionsAndForces(atoms), make.Stress())
    labels: dict[str, Any] = {"cell": cell, "stress": None}
    for at, line in enumerate(lines):
        for reader in readers:
            if reader.LINE_DELIMITER in line:
                labels |= reader.parse(at, lines)
    if "positions" not in labels:
        rule = "OUTCAR: no positions and forces stand before the energy of a step"
        raise ReadError(str(header.path), rule, "VASP 5.3 or later writes them; or write NWRITE=2")
    tail = "".join(lines[-5:])
    labels["free_energy"] = float(_first(r"TOTEN\s*=\s*(\S+)", tail))
    labels["energy"] = float(_first(r"energy\(sigma->0\)\s*=\s*(\S+)", tail))
    steps = sum("Iteration" in line for line in lines)
    converged = steps < header.limit and any("because EDIFF is reached" in line for line in lines)
    problem = "" if converged else UNCONVERGED
    return _structure(header, labels, energy, MACHINE_LEARNED if " ML " in tail else problem)


def _vasprun(path: Path, file: IO[bytes], head: bytes, energy: str) -> Iterator[Structure]:
    if not re.match(_PROLOG, head):
        rule = "not a vasprun.xml: something else stands before its first element"
        remedy = "Copy the file again; declarations of XML are not read"
        raise ReadError(str(path), rule, remedy)
    incar, parameters = dict[str, str](), dict[str, str]()
    types, header, inside = list[Element](), None, False
    try:
        for event, element in iterparse(file, events=("start", "end")):
            if event == "start":
                inside = inside or element.tag == "calculation"
            elif element.tag in ("incar", "parameters"):
                tags = incar if element.tag == "incar" else parameters
                for one in element.iter():  # linear response has an NELM of its own, further down
                    tags.setdefault(one.get("name", ""), (one.text or "").strip())
            elif element.tag == "atominfo":
                types = element.findall("array[@name='atomtypes']/set/rc")
            elif element.tag in ("eigenvalues", "dos", "projected"):
                element.clear()  # most of the file
            elif element.tag == "calculation":
                header = header or _header_of_vasprun(path, incar, parameters, types)
                yield _step_of_vasprun(header, parameters, element, energy)
                inside = False
                element.clear()
    except ParseError as error:
        if error.code != _NO_MORE or inside:
            _refuse_cut(path, f"vasprun.xml: {error}")


def _header_of_vasprun(
    path: Path, incar: dict[str, str], parameters: dict[str, str], types: Sequence[Element]
) -> _Header:
    tags = {**parameters, **incar, "GGA": parameters.get("GGA", "")}
    tags["ENCUT"] = parameters["ENMAX"]
    potentials = []
    for row in types:
        count, name, _, valence, title, *_ = ((cell.text or "").strip() for cell in row)
        name = {"X": "Xe", "r": "Zr"}.get(name, name)  # as old versions write them
        potentials.append((int(count), name, title, float(valence)))
    return _header(path, int(parameters["NELM"]), tags, potentials)


def _step_of_vasprun(
    header: _Header, parameters: dict[str, str], step: Element, energy: str
) -> Structure:
    from ase import Atoms
    from ase.io.vasp import atoms_from_step

    scf = step.findall("scstep/energy")
    if not scf:  # a step of the machine-learned field: its structure alone
        cell = _rows(step, "structure/crystal/varray[@name='basis']/v")
        places = _rows(step, "structure/varray[@name='positions']/v") @ cell
        return _structure(header, {"cell": cell, "positions": places}, energy, MACHINE_LEARNED)
    make: Any = atoms_from_step
    pressure = {"pstress": float(parameters.get("PSTRESS") or 0.0)}
    count = len(header.symbols)
    atoms = make(step, [], [], pressure, Atoms(header.symbols), count)
    labels = {**atoms.calc.results, "cell": np.asarray(atoms.cell), "positions": atoms.positions}
    problem = "" if len(scf) < header.limit else UNCONVERGED
    return _structure(header, labels, energy, problem)


def _header(
    path: Path, limit: int, tags: dict[str, str], potentials: Sequence[tuple[int, str, str, float]]
) -> _Header:
    """Return what a run states; a potential is the number of its ions, element, title, valence."""
    counts, names, titles, valences = zip(*potentials, strict=True)
    if not 0 < sum(counts) <= LARGEST:
        rule = f"it has {sum(counts):,} atoms, and 1 to {LARGEST:,} are possible"
        raise ReadError(str(path), rule, "Cut out the part that you need")
    xc = tags["GGA"].upper().strip("-")
    if not xc:  # that of the potentials
        xc = "PE" if "PBE" in titles[0] else "91" if "GGA" in titles[0] else "CA"
    meta = tags.get("METAGGA", "").upper().strip("-")
    notes = {
        "GGA": xc,
        "METAGGA": "none" if meta in ("", "NONE") else meta[:5],  # OUTCAR prints five letters
        "IVDW": tags.get("IVDW") or "0",
        "ENCUT": f"{float(tags['ENCUT']):.1f}",
        "ISPIN": tags.get("ISPIN") or "1",
    }
    switches = ("LUSE_VDW", "LSORBIT", "LHFCALC")
    notes |= {name: tags.get(name, "").strip(".")[:1].upper() or "F" for name in switches}
    exact = notes.pop("LHFCALC") == "T"
    notes["AEXX"] = f"{float(tags.get('AEXX') or 0.25):g}" if exact else "0"
    both = [[float(word) for word in tags.get(f"LDAU{end}", "").split()] for end in "UJ"]
    for at, (name, title) in enumerate(zip(names, titles, strict=True)):
        notes[f"POTCAR_{name}"] = " ".join(title.split())
        u, j = (values[at] if at < len(values) else 0.0 for values in both)
        notes[f"U_{name}"] = f"{u - j:g}"
    charge = float(np.dot(counts, valences)) - float(tags["NELECT"])
    if abs(charge) > 1e-3:
        notes["charge"] = f"{charge:g}"
    symbols = [name for name, count in zip(names, counts, strict=True) for _ in range(count)]
    return _Header(path, symbols, notes, limit)


def _structure(header: _Header, labels: dict[str, Any], energy: str, problem: str) -> Structure:
    stress, free = labels.get("stress"), labels.get("free_energy")
    return Structure(
        np.array(header.symbols, dtype=str),
        labels["positions"],
        labels["cell"],
        np.ones(3, dtype=bool),
        None if energy not in labels else float(labels[energy]),
        labels.get("forces"),
        tensor(header.path, "file of VASP", 0, None if stress is None else np.asarray(stress)),
        header.notes if free is None else {**header.notes, "free_energy": repr(float(free))},
        problem,
    )


def _rows(step: Element, place: str) -> np.ndarray:
    return np.array([[float(word) for word in (v.text or "").split()] for v in step.findall(place)])


def _first(pattern: str, text: str) -> str:
    """Return the first group of the first match, or an empty text."""
    match = re.search(pattern, text, re.MULTILINE)
    return match[1].strip() if match else ""


def _refuse_cut(path: Path, kind: str) -> NoReturn:
    remedy = "Copy it again, run the job to its end, or cut it after its last complete step"
    raise ReadError(str(path), f"{kind}: it ends inside an ionic step", remedy)
