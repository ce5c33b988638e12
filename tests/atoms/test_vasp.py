"""Files of VASP: agreement with the files' own numbers, levels of theory, and cuts."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from vasp_files import Step, outcar, vasprun

from scionwood import ReadError
from scionwood_atoms.readers.vasp import MACHINE_LEARNED, UNCONVERGED, read_vasp

CELL = np.array([[0.0, 2.7, 2.7], [2.6, 0.0, 2.7], [2.7, 2.7, 0.1]])


def steps(n: int = 3) -> list[Step]:
    rng = np.random.default_rng(0)
    stress = np.array([[1.0, 0.1, 0.2], [0.1, 2.0, 0.3], [0.2, 0.3, 3.0]]) / 100
    return [
        Step(CELL, rng.normal(0, 0.1, (2, 3)) + [[0], [1.35]], -10.8 + at, force, stress)  # noqa: RUF005
        for at, force in enumerate(rng.normal(0, 0.5, (n, 2, 3)))
    ]


@pytest.mark.parametrize("kind", ["OUTCAR", "vasprun.xml", "OUTCAR.gz"])
def test_labels_are_those_of_the_file_in_the_units_of_ase(kind, tmp_path):
    wanted, path = steps(), tmp_path / kind
    text = (vasprun if "xml" in kind else outcar)(["Si", "C"], wanted).encode()
    path.write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
    found = list(read_vasp(path))
    assert [one.problem for one in found] == ["", "", ""]
    for one, step in zip(found, wanted, strict=True):
        assert one.symbols.tolist() == ["Si", "C"]
        assert one.energy == pytest.approx(step.energy, abs=1e-8)
        assert np.abs(one.positions - step.positions).max() < 1e-6
        assert np.abs(one.forces - step.forces).max() < 1e-6
        assert np.abs(one.stress - step.stress).max() < 1e-8
        assert one.notes["POTCAR_C"] == "PAW_PBE C 05Jan2001"
    free = list(read_vasp(path, energy="free_energy"))
    assert free[0].energy == pytest.approx(wanted[0].energy - 0.002, abs=1e-8)
    with pytest.raises(ReadError, match="energy and free_energy, and not 'REF_energy'"):
        list(read_vasp(path, energy="REF_energy"))


def real(name: str) -> Path:
    """A file of the tests of ase, which the package installs."""
    import ase.test

    path = Path(ase.test.__file__).parent / "testdata" / "vasp" / name
    if not path.is_file():
        pytest.skip(f"this ase came without {name}")
    return path


@pytest.mark.parametrize("name", ["OUTCAR_example_1", "vasprun_pstress.xml"])
def test_real_files_have_the_labels_that_ase_reads(name):
    import ase.io

    kind = "vasp-xml" if name.endswith("xml") else "vasp-out"
    found, wanted = list(read_vasp(real(name))), ase.io.read(real(name), ":", format=kind)
    assert len(found) == len(wanted)
    for one, atoms in zip(found, wanted, strict=True):
        assert one.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
        assert np.array_equal(one.forces, atoms.get_forces(apply_constraint=False))
        assert np.allclose(one.stress, atoms.get_stress(voigt=False), atol=1e-9)
        assert one.symbols.tolist() == list(atoms.symbols)


def test_unconverged_steps_and_those_of_a_learned_field_say_so(tmp_path):
    first, second, third = steps()
    some = [first._replace(done=False), second._replace(iterations=60), third]
    for name, write in (("OUTCAR", outcar), ("vasprun.xml", vasprun)):
        (tmp_path / name).write_text(write(["Si", "Si"], some))
    outcar_problems = [one.problem for one in read_vasp(tmp_path / "OUTCAR")]
    assert outcar_problems == [UNCONVERGED, UNCONVERGED, ""]
    problems = [one.problem for one in read_vasp(tmp_path / "vasprun.xml")]
    assert problems == ["", UNCONVERGED, ""]
    text = outcar(["Si", "Si"], [third]).replace("  FREE ENERGIE", "  ML FREE ENERGIE")
    (tmp_path / "ML").write_text(text)
    assert next(iter(read_vasp(tmp_path / "ML"))).problem == MACHINE_LEARNED


@pytest.mark.parametrize("kind", ["OUTCAR", "vasprun.xml"])
def test_a_cut_inside_a_step_is_refused_and_one_between_steps_is_read(kind, tmp_path):
    text = (vasprun if "xml" in kind else outcar)(["Si", "Si"], steps())
    path, lines = tmp_path / kind, text.splitlines(keepends=True)
    for count in range(2, len(lines) - 3, 3):
        path.write_text("".join(lines[:count]))
        try:
            assert len(list(read_vasp(path))) in (1, 2, 3)
        except ReadError as error:
            named = re.search("no complete|inside an ionic|potentials", str(error))
            assert named, error  # noqa: PT017


def test_a_vasprun_with_a_declaration_is_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("-1.0")
    text = vasprun(["Si", "Si"], steps())
    entity = f'<!DOCTYPE modeling [<!ENTITY x SYSTEM "{secret}">]>\n<modeling>'
    (tmp_path / "a.xml").write_text(text.replace("<modeling>", entity).replace("400.0", "&x;"))
    with pytest.raises(ReadError, match="something else stands before its first element"):
        list(read_vasp(tmp_path / "a.xml"))
