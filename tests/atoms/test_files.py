"""Labels of the user: their scale, their splits, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

import scionwood
from scionwood import ScionwoodError
from scionwood_atoms.data.files import Files
from scionwood_atoms.data.labels import LabelError, chosen, read_frames
from scionwood_atoms.data.scale import check_labels
from scionwood_atoms.model.potential import predictions
from scionwood_atoms.model.reference import OffsetError, Reference

Make = Callable[..., list[Atoms]]
Label = Callable[..., Path]


def files(path: Path, **options: object) -> Files:
    data = Files(source=str(path), base="sevennet/tiny", **options)  # type: ignore[arg-type]
    data.setup("fit")
    return data


def test_labels_move_to_the_scale_of_the_base(tmp_path, tiny, shaken, label):
    frames = shaken("H2O", "CH4", "CH3OH")
    data = files(label(tmp_path / "a.xyz", frames), share=0.2, batch_size=20)
    # The block of the test is the end of the file.
    (batch,) = data.test_dataloader()
    tests = frames[-len(batch.energy) :]
    own = predictions(tiny, [tiny.graph(atoms) for atoms in tests]).energies
    assert np.abs(batch.energy.numpy() - own).max() < 1e-4
    data.write(tmp_path)
    assert Reference.read(tmp_path).of({"O": 1, "H": 2}) == data.reference.of({"O": 1, "H": 2})  # type: ignore[union-attr]


def test_one_composition_without_isolated_atoms_stays_alone(tmp_path, shaken, label):
    path = label(tmp_path / "a.xyz", shaken("CH3OH"))
    alone = files(path, reference="composition").reference
    assert alone is not None
    assert alone.of({"C": 2, "H": 8, "O": 2}) == pytest.approx(
        2 * alone.of({"C": 1, "H": 4, "O": 1})
    )
    with pytest.raises(OffsetError, match="H2O1: the labels do not fix its energy"):
        alone.of({"H": 2, "O": 1})


def test_atoms_of_another_code_are_refused(tmp_path, shaken, label):
    label(tmp_path / "a.xyz", [*shaken("CH3OH"), Atoms("O")])
    label(tmp_path / "b.xyz", [Atoms("O")], lambda _, labels: labels.update(energy=-2039.0))
    frames = [*read_frames(tmp_path / "a.xyz"), *read_frames(tmp_path / "b.xyz")]
    with pytest.raises(OffsetError, match=r"atom O: its energy is -2039\.000 eV in b\.xyz"):
        chosen(frames)


def test_duplicates_and_frames_without_forces_are_dropped(tmp_path, shaken, label):
    frames = shaken("H2O", n=3)
    label(tmp_path / "a.xyz", [*frames, frames[1].copy()])
    plain = '1\npbc="F F F"\nO 0 0 0\n2\nenergy=-2054.0\nO 0 0 0\nH 0 0 1\n'
    (tmp_path / "b.xyz").write_text(plain, "utf-8")
    found = chosen([*read_frames(tmp_path / "a.xyz"), *read_frames(tmp_path / "b.xyz")])
    assert len(found.frames) == 3
    assert found.dropped == {
        "duplicates": 1,
        "no energy or no forces": 1,
        "isolated atoms without an energy": 1,
    }


def test_a_split_by_composition_shares_none(tmp_path, shaken, label):
    path = label(tmp_path / "a.xyz", shaken("H2O", "CH4", "CH3OH", "CO", "C2H6", n=20))
    parts = Files(source=str(path), split="composition", share=0.2).frames()
    formulas = [{frame.structure.formula for frame in part} for part in parts.values()]
    assert [len(names) for names in formulas] == [3, 1, 1]
    assert not set.intersection(*formulas[:2]) | set.intersection(*formulas[1:])


def test_a_trained_model_does_not_take_forces_of_other_atoms(tmp_path, tiny, shaken, label):
    def shuffled(_: Atoms, labels: dict[str, object]) -> None:
        labels["forces"] = 10 * np.asarray(labels["forces"])[::-1, [1, 2, 0]]

    frames = list(read_frames(label(tmp_path / "a.xyz", shaken("CH3CH2OH", n=9), shuffled)))
    found = predictions(tiny, [tiny.graph(frame.structure.atoms()) for frame in frames])
    with pytest.raises(LabelError, match="do not resemble those of the frozen model"):
        check_labels(frames, *found, trained=True)


def test_a_refused_fit_leaves_no_run(tmp_path, shaken, label):
    source = label(tmp_path / "a.xyz", shaken("CH3OH"))
    data = {"name": "atoms/files", "source": str(source), "base": "sevennet/tiny"}
    with pytest.raises(ScionwoodError, match="1 independent composition"):
        scionwood.fit(
            "atoms/few_shot",
            run_dir=tmp_path / "run",
            overrides={"backbone.model": "tiny", "data": data},
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.xyz"]
