"""Bad labels of users: fit, inspect and evaluate end with the same named refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from case_table import table
from vasp_files import Step, outcar, vasprun

from scionwood import ScionwoodError
from scionwood_atoms import inspect
from scionwood_atoms.data.files import Files, reference_of
from scionwood_atoms.data.labels import LabelError, chosen, read_frames

Labels = dict[str, object]
Make = Callable[..., list[Atoms]]
Label = Callable[..., Path]


def crystals(n: int = 10) -> list[Atoms]:
    """Two compositions with shear, so that elements, units and signs are fixed."""
    frames = []
    for at in range(n):
        atoms = bulk("Si") if at % 2 else bulk("SiC", "zincblende", 4.4)
        atoms.set_cell(atoms.cell @ (np.eye(3) + 0.02 * np.eye(3)[:, [1, 2, 0]]), scale_atoms=True)
        atoms.rattle(0.1, seed=at)
        frames.append(atoms)
    return frames


def scaled(name: str, factor: float) -> Callable[[Atoms, Labels], None]:
    def change(_: Atoms, labels: Labels) -> None:
        labels[name] = factor * np.asarray(labels[name])

    return change


def replaced(**new: object) -> Callable[[Atoms, Labels], None]:
    return lambda _, labels: labels.update(new)


def shear_of_vasp(_: Atoms, labels: Labels) -> None:
    labels["stress"] = np.asarray(labels["stress"])[[0, 1, 2, 5, 3, 4]]


def without_constraint_forces(_: Atoms, labels: Labels) -> None:
    labels["forces"] = np.asarray(labels["forces"]) * [[0.0], [1.0]]


def of_an_atom(atoms: Atoms, labels: Labels) -> None:
    labels["energy"] = np.asarray(labels["energy"]) / len(atoms) / 4  # of a molecule of eight


def noted(**notes: object) -> Callable[[Atoms, Labels], None]:
    return lambda atoms, _: atoms.info.update(notes)


def two_theories(atoms: Atoms, _: Labels) -> None:
    atoms.info["functional"] = "PBE" if "C" in atoms.symbols else "SCAN"


def spins(atoms: Atoms, _: Labels) -> None:
    atoms.info["multiplicity"] = 1 if atoms.positions[0, 0] > 0 else 3


def another_code(atoms: Atoms, labels: Labels) -> None:
    if atoms.positions[0, 0] > 0:
        labels["energy"] = np.asarray(labels["energy"]) + 50.0


LABELS: dict[str, tuple[Callable[[Atoms, Labels], None], str]] = {
    "gradients": (scaled("forces", -1.0), "that of the other sign, as gradients have"),
    "forces in Hartree/bohr": (scaled("forces", 1 / 51.422), "that of Hartree/bohr"),
    "forces in eV/bohr": (scaled("forces", 0.529), "eV/bohr has 0.529"),
    "forces in Rydberg/bohr": (scaled("forces", 1 / 25.711), "that of Rydberg/bohr"),
    "no forces but zeros": (scaled("forces", 0.0), "forces: all of them are zero"),
    "stress in kbar of VASP": (scaled("stress", -1602.177), "that of kbar of VASP"),
    "pressure": (scaled("stress", -1.0), "that of the other sign; positive is tension"),
    "shear in the order of VASP": (shear_of_vasp, "if it is read in the order"),
    "energies in Hartree": (scaled("energy", 1 / 27.2114), "that of Hartree; multiply by 27.2"),
    "two functionals": (two_theories, "frame 1: functional is SCAN here, and PBE in a.xyz"),
    "energies of an atom": (of_an_atom, "energies: their slope against the frozen model is 0.1"),
    "one energy for all": (replaced(energy=0.0), "have the same energy"),
    "two codes": (another_code, "eV an atom apart at this frame. Two codes"),
    "forces after constraints": (without_constraint_forces, "have no force at all"),
    "an ion": (noted(charge="+1.0"), "a.xyz, frame 0: its charge is 1.0"),
    "two spins": (spins, "multiplicity is"),
}


def refusals(paths: Iterable[Path]) -> list[str]:
    """Return how a fit and an inspection of files end."""
    ends = []
    with pytest.raises(ScionwoodError) as caught:
        Files(source=[str(path) for path in paths], base="sevennet/tiny").setup("fit")
    ends.append(str(caught.value))
    try:
        ends.append(inspect(list(paths), base="sevennet/tiny").refusal)
    except ScionwoodError as error:
        ends.append(str(error))
    return ends


@table("bad", LABELS)
def test_labels_that_a_model_contradicts(bad, tmp_path, tiny, label):
    change, message = LABELS[bad]
    path = label(tmp_path / "a.xyz", crystals(24 if "energies" in bad else 10), change)
    with pytest.raises(ScionwoodError) as caught:  # what a fit and an inspection call
        reference_of(tiny, chosen(read_frames(path)).frames, {}, by_element=True)
    assert message in str(caught.value)


def test_two_files_in_two_units_do_not_meet_in_the_middle(tmp_path, tiny, label):
    label(tmp_path / "a.xyz", crystals(10)[:5])
    label(tmp_path / "b.xyz", crystals(10)[5:], scaled("forces", 1 / 51.422))
    read = [frame for name in "ab" for frame in read_frames(tmp_path / f"{name}.xyz")]
    with pytest.raises(LabelError, match=r"b\.xyz: forces: .* that of Hartree/bohr"):
        reference_of(tiny, chosen(read).frames, {}, by_element=True)


def test_a_fit_and_an_inspection_compare_units_alike(tmp_path, label):
    for end in refusals([label(tmp_path / "a.xyz", crystals(), scaled("stress", 160.2177))]):
        assert "a.xyz: stress: their slope against the frozen model is 160.2, that of GPa" in end


def test_good_labels_are_taken(tmp_path, label):
    path = label(tmp_path / "a.xyz", crystals(24))
    assert inspect([path], base="sevennet/tiny").refusal == ""


PLAIN = "3\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-14.2{keys}\n{rows}"
ROWS = "O 0 0 0.12 0 0 0.25\nH 0 0.76 -0.47 0 -0.1 -0.125\nH 0 -0.76 -0.47 0 0.1 -0.125\n"
LATTICE = ' Lattice="2.7 0 0 0 2.7 0 0 0 2.7"'

TEXTS = {
    "no forces": ("2\nenergy=-1.0\nO 0 0 0\nH 0 0 1\n", "has an energy and forces of two atoms"),
    "an infinite energy": (PLAIN.format(keys="", rows=ROWS).replace("-14.2", "inf"), "not finite"),
    "an energy that is T": (PLAIN.format(keys="", rows=ROWS).replace("-14.2", "T"), "not a number"),
    "one place": (PLAIN.format(keys="", rows=ROWS.replace("-0.76", "0.76")), "1 and 2 are 0 A"),
    "a lattice of lengths and angles": (
        PLAIN.format(keys=' Lattice="5 5 5 90 90 90"', rows=ROWS),
        "value is not in the form of a 9-long",
    ),
    "periods in words": (PLAIN.format(keys=' pbc="none"', rows=ROWS), "its pbc is 'none'"),
    "stress without periods": (
        PLAIN.format(keys=LATTICE + ' pbc="T T F" stress="1 0 0 0 1 0 0 0 1"', rows=ROWS),
        "it has a stress, and its pbc is [True, True, False]",
    ),
    "a stress that is not symmetric": (
        PLAIN.format(keys=LATTICE + ' stress="1 2 3 4 5 6 7 8 9"', rows=ROWS),
        "its stress is not a symmetric tensor",
    ),
    "places in bohr": (
        PLAIN.format(
            keys="", rows="O 0 0 0.23 0 0 0\nH 0 1.44 -0.89 0 0 0\nH 0 -1.44 -0.89 0 0 0\n"
        ),
        "bohr have 1.9",
    ),
    "one that did not converge": (PLAIN.format(keys=" converged=F", rows=ROWS), "not converged"),
    "a format that is not known": ("data_global\n_cell_length_a 5.0\n", "Is it an XYZ file"),
}


@table("bad", TEXTS)
def test_files_that_hold_no_labels(bad, tmp_path):
    text, message = TEXTS[bad]
    (tmp_path / "a.xyz").write_text(text)
    for end in refusals([tmp_path / "a.xyz"]):
        assert message in end


def test_a_crystal_without_periods(tmp_path, label):
    path = label(tmp_path / "a.xyz", crystals(), scaled("forces", 1.0))
    path.write_text(path.read_text().replace('pbc="T T T"', 'pbc="F F F"').replace("stress=", "x="))
    for end in refusals([path]):
        assert "as a crystal has it" in end
    molecule = tmp_path / "b.xyz"  # a molecule in its box stays a molecule
    molecule.write_text(PLAIN.format(keys=' Lattice="9 0 0 0 9 0 0 0 9" pbc="F F F"', rows=ROWS))
    assert len(chosen(read_frames(molecule)).frames) == 1


def test_an_element_that_the_base_does_not_know_is_named_with_its_frame(tmp_path, shaken, label):
    path = label(tmp_path / "a.xyz", shaken("H2O", "CH4", "CH3OH"))
    path.write_text(path.read_text().replace("\nC ", "\nAu"))
    for end in refusals([path]):
        assert "a.xyz, frame 1, structure 'AuH4': SevenNet does not know" in end


def test_isolated_atoms_of_another_code(tmp_path, shaken, label):
    path = label(tmp_path / "a.xyz", [*shaken("CH3OH", n=4), Atoms("C"), Atoms("H"), Atoms("O")])
    text = path.read_text().replace("energy=-10", "energy=-0")  # that of C was -1027 eV
    path.write_text(text)
    for end in refusals([path]):
        assert "with these isolated atoms its energy is -166" in end


def test_compositions_of_two_codes(tmp_path, tiny, shaken, label):
    def change(atoms: Atoms, labels: Labels) -> None:
        if str(atoms.symbols) == "COH4":
            labels["energy"] = np.asarray(labels["energy"]) + 60.0

    path = label(tmp_path / "a.xyz", shaken("H2O", "CH4", "CH3OH", "C2H6", "CO", n=10), change)
    with pytest.raises(LabelError, match="eV an atom from those of one code"):
        reference_of(tiny, chosen(read_frames(path)).frames, {}, by_element=True)


def vasp_steps(n: int = 3, seed: int = 0) -> list[Step]:
    rng = np.random.default_rng(seed)
    cell = 2.7 * (1 - np.eye(3))
    return [
        Step(cell, place + 1.35 * np.array([[0], [1]]), -10.8 + at / 100, force, np.eye(3))
        for at, (place, force) in enumerate(rng.normal(0, 0.1, (n, 2, 2, 3)))
    ]


def write(folder: Path, **texts: str) -> list[Path]:
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


VASP = {
    "a cut OUTCAR": (
        {"OUTCAR": outcar(["Si", "Si"], vasp_steps())[:-400]},
        "OUTCAR: it ends inside an ionic step",
    ),
    "a cut vasprun.xml": (
        {"vasprun": vasprun(["Si", "Si"], vasp_steps())[:-400]},
        "it ends inside an ionic step",
    ),
    "unconverged steps": (
        {"OUTCAR": outcar(["Si", "Si"], [one._replace(done=False) for one in vasp_steps()])},
        "3 unconverged electronic steps",
    ),
    "two cutoffs": (
        {
            "OUTCAR": outcar(["Si", "Si"], vasp_steps()),
            "more": outcar(["Si", "Si"], vasp_steps(seed=1), encut=520.0),
        },
        "more, frame 0: ENCUT is 520.0 here, and 400.0 in OUTCAR, frame 0",
    ),
    "a charged cell": (
        {"OUTCAR": outcar(["Si", "Si"], vasp_steps(), charge=1.0)},
        "OUTCAR, frame 0: its charge is 1",
    ),
}


@table("bad", VASP)
def test_files_of_vasp(bad, tmp_path):
    texts, message = VASP[bad]
    for end in refusals(write(tmp_path, **texts)):
        assert message in end


def test_energy_and_free_energy_are_not_mixed(tmp_path):
    paths = write(tmp_path, OUTCAR=outcar(["Si", "Si"], vasp_steps()))
    frames = [frame.structure.atoms() for frame in read_frames(paths[0])]
    rows = "\n".join(f"Si {' '.join(map(str, place))} 0 0 0" for place in frames[0].positions)
    lattice = " ".join(map(str, frames[0].cell.array.ravel()))
    columns = "Properties=species:S:1:pos:R:3:forces:R:3"
    text = f'2\n{columns} Lattice="{lattice}" energy=-10.802\n{rows}\n'
    for end in refusals([*paths, *write(tmp_path, copy=text)]):
        assert "-10.802000 eV is the free energy of OUTCAR, frame 0" in end


def test_formats_make_one_set_and_a_run_read_twice_does_not_leak(tmp_path):
    """OUTCAR and vasprun.xml of one run round places differently; atoms wrap, and frames turn."""
    steps = vasp_steps(6)
    texts = {"OUTCAR": outcar(["Si", "Si"], steps), "vasprun.xml": vasprun(["Si", "Si"], steps)}
    paths = write(tmp_path, **texts)
    frames = [frame for path in paths for frame in read_frames(path)]
    found = chosen(frames)
    assert len(found.frames) == 6
    assert found.dropped == {"duplicates": 6}
    data = Files(source=str(paths[0]), test=[str(paths[1])], base="sevennet/tiny")
    with pytest.raises(LabelError, match="no labels that the source has not: 6 duplicates"):
        data.frames()


def test_a_molecule_is_no_isolated_atom(tmp_path: Path, shaken: Make, label: Label) -> None:
    path = str(label(tmp_path / "water.xyz", shaken("H2O")))
    with pytest.raises(LabelError, match=r"single atoms, and one of 3 is in it.*data\.source"):
        Files(source=[path], isolated=[path]).setup("fit")


def test_isolated_atoms_may_stand_in_a_box(tmp_path: Path) -> None:
    box = Step(10 * np.eye(3), np.zeros((1, 3)), -0.8, np.zeros((1, 3)), np.zeros((3, 3)))
    crystal = box._replace(cell=3 * np.eye(3))
    both = write(tmp_path, atom=outcar(["Si"], [box]), crystal=outcar(["Si"], [crystal]))
    found = chosen(frame for path in both for frame in read_frames(path))
    assert found.isolated == {"Si": -0.8}
    assert len(found.frames) == 1
